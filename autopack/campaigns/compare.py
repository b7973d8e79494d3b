"""Compares the lanes of a campaign: run by run, as a whole, and with the uncertainty of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel

from autopack.campaigns.lanes import Campaign, Lane, replays_of
from autopack.campaigns.replayable import LeftOut
from autopack.experiments.analysis import analyse
from autopack.experiments.recorded.ends import End, Outcome
from autopack.experiments.recorded.from_runs import (
    JudgedPairs,
    RunPair,
    judge_pairs,
    run_facts,
)
from autopack.experiments.recorded.run_facts import RunFacts
from autopack.experiments.recorded.validity import ArmSettings, Declaration
from autopack.experiments.shapes.analysis_protocol import AnalysisProtocol
from autopack.experiments.shapes.analysis_schema import Analysis
from autopack.experiments.verdicts.wording import count, points
from autopack.model.fingerprint import Treatment
from autopack.store.database.engine import Database
from autopack.store.reading import get_run
from autopack.store.rows import RunRow
from autopack.store.tables import phases
from autopack.store.tables.rollups import error_logs
from autopack.views.overview import RunLine, run_lines

NO_BASELINE = (
    "Without a baseline lane this report cannot tell what the features did from what running "
    "again did: of failed runs some succeed a second time whatever is changed."
)


class Replayed(BaseModel):
    """One run of an item; ``state`` is a run state, ``outcome`` what its end counts as.

    ``end`` says how it ended: see `autopack.experiments.recorded.ends`. ``tokens`` is its total,
    null when nothing of it is known; ``unknown_builds`` told less than all of it.
    """

    run_id: str
    state: str
    success: bool
    tokens: int | None
    unknown_builds: int = 0
    end: End
    outcome: Outcome


class Item(BaseModel):
    """One original and its replays; ``baseline`` is null where there is no such lane."""

    replay_of: str
    plan: str
    goal: str
    original: Replayed
    baseline: Replayed | None
    candidate: Replayed


class LaneSummary(BaseModel):
    """``outcomes`` of the ``runs`` say something of the agent, and ``success_rate`` is a share of
    those, null without any. ``tokens`` is the sum over all runs, of what is known.
    """

    runs: int
    outcomes: int
    successes: int
    success_rate: float | None
    tokens: int | None
    unknown_builds: int = 0


class Effect(BaseModel):
    """A difference of success rates, 1 = 100 points; the interval is null where there is none."""

    diff: float
    lo: float | None = None
    hi: float | None = None
    level: float = 0.95


class StillFailing(BaseModel):
    """Candidate replays that failed the same way; ``pattern_id`` is null where none caught it."""

    pattern_id: str | None
    cause: str
    runs: list[str]


class CampaignReport(BaseModel):
    """What a finished campaign says.

    ``effect`` is candidate minus baseline, from pairs of replays that count; ``naive`` candidate
    minus original; ``regression_to_the_mean`` baseline minus original, which running again
    brings without any change: these two over the items of which every run counts. ``analysis`` is
    that of ``autopack ab analyse`` over the pairs. ``left_out`` are the originals that could not be
    replayed, which nothing else here counts.
    """

    schema_version: Literal[1] = 1
    campaign: str
    sentence: str
    enabled: list[str]
    disabled: list[str]
    lanes: dict[str, LaneSummary]
    effect: Effect | None
    naive: Effect | None
    regression_to_the_mean: Effect | None
    notes: list[str]
    still_failing: list[StillFailing]
    items: list[Item]
    analysis: Analysis | None
    left_out: list[LeftOut] = []


@dataclass(frozen=True)
class Lanes:
    """The runs of a campaign by original and lane, what each spent, and what it counts for."""

    originals: Mapping[str, RunRow]
    replays: Mapping[tuple[str, Lane], RunRow]
    lines: Mapping[str, RunLine]
    facts: Mapping[str, RunFacts]


def unfinished(db: Database, campaign: Campaign, *, without: Collection[str] = ()) -> list[str]:
    """Return the replays that have not ended, or were not even stored.

    ``without`` names the originals that are omitted.
    """
    stored = replays_of(db, campaign.campaign_id)
    return [
        campaign.replay_id(run_id, lane)
        for run_id in campaign.run_ids
        if run_id not in without
        for lane in campaign.lanes
        if (run := stored.get((run_id, lane))) is None or not run.state.is_final
    ]


def compare(
    db: Database, campaign: Campaign, *, left_out: Sequence[LeftOut] = ()
) -> CampaignReport:
    """Compare the lanes of a campaign whose runs have all ended but those ``left_out``."""
    lanes = _read(db, campaign, {one.run_id for one in left_out})
    items = [_item(run_id, lanes) for run_id in lanes.originals]
    sums = {
        lane.value: _summary([run for item in items if (run := _of(item, lane)) is not None])
        for lane in (Lane.ORIGINAL, *campaign.lanes)
    }
    judged = _judged(db, campaign, lanes) if campaign.has_baseline else None
    analysis = effect = regression = None
    notes: list[str] = []
    if left_out:
        notes.append(
            f"{count(len(left_out), 'run')} could not be replayed, and nothing here counts them."
        )
    notes += _without_outcome(items)
    counted = [item for item in items if _counts(item)]
    if judged is None:
        notes.append(NO_BASELINE)
    else:
        analysis = analyse(judged.table, AnalysisProtocol(), test_id=campaign.campaign_id)
        valid = {one.pair_id for one in judged.validity if one.is_valid}
        counted = [item for item in counted if item.replay_of in valid]
        regression = _difference(counted, Lane.BASELINE)
        found = analysis.success
        if found.diff is not None:
            effect = Effect(diff=found.diff, lo=found.tango_lo, hi=found.tango_hi)
        notes += analysis.warnings
        if analysis.n_void:
            notes.append(
                f"{count(analysis.n_void, 'pair')} did not count: "
                + ", ".join(f"{why} ({n})" for why, n in analysis.void_reasons.items())
            )
        notes += [str(exposure) for exposure in judged.exposure() if not exposure.always]
    naive = _difference(counted, Lane.CANDIDATE)
    acted = judged is None or not judged.never_acted()
    return CampaignReport(
        campaign=campaign.campaign_id,
        sentence=_sentence(sums, effect, naive, regression, len(counted), acted=acted),
        enabled=list(campaign.enable),
        disabled=list(campaign.disable),
        lanes=sums,
        effect=effect,
        naive=naive,
        regression_to_the_mean=regression,
        notes=notes,
        still_failing=_still_failing(db, [item.candidate for item in items]),
        items=items,
        analysis=analysis,
        left_out=list(left_out),
    )


def _read(db: Database, campaign: Campaign, without: Collection[str]) -> Lanes:
    wanted = [run_id for run_id in campaign.run_ids if run_id not in without]
    originals = {run_id: get_run(db, run_id) for run_id in wanted}
    replays = replays_of(db, campaign.campaign_id)
    both = [*originals, *(run.run_id for run in replays.values())]
    lines = {line.run_id: line for line in run_lines(db, both)}
    return Lanes(originals, replays, lines, run_facts(db, both))


def _item(run_id: str, lanes: Lanes) -> Item:
    def replayed(run: RunRow) -> Replayed:
        return Replayed(
            run_id=run.run_id,
            state=run.state.value,
            success=lanes.facts[run.run_id].success,
            end=lanes.facts[run.run_id].arm.end,
            outcome=lanes.facts[run.run_id].arm.outcome,
            tokens=lanes.lines[run.run_id].tokens,
            unknown_builds=lanes.lines[run.run_id].unknown_builds,
        )

    original = lanes.originals[run_id]
    baseline = lanes.replays.get((run_id, Lane.BASELINE))
    return Item(
        replay_of=run_id,
        plan=original.plan_hash[:12],
        goal=original.goal,
        original=replayed(original),
        baseline=None if baseline is None else replayed(baseline),
        candidate=replayed(lanes.replays[run_id, Lane.CANDIDATE]),
    )


def _of(item: Item, lane: Lane) -> Replayed | None:
    return {
        Lane.ORIGINAL: item.original,
        Lane.BASELINE: item.baseline,
        Lane.CANDIDATE: item.candidate,
    }[lane]


def _summary(replayed: Sequence[Replayed]) -> LaneSummary:
    successes = sum(run.success for run in replayed)
    outcomes = sum(run.outcome.counts for run in replayed)
    known = [run.tokens for run in replayed if run.tokens is not None]
    return LaneSummary(
        runs=len(replayed),
        outcomes=outcomes,
        successes=successes,
        success_rate=successes / outcomes if outcomes else None,
        tokens=sum(known) if known else None,
        unknown_builds=sum(run.unknown_builds for run in replayed),
    )


def _counts(item: Item) -> bool:
    """Return whether every run of an item says something of the agent."""
    runs = (item.original, item.baseline, item.candidate)
    return all(run is None or run.outcome.counts for run in runs)


def _difference(items: Sequence[Item], lane: Lane) -> Effect | None:
    """Return the share of items that succeeded in a lane, less that of their originals."""
    runs = [(item.original, run) for item in items if (run := _of(item, lane)) is not None]
    if not runs:
        return None
    return Effect(diff=sum(again.success - first.success for first, again in runs) / len(runs))


def _without_outcome(items: Sequence[Item]) -> list[str]:
    """Return which lanes have runs that are counted neither as successes nor as failures,
    and why.
    """
    found: list[str] = []
    for lane in Lane:
        ends = Counter(
            run.end.value
            for item in items
            if (run := _of(item, lane)) is not None and not run.outcome.counts
        )
        if ends:
            said = ", ".join(f"{end} ({n})" for end, n in ends.most_common())
            found.append(f"{lane}: {count(ends.total(), 'run')} ended without an outcome: {said}")
    return found


def _judged(db: Database, campaign: Campaign, lanes: Lanes) -> JudgedPairs:
    return judge_pairs(
        db, [_pair(campaign, original, lanes) for original in lanes.originals.values()]
    )


def _pair(campaign: Campaign, original: RunRow, lanes: Lanes) -> RunPair:
    baseline = lanes.replays[original.run_id, Lane.BASELINE]
    candidate = lanes.replays[original.run_id, Lane.CANDIDATE]
    differs = baseline.features != candidate.features
    return RunPair(
        pair_id=original.run_id,
        plan=original.plan_hash[:12],
        control=baseline.run_id,
        treatment=candidate.run_id,
        declared=Declaration(
            differs=frozenset({Treatment.FEATURES} if differs else ()),
            control=ArmSettings(features=campaign.features(original, Lane.BASELINE)),
            treatment=ArmSettings(features=campaign.features(original, Lane.CANDIDATE)),
        ),
    )


def _still_failing(db: Database, candidates: Sequence[Replayed]) -> list[StillFailing]:
    """By the pattern that caught the last error of each, and its cause; the most frequent first."""
    failed = [run.run_id for run in candidates if not run.success]
    patterns = (
        sa.select(error_logs.c.run_id, error_logs.c.pattern_id)
        .where(error_logs.c.run_id.in_(failed))
        .order_by(error_logs.c.created_at, error_logs.c.attempt)
    )
    causes = sa.select(phases.c.run_id, phases.c.failure_cause).where(
        phases.c.run_id.in_(failed), phases.c.failure_cause.is_not(None)
    )
    with db.read() as conn:
        pattern: dict[str, str | None] = {
            row.run_id: row.pattern_id for row in conn.execute(patterns)
        }
        cause: dict[str, str] = {row.run_id: row.failure_cause for row in conn.execute(causes)}
    state = {run.run_id: run.state for run in candidates}
    kinds = {run: (pattern.get(run), cause.get(run, state[run])) for run in failed}
    return [
        StillFailing(
            pattern_id=pattern_id,
            cause=why,
            runs=[run for run in failed if kinds[run] == (pattern_id, why)],
        )
        for (pattern_id, why), _ in Counter(kinds.values()).most_common()
    ]


def _sentence(
    lanes: Mapping[str, LaneSummary],
    effect: Effect | None,
    naive: Effect | None,
    regression: Effect | None,
    counted: int,
    *,
    acted: bool,
) -> str:
    candidate = lanes[Lane.CANDIDATE]
    if candidate.success_rate is None:
        replayed = count(candidate.runs, "replayed run")
        return f"Of {replayed} none ended with an outcome: nothing can be said of the features."
    some = "" if candidate.outcomes == candidate.runs else " with an outcome"
    text = (
        f"Of {count(candidate.outcomes, 'replayed run')}{some}, {candidate.successes} succeeded "
        f"with the candidate features ({candidate.success_rate:.0%})"
    )
    baseline = lanes.get(Lane.BASELINE)
    if baseline is None:
        against = "the originals cannot be compared: they ended without an outcome."
        if naive is not None:
            against = (
                f"{points(naive.diff)} points against the originals, "
                "which includes whatever running again would have brought anyway."
            )
        return f"{text}, {against}"
    if baseline.success_rate is not None:
        text += f" and {baseline.successes} with the original ones ({baseline.success_rate:.0%})"
    if effect is None or effect.lo is None or effect.hi is None:
        return f"{text}; too few pairs count to say what the features did."
    interval = f"(95% interval {points(effect.lo)} to {points(effect.hi)})"
    if acted:
        text += f": the features bring {points(effect.diff)} points of success {interval}."
    else:
        text += (
            f": the features never acted, so the difference of {points(effect.diff)} points "
            f"{interval} is chance."
        )
    if naive is None or regression is None:
        return text
    # A share of what points the other way would be none.
    is_part = naive.diff > 0 and regression.diff >= 0
    share = f" ({100 * regression.diff / naive.diff:.0f}%)" if is_part else ""
    return (
        f"{text} Against the originals of {count(counted, 'item')} whose runs all count, the "
        f"naive difference is {points(naive.diff)} points, of which {points(regression.diff)}"
        f"{share} are regression to the mean."
    )
