"""Would the verdict cry wolf on these runs? An experiment without an effect, many times over.

Runs that started from the same are compared with each other: whatever such an A/A experiment
claims is false. Two such runs of a plan make a pair, and which of them is called control is drawn
anew each time. Where there are too few, the pairs of experiments that were run stand in, with
their arms swapped at random: without an effect, nobody could tell the arms apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
import sqlalchemy as sa
from scipy import special

from autopack.experiments.dependence import Dependence, dependence
from autopack.experiments.recorded.ends import Outcome
from autopack.experiments.recorded.from_runs import run_facts
from autopack.experiments.recorded.run_facts import RunFacts
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.matrix import Decision
from autopack.experiments.statistics.sequential import MIN_PLANS
from autopack.experiments.statistics.token_evidence import MAX_FALSE, PlanGroups, weigh_tokens
from autopack.experiments.verdicts.success_axis import weigh_success
from autopack.experiments.verdicts.verdict import decide
from autopack.experiments.verdicts.wording import p_value
from autopack.model.fingerprint import RULES, Role, digest
from autopack.store.database.engine import reading
from autopack.store.reading import Source
from autopack.store.tables import runs
from autopack.store.tables.experiments import ab_pairs

# One of two runs of a plan is called control: so many answers there are at most.
_REPETITIONS = 1000
_MOST_RUNS = 10_000


@dataclass(frozen=True)
class Half:
    """What one run of a pair counts for."""

    tokens: float
    success: bool
    fraction: float


Pair = tuple[str, Half, Half]


@dataclass(frozen=True)
class SelfTest:
    """``rates`` are shares of ``repetitions``, by decision; ``fewer`` and ``more`` those in which
    tokens are claimed to differ, ``higher`` and ``lower`` success.

    ``limit`` is what neither may exceed but by chance: the level of a side, and three standard
    errors of a share of so many repetitions, and ``intervals`` the 95% interval of each share
    (Clopper and Pearson). ``source``: same runs, or pairs with arms swapped. ``dependence`` says
    whether the runs depend on each other, None where there are too few pairs to tell.
    """

    source: Literal["same", "swapped", "none"]
    plans: int
    pairs: int
    repetitions: int
    rates: Mapping[str, float]
    fewer: float | None
    more: float | None
    higher: float | None
    lower: float | None
    level: float
    limit: float | None
    cries_wolf: bool | None
    sentence: str
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, Any])
    dependence: Dependence | None = None


def selftest(
    source: Source, *, seed: int = 0, repetitions: int = _REPETITIONS, ni_margin: float = 0.10
) -> SelfTest:
    """Repeat an A/A experiment on the finished runs of a database."""
    facts = _finished(source)
    found, kind = _same(facts), "same"
    if len({plan for plan, *_ in found}) < MIN_PLANS:
        found, kind = _registered(source, facts), "swapped"
    plans = len({plan for plan, *_ in found})
    if plans < MIN_PLANS:
        return _too_few(plans, len(found))
    return repeat(
        found,
        source="same" if kind == "same" else "swapped",
        seed=seed,
        repetitions=repetitions,
        protocol=AnalysisProtocol(ni_margin=ni_margin, seed=seed),
    )


def repeat(
    pairs: Sequence[Pair],
    *,
    source: Literal["same", "swapped"],
    seed: int,
    repetitions: int,
    protocol: AnalysisProtocol,
) -> SelfTest:
    """Swap the arms of each pair at random, and count what is claimed."""
    names = [plan for plan, *_ in pairs]
    groups = PlanGroups(names)
    values = {
        name: np.array([[getattr(half, name) for half in two] for _, *two in pairs], dtype=float)
        for name in ("tokens", "success", "fraction")
    }
    dice = np.random.Generator(np.random.PCG64(seed))
    rows = np.arange(len(pairs))
    decisions: Counter[Decision] = Counter()
    sides: Counter[str] = Counter()
    for _ in range(repetitions):
        first = dice.integers(0, 2, size=len(pairs))
        one, other = ({k: v[rows, arm] for k, v in values.items()} for arm in (first, 1 - first))
        verdict = decide(
            tokens=weigh_tokens(
                control=one["tokens"],
                treatment=other["tokens"],
                plans=names,
                n_void=0,
                protocol=protocol,
            ),
            success=weigh_success(
                control=one["success"] > 0,
                treatment=other["success"] > 0,
                groups=groups,
                fractions=(one["fraction"], other["fraction"]),
                phases=None,
                declared=None,
            ),
            n_pairs=len(pairs),
            n_void=0,
            protocol=protocol,
        )
        decisions[verdict.decision] += 1
        sides.update(axis.value for axis in verdict.axes)
    level = MAX_FALSE / 2
    limit = level + 3 * (level * (1 - level) / repetitions) ** 0.5
    shares = {side: sides[side] / repetitions for side in ("fewer", "more", "higher", "lower")}
    intervals = {side: _interval(sides[side], repetitions) for side in shares}
    depends = dependence([(older.tokens, newer.tokens) for _, older, newer in pairs], seed=seed)
    cries = max(shares.values()) > limit or (depends is not None and depends.is_there)
    claimed = ", ".join(
        f"{share:.1%} {side} (95% interval {intervals[side][0]:.1%} to {intervals[side][1]:.1%})"
        for side, share in shares.items()
    )
    what = "runs that started from the same" if source == "same" else "experiments, arms swapped"
    said = (
        f"{'The verdict cries wolf here' if cries else 'The verdict does not cry wolf here'}: of "
        f"{repetitions:,} experiments without an effect, made of {len(pairs)} pairs of {what}, "
        f"over {len(groups.names)} plans, so many claim a difference in tokens or in success: "
        f"{claimed}. Each may be {level:.1%}, and by chance up to {limit:.1%}. "
        f"{_about_dependence(depends)}"
    )
    return SelfTest(
        source=source,
        plans=len(groups.names),
        pairs=len(pairs),
        repetitions=repetitions,
        rates={one.value: decisions[one] / repetitions for one in Decision if decisions[one]},
        **shares,
        level=level,
        limit=limit,
        cries_wolf=cries,
        sentence=said,
        intervals=intervals,
        dependence=depends,
    )


def _interval(number: int, of: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95% interval of a share."""
    low = 0.0 if number == 0 else float(special.betaincinv(number, of - number + 1, 0.025))
    high = 1.0 if number == of else float(special.betaincinv(number + 1, of - number, 0.975))
    return low, high


