"""A run as JSON: what `run`, `resume` and `show` print and what the flow returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from autopack.ledger.budget.budget_nodes import attempt_nodes
from autopack.ledger.budget.budget_tree import levels as budget_levels
from autopack.ledger.consolidated import consolidated_tokens, count_of_campaign, is_known
from autopack.ledger.events.usage_events import (
    NOTHING_LOST,
    Lost,
    TokenTotals,
    lost_of_run,
    phase_tokens,
    token_totals,
)
from autopack.model.budget import (
    Limits,
)
from autopack.model.ids import attempt_ref
from autopack.model.states import AttemptState, PhaseState
from autopack.store.approvals import Approval, get_approvals
from autopack.store.database.engine import Database
from autopack.store.mitigations import get_mitigations
from autopack.store.pauses import list_pauses, pauses_of_run
from autopack.store.reviews import get_reviews
from autopack.store.runs import (
    AttemptRow,
    DecisionRow,
    PhaseRow,
    RunRow,
    get_attempts,
    get_decisions,
    get_phases,
    get_plan_body,
    get_run,
)
from autopack.views.attempt_view import build_view
from autopack.views.budget_view import budget_view
from autopack.views.json_values import money, timestamp
from autopack.views.pause_view import pause_view
from autopack.views.pull_request_view import pull_request_view
from autopack.views.repair_view import after_attempts

if TYPE_CHECKING:
    from autopack.runs.session.session import RunSession  # not for a look at a run

Json = dict[str, Any]


def run_view(db: Database, run_id: str) -> Json:
    """One run from one snapshot; ``live`` is null while builds are under way. Raises NotFound."""
    with db.read() as conn:
        run = get_run(conn, run_id)
        phases = get_phases(conn, run_id)
        attempts = get_attempts(conn, run_id)
        decisions = get_decisions(conn, run_id)
        mitigations = get_mitigations(conn, run_id)
        reviews = get_reviews(conn, run_id)
        totals = token_totals(conn, run_id)
        tokens = phase_tokens(conn, run_id)
        lost = lost_of_run(conn, run_id)
        nodes = attempt_nodes(conn, run_id)
        plan = get_plan_body(conn, run.plan_hash)
        levels = budget_levels(conn, run_id, _phase_caps(plan))
        questions = get_approvals(conn, run_id)
        paused = pauses_of_run(list_pauses(conn), run)
    by_phase: defaultdict[str, list[AttemptRow]] = defaultdict(list)
    for attempt in attempts:
        by_phase[attempt.phase_id].append(attempt)
    decided: defaultdict[str, list[DecisionRow]] = defaultdict(list)
    for decision in decisions:
        decided[decision.phase_id].append(decision)
    return {
        **run_line(run),
        "goal": run.goal,
        "base_commit": run.base_commit,
        "head_commit": run.head_commit,
        "model": run.model,
        "models": run.models,
        "features": list(run.features),
        "failure_reason": run.failure_reason,
        "final_check": run.final_check,
        "flow_run_id": run.flow_run_id,
        "retry_of": run.retry_of,
        "setup_notes": run.setup_notes or [],
        "push": None if run.push is None else {"remote": run.push, "error": run.push_error},
        "pull_request": pull_request_view(run),
        "tokens": token_split(totals),
        **cost_view(totals),
        "budget": budget_view(run, totals, levels, nodes),
        "approvals": [_approval(one) for one in questions],
        "paused": [pause_view(one) for one in paused],
        "live": None if any(one.state is AttemptState.STARTED for one in attempts) else [],
        **_counts(phases),
        "phases": [
            _phase(
                row,
                by_phase[row.phase_id],
                decided[row.phase_id],
                tokens.get(row.phase_id),
                lost.get(row.phase_id, NOTHING_LOST),
            )
            | after_attempts(row.phase_id, mitigations, reviews)
            | {"report_id": _report_id(row, plan)}
            for row in phases
        ],
    }


def _report_id(phase: PhaseRow, plan: Mapping[str, Any]) -> str | None:
    """Return the report of a research phase that is complete."""
    researches = {one["id"] for one in plan.get("phases", ()) if one.get("research")}
    is_told = phase.state is PhaseState.COMPLETE and phase.phase_id in researches
    return f"{phase.run_id}.{phase.phase_id}" if is_told else None


def phase_view(session: RunSession, phase_id: str) -> Json:
    """One phase of a run that this process holds, as it stands in the run's JSON."""
    own = session.snapshot(phase_id)
    now = session.refresh()
    decisions = [one for one in own.decisions if one.phase_id == phase_id]
    lost = now.lost.get(phase_id, NOTHING_LOST)
    tokens = now.tokens.get(phase_id)
    return _phase(now.phase(phase_id), list(own.attempts), decisions, tokens, lost)


