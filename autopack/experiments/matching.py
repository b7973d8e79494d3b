"""Two lists of finished runs, matched into pairs by plan and order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from autopack.errors import BadInput
from autopack.experiments.fingerprint import Fingerprint, Treatment
from autopack.experiments.from_runs import RunFacts, RunPair, run_facts
from autopack.experiments.validity import ArmSettings, Declaration
from autopack.store.reading import Source, get_run


def match_runs(
    source: Source,
    control: Sequence[str],
    treatment: Sequence[str],
    *,
    varies: Collection[Treatment],
) -> list[RunPair]:
    """Pair the n-th control run of a plan with its n-th treatment run.

    What the treatment is was declared nowhere but in ``varies``, so the first pair whose
    fingerprints are known says how each arm is in that; every other pair has to be the same.
    Raises NotFound for an unknown run and BadInput for one without a partner.
    """
    facts = run_facts(source, [*control, *treatment])
    by_plan: defaultdict[str, list[str]] = defaultdict(list)
    for run_id in treatment:
        by_plan[facts[run_id].plan_hash].append(run_id)
    found: list[tuple[str, str]] = []
    for run_id in control:
        partners = by_plan[facts[run_id].plan_hash]
        if not partners:
            raise _alone(run_id, "control_runs", "treatment_runs")
        found.append((run_id, partners.pop(0)))
    if left := [run_id for partners in by_plan.values() for run_id in partners]:
        raise _alone(left[0], "treatment_runs", "control_runs")
    declared = _declaration(source, found, facts, frozenset(varies))
    return [
        RunPair(
            pair_id=f"{number:04d}",
            plan=facts[one].plan_hash[:12],
            control=one,
            treatment=other,
            declared=declared,
            first=_first(facts[one].arm.fingerprint, facts[other].arm.fingerprint),
        )
        for number, (one, other) in enumerate(found, start=1)
    ]


def _alone(run_id: str, field: str, other: str) -> BadInput:
    return BadInput(
        f"run {run_id} has no partner: {other} has no further run of its plan",
        field=field,
        hint="give as many runs of each plan to either arm, in the same order",
    )


def _first(control: Fingerprint | None, treatment: Fingerprint | None) -> str:
    if control is None or treatment is None:
        return ""
    if control.timestamp is None or treatment.timestamp is None:
        return ""
    return "control" if control.timestamp <= treatment.timestamp else "treatment"


def _declaration(
    source: Source,
    pairs: Sequence[tuple[str, str]],
    facts: Mapping[str, RunFacts],
    varies: frozenset[Treatment],
) -> Declaration:
    for one, other in pairs:
        control, treatment = facts[one].arm.fingerprint, facts[other].arm.fingerprint
        if control is not None and treatment is not None:
            return Declaration(
                differs=varies,
                control=_settings(source, one, control, treatment),
                treatment=_settings(source, other, treatment, control),
            )
    return Declaration(differs=varies)


def _settings(source: Source, run_id: str, mine: Fingerprint, others: Fingerprint) -> ArmSettings:
    return ArmSettings(
        features=mine.features,
        builder=mine.builder,
        options=_differing(mine.builder_options, others.builder_options),
        option_files=_differing(mine.option_files, others.option_files),
        model=(mine.models or {}).get("builder"),
        prompt=get_run(source, run_id).prompt,
        token_cap=mine.token_cap,
    )


def _differing(mine: Mapping[str, Any] | None, others: Mapping[str, Any] | None) -> dict[str, Any]:
    known = others or {}
    return {key: value for key, value in (mine or {}).items() if known.get(key) != value}
