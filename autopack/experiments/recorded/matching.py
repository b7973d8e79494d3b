"""Two lists of finished runs, matched into pairs by plan and order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from autopack.experiments.recorded.from_runs import RunPair, run_facts
from autopack.experiments.recorded.run_facts import RunFacts
from autopack.experiments.recorded.validity import ArmSettings, Declaration
from autopack.model.errors import BadInput
from autopack.model.fingerprint import RULES, Fingerprint, Treatment
from autopack.store.reading import Source, get_run


def match_runs(
    source: Source,
    control: Sequence[str],
    treatment: Sequence[str],
    *,
    varies: Collection[Treatment] | None,
) -> list[RunPair]:
    """Pair the n-th control run of a plan with its n-th treatment run.

    ``varies`` is what the arms may differ in; None takes it from the runs, but for the model,
    which has to be declared. The first pair whose fingerprints are known says how each arm is in
    that, and every other has to be the same; of options only the names have to be.
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
    declared = _declaration(source, found, facts, varies)
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


def say_undeclared(pairs: Sequence[RunPair], facts: Mapping[str, RunFacts]) -> str:
    """Return in what the arms of lists differ whose treatment was not declared."""
    prints = [
        (facts[one.control].arm.fingerprint, facts[one.treatment].arm.fingerprint) for one in pairs
    ]
    known = [(mine, theirs) for mine, theirs in prints if mine is not None and theirs is not None]
    if not known:
        return "the treatment was not declared, and what the runs started from is not recorded"
    differs = {
        rule.declared_as
        for name, rule in RULES.items()
        if rule.declared_as is not None
        and any(getattr(mine, name) != getattr(theirs, name) for mine, theirs in known)
    }
    names = [kind.value for kind in Treatment if kind in differs]
    text = f"the treatment was not declared: the arms differ in {' and '.join(names) or 'nothing'}"
    if Treatment.MODEL in differs:
        options = " ".join(f"--varies {name}" for name in names)
        text += f". Another model has to be declared: {options}"
    return text


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
    varies: Collection[Treatment] | None,
) -> Declaration:
    known: list[tuple[str, str, Fingerprint, Fingerprint]] = []
    for one, other in pairs:
        mine, theirs = facts[one].arm.fingerprint, facts[other].arm.fingerprint
        if mine is not None and theirs is not None:
            known.append((one, other, mine, theirs))
    differs = frozenset(
        rule.declared_as
        for name, rule in RULES.items()
        if rule.declared_as is not None
        and (
            rule.declared_as is not Treatment.MODEL
            and any(getattr(mine, name) != getattr(theirs, name) for _, _, mine, theirs in known)
            if varies is None
            else rule.declared_as in varies
        )
    )
    if not known:
        return Declaration(differs=differs)
    one, other, mine, theirs = known[0]
    return Declaration(
        differs=differs,
        control=_settings(source, one, mine),
        treatment=_settings(source, other, theirs),
        option_names=frozenset(
            name for _, _, c, t in known for name in _differing(c, t) | _differing(t, c)
        ),
    )


def _settings(source: Source, run_id: str, found: Fingerprint) -> ArmSettings:
    return ArmSettings(
        features=found.features,
        builder=found.builder,
        model=(found.models or {}).get("builder"),
        prompt=get_run(source, run_id).prompt,
        token_cap=found.token_cap,
    )


def _differing(mine: Fingerprint, others: Fingerprint) -> set[str]:
    """Return the options in which a run is not like another."""
    parts = (
        (mine.builder_options, others.builder_options),
        (mine.option_files, others.option_files),
    )
    return {
        name
        for values, known in parts
        for name, value in (values or {}).items()
        if (known or {}).get(name) != value
    }
