"""Judging `stop_retrying`: later attempts at the phase, with nothing but retries, passed or not."""

from __future__ import annotations

import sqlalchemy as sa

from autopack.model.states import AttemptState, PhaseState
from autopack.repair.lifecycle.transitions import advance
from autopack.store.pattern_hits import HitRow, Verdict, judge_hit, note_outcome, phase_hits
from autopack.store.tables import attempts, decisions

_NOTHING_BUT_RETRIES = frozenset({"retry", "complete", "stop", "suggest", "defer"})


def settle_phase(conn: sa.Connection, run_id: str, phase_id: str, state: PhaseState) -> None:
    """Keep how a phase with hits ended, and judge those that its later attempts tell of."""
    found = phase_hits(conn, run_id, phase_id)
    if not found:
        return
    note_outcome(conn, run_id, phase_id, state.value)
    for hit in found:
        if hit.mitigation != "stop_retrying" or hit.verdict is not None:
            continue
        judged = _judged(conn, hit, state)
        if judged is not None:
            verdict, why = judged
            judge_hit(conn, hit.id, verdict, by="later attempts", why=why)
            advance(conn, hit.pattern_id, hit.digest)


def _judged(conn: sa.Connection, hit: HitRow, state: PhaseState) -> tuple[Verdict, str] | None:
    """Return what later attempts say of a hit; None where there were none, or more than those."""
    of_phase = (attempts.c.run_id == hit.run_id, attempts.c.phase_id == hit.phase_id)
    later = conn.execute(
        sa.select(attempts.c.attempt, attempts.c.state)
        .where(*of_phase, attempts.c.attempt > hit.attempt, attempts.c.counts.is_(True))
        .order_by(attempts.c.attempt)
    ).all()
    kinds = conn.scalars(
        sa.select(decisions.c.kind).where(
            decisions.c.run_id == hit.run_id,
            decisions.c.phase_id == hit.phase_id,
            decisions.c.attempt >= hit.attempt,
        )
    )
    if not set(kinds) <= _NOTHING_BUT_RETRIES:
        return None
    passed = next((one.attempt for one in later if one.state is AttemptState.PASSED), None)
    if passed is not None:
        return "wrong", f"attempt {passed} passed after nothing but retries"
    failed = sum(one.state is AttemptState.FAILED for one in later)
    if state is PhaseState.FAILED and failed:
        return "right", f"{failed} later attempts failed, after nothing but retries"
    return None