def percent_complete(phases: Sequence[PhaseRow]) -> float:
    """Return how much of a run is done, 0 to 100."""
    complete = sum(phase.state is PhaseState.COMPLETE for phase in phases)
    return round(100 * complete / len(phases), 1)


def run_line(run: RunRow) -> Json:
    """Return what a listing says of a run."""
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "repo": run.repo,
        "branch": run.branch,
        "builder": run.builder,
        "created_at": timestamp(run.created_at),
        "started_at": timestamp(run.started_at),
        "finished_at": timestamp(run.finished_at),
    }


def tokens_view(db: Database, run_id: str) -> Json:
    """Return what a run spent and claims to have saved, else a campaign of that id: `autopack
    tokens`.

    Of a campaign, ``run_id`` is None, and ``campaign_id`` and ``runs`` say which and of how many
    runs. Raises NotFound.
    """
    with db.read() as conn:
        runs_of_campaign = 0 if is_known(conn, run_id) else count_of_campaign(conn, run_id)
        if runs_of_campaign:
            which: Json = {"run_id": None, "campaign_id": run_id, "runs": runs_of_campaign}
            figures = consolidated_tokens(conn, campaign=run_id)
        else:
            which, figures = {"run_id": run_id}, consolidated_tokens(conn, run_id)
    totals, claimed, coverage = figures.spent, figures.claimed, figures.coverage
    return {
        **which,
        "spent": {
            **token_split(totals),
            **_unless_unknown(totals, totals.further),
            "by_category": _unless_unknown(totals, dict(totals.by_category)),
            "by_role": _unless_unknown(totals, dict(totals.by_role)),
        },
        "claimed": None if claimed is None else asdict(claimed),
        "estimate_coverage": None
        if coverage is None
        else {source: asdict(part) for source, part in coverage.items()},
        "events": totals.events,
        "unreconciled_calls": totals.unreconciled_calls,
        **cost_view(totals),
    }


def token_split(totals: TokenTotals) -> dict[str, int | None]:
    """Return the one meaning of tokens; calls that reported only a total are in ``unsplit``.

    What is known counts; ``unknown_builds`` told less than all of it. Every figure is None where
    something was built and nothing is known.
    """
    names = ("total", "input", "cache_read", "cache_write", "output", "unsplit")
    figures = {name: getattr(totals, name) for name in names}
    return {**_unless_unknown(totals, figures), "unknown_builds": totals.unknown_builds}


def cost_view(totals: TokenTotals) -> Json:
    """Return what calls cost: ``cost`` is None while a part is unknown, ``cost_known`` is the rest.

    ``simulated_calls`` of all ``calls`` were made by a recording or a simulation: their cost is
    what it would have been, and nobody paid it.
    """
    priced = totals.events > totals.unpriced_calls
    nothing = not priced and totals.cost is None
    return {
        "cost": money(totals.cost),
        "cost_known": None if nothing else money(totals.cost_known),
        "calls": totals.events,
        "unpriced_calls": totals.unpriced_calls,
        "simulated_calls": totals.simulated_calls,
    }


def _unless_unknown(totals: TokenTotals, figures: Mapping[Any, int]) -> dict[Any, int | None]:
    return dict.fromkeys(figures) if totals.nothing_known else dict(figures)


def _phase_caps(plan: Mapping[str, Any]) -> dict[str, Limits]:
    budgets = {phase["id"]: phase.get("budget", {}) for phase in plan.get("phases", ())}
    return {
        phase_id: Limits(tokens=budget.get("tokens"), minutes=budget.get("minutes"))
        for phase_id, budget in budgets.items()
    }