def _about_dependence(found: Dependence | None) -> str:
    if found is None:
        return "There are too few pairs to tell whether runs depend on each other."
    claims = (
        f"when whole stretches of pairs are swapped, as where one arm runs before the other, "
        f"{found.claims:.0%} claim a difference in tokens ({found.expected:.0%} with independent "
        f"runs; p {p_value(found.p)})"
    )
    if found.is_there:
        return (
            f"But runs depend on each other: {claims}. Something drifts, or neighbours are alike: "
            "compare only runs whose order was drawn, as ab run does, never older with newer ones."
        )
    return f"Nothing shows that runs depend on each other: {claims}."


def _too_few(plans: int, pairs: int) -> SelfTest:
    return SelfTest(
        source="none",
        plans=plans,
        pairs=pairs,
        repetitions=0,
        rates={},
        fewer=None,
        more=None,
        higher=None,
        lower=None,
        level=MAX_FALSE / 2,
        limit=None,
        cries_wolf=None,
        sentence=(
            f"Nothing can be said yet: {MIN_PLANS} plans are needed of which two finished runs "
            f"started from the same, or which are of experiments, and there are {plans}. Run an "
            "experiment whose arms do not differ."
        ),
    )


def _finished(source: Source) -> dict[str, RunFacts]:
    """The newest runs that ended and say something of their agent, oldest first."""
    query = (
        sa.select(runs.c.run_id)
        .where(runs.c.finished_at.is_not(None))
        .order_by(runs.c.finished_at.desc(), runs.c.run_id)
        .limit(_MOST_RUNS)
    )
    with reading(source) as conn:
        ids = list(conn.scalars(query))[::-1]
    return {run_id: one for run_id, one in run_facts(source, ids).items() if _is_usable(one)}


def _is_usable(one: RunFacts) -> bool:
    arm = one.arm
    known = arm.tokens is not None and arm.tokens > 0 and arm.fingerprint is not None
    return known and arm.outcome.counts and arm.retry_of is None


def _same(facts: Mapping[str, RunFacts]) -> list[Pair]:
    """Return runs of one fingerprint, two by two, older and newer, as the newer one ended."""
    alike: defaultdict[str, list[RunFacts]] = defaultdict(list)
    for one in facts.values():
        alike[_start(one)].append(one)
    at = {one.arm.run_id: place for place, one in enumerate(facts.values())}
    twos = [
        (start, two)
        for start, found in alike.items()
        for two in zip(found[::2], found[1::2], strict=False)
    ]
    twos.sort(key=lambda one: at[one[1][1].arm.run_id])
    return [(start, _half(older), _half(newer)) for start, (older, newer) in twos]


def _start(one: RunFacts) -> str:
    """Return what a run started from, but for the seed of a simulation."""
    started = one.arm.fingerprint
    return digest(
        [
            str(_without_seed(getattr(started, name)))
            for name, rule in RULES.items()
            if rule.role is not Role.IRRELEVANT
        ]
    )


def _without_seed(value: object) -> object:
    if not isinstance(value, dict):
        return value
    named = cast("dict[str, object]", value)
    return sorted((name, str(held)) for name, held in named.items() if name != "seed")


def _registered(source: Source, facts: Mapping[str, RunFacts]) -> list[Pair]:
    """Return the pairs of experiments whose runs both say something."""
    query = sa.select(ab_pairs.c.plan_hash, ab_pairs.c.control_run_id, ab_pairs.c.treatment_run_id)
    with reading(source) as conn:
        rows = conn.execute(query.order_by(ab_pairs.c.test_id, ab_pairs.c.number)).all()
    at = {run_id: place for place, run_id in enumerate(facts)}
    known = [(plan, sorted(two, key=at.__getitem__)) for plan, *two in rows if at.keys() >= {*two}]
    known.sort(key=lambda one: at[one[1][1]])
    return [(plan, _half(facts[older]), _half(facts[newer])) for plan, (older, newer) in known]


def _half(one: RunFacts) -> Half:
    return Half(float(one.arm.tokens or 0), one.arm.outcome is Outcome.SUCCESS, one.fraction)