def _approval(one: Approval) -> Json:
    return {
        "phase_id": one.phase_id,
        "kind": one.kind,
        "question": one.question,
        "asked_at": timestamp(one.asked_at),
        "approved": one.approved,
        "answered_at": timestamp(one.answered_at),
        "answered_by": one.answered_by,
        "new_cap": money(one.new_cap),
        "note": one.note,
        "attempt": one.attempt,
    }


def _counts(phases: list[PhaseRow]) -> Json:
    def count(state: PhaseState) -> int:
        return sum(phase.state is state for phase in phases)

    return {
        "total_phases": len(phases),
        "completed_phases": count(PhaseState.COMPLETE),
        "failed_phases": count(PhaseState.FAILED),
        "executing_phases": count(PhaseState.EXECUTING),
        "percent_complete": percent_complete(phases),
    }


def _phase(
    phase: PhaseRow,
    attempts: list[AttemptRow],
    decisions: list[DecisionRow],
    tokens: int | None,
    lost: Lost,
) -> Json:
    failed = phase.failure_cause is not None
    return {
        "phase_id": phase.phase_id,
        "tier": phase.tier,
        "state": phase.state.value,
        "attempts": sum(attempt.is_counted for attempt in attempts),
        "commit": phase.commit,
        "tokens": 0 if tokens is None and not lost.calls else tokens,
        "unknown_builds": lost.builds,
        "failure": {"cause": phase.failure_cause, "message": phase.failure_message}
        if failed
        else None,
        "builds": [build_view(attempt) for attempt in attempts],
        "model_level": attempts[-1].model_level if attempts else 0,
        "left_out": _of_attempts(attempts, "left_out"),
        "changed_tests": _of_attempts(attempts, "changed_tests"),
        "unchanged": _is_unchanged(phase, attempts),
        "last_failure": _last_failure(attempts),
        "decisions": [
            {"attempt": decision.attempt, "kind": decision.kind, "reason": decision.reason}
            for decision in decisions
        ],
    }


def _of_attempts(attempts: list[AttemptRow], name: str) -> list[Json] | None:
    """Return what judging found, each with its attempt; None while no attempt was looked at."""
    looked = [attempt for attempt in attempts if getattr(attempt, name) is not None]
    if not looked:
        return None
    return [{"attempt": at.attempt, **found} for at in looked for found in getattr(at, name)]


def _is_unchanged(phase: PhaseRow, attempts: list[AttemptRow]) -> bool | None:
    """Return whether a phase is complete though nothing was changed for it; None while it is not,
    and where no build of this run completed it.
    """
    passed = [one for one in attempts if one.state is AttemptState.PASSED]
    if phase.state is not PhaseState.COMPLETE or not passed or passed[-1].changed_paths is None:
        return None
    return not passed[-1].changed_paths


def left_out_paths(phase: Json) -> list[str]:
    """Return what the attempts of a phase (of the JSON of `show`) left that no commit has, caches
    apart.

    Each path once, in the order of the attempts.
    """
    listed = phase["left_out"] or ()
    return list(dict.fromkeys(one["path"] for one in listed if one["kind"] != "cache"))


def changed_test_paths(phase: Json) -> list[str]:
    """Return the tests and test settings that the completed attempt of a phase changed, or the
    last.
    """
    listed = phase["changed_tests"] or ()
    last = max((one["attempt"] for one in listed), default=0)
    return [one["path"] for one in listed if one["attempt"] == last]


def _last_failure(attempts: list[AttemptRow]) -> Json | None:
    """Return the last attempt that failed: why, the informative lines of its log, and where that
    is.
    """
    failed = [one for one in attempts if one.state is AttemptState.FAILED]
    if not failed:
        return None
    from autopack.process.informative_excerpt import select

    last = failed[-1]
    return {
        "attempt": last.attempt,
        "cause": last.failure_cause,
        "message": last.failure_message,
        "http_status": last.http_status,
        "commit": last.commit,
        "ref": last.commit and attempt_ref(last.key),
        "lines": select(last.failure_output or ""),
        "log": f"spool/{last.phase_id}/{last.attempt}/validation.log",
    }
