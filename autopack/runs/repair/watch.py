"""Watching: every pattern looks at a failure, and what matches is recorded before anything acts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection

from autopack.model.causes import POLICIES
from autopack.model.features import Feature
from autopack.model.ids import AttemptKey
from autopack.repair.facts import RepairState
from autopack.repair.holdout import DEFAULT_SHARE, SEED, Draw, draw
from autopack.repair.lifecycle.detector import origin_of
from autopack.repair.lifecycle.pattern_state import PatternState
from autopack.repair.lifecycle.transitions import begin_watching
from autopack.repair.patterns import Match
from autopack.runs.repair.apply_proposal import Work
from autopack.runs.repair.run_patterns import RunPattern, run_patterns
from autopack.runs.session.run_snapshot import Part
from autopack.runs.session.session import RunSession
from autopack.store.leases import fence
from autopack.store.pattern_hits import NewHit, phase_hits, record_hit, record_look
from autopack.store.runs import record_decision


def watch(session: RunSession, key: AttemptKey, repair: RepairState) -> None:
    """Have the run's patterns look at a failure; record who looked, and what matched first."""
    failure = repair.failure
    if failure is None or POLICIES[failure.cause].opinion:
        return
    if not session.has(Feature.FAILURE_HARDENING):
        return
    found = run_patterns(session)
    evidence = Work.of(session, key, repair).evidence(failure)
    matched = [(one, match) for one in found if (match := one.pattern.detect(evidence)) is not None]
    known = {hit.pattern_id for hit in phase_hits(session.db, key.run_id, key.phase_id)}
    new = [(one, match) for one, match in matched if match.pattern_id not in known]
    repository = session.run().repo
    detectors = {one.detector.pattern_id: one.detector.digest for one in found}
    unknown = [
        (one.detector, one.measured_in, origin_of(one.pattern).value)
        for one in found
        if not one.is_known
    ]

    def write(conn: Connection) -> None:
        fence(conn, session.lease)
        begin_watching(conn, unknown)
        record_look(conn, key, repository, _name_of(detectors), detectors)
        for one, match in new:
            record_hit(conn, key, repository, _hit(session, key, one, match))
            if one.state is PatternState.SUGGEST:
                record_decision(conn, session.lease, key, "suggest", _suggestion(one, match))

    session.transact(write, (Part.DECISIONS,))


def possible(session: RunSession, key: AttemptKey, repair: RepairState) -> tuple[str, ...]:
    """Return the patterns that may meet the failure, best first: those that earned it, and are not
    held out in this phase.
    """
    if repair.failure is None or POLICIES[repair.failure.cause].opinion:
        return ()
    evidence = Work.of(session, key, repair).evidence(repair.failure)
    held_out = {
        hit.pattern_id
        for hit in phase_hits(session.db, key.run_id, key.phase_id)
        if hit.arm == "held_out"
    }
    found = (
        one.pattern.detect(evidence)
        for one in run_patterns(session)
        if one.may_act and one.detector.pattern_id not in held_out
    )
    return tuple(match.pattern_id for match in found if match is not None)


def _hit(session: RunSession, key: AttemptKey, one: RunPattern, match: Match) -> NewHit:
    drawn = _draw(session, key, match.pattern_id) if one.may_act else None
    return NewHit(
        pattern_id=match.pattern_id,
        digest=one.detector.digest,
        version=one.detector.version,
        mitigation=one.detector.mitigation,
        state=one.state.value,
        captured={name: session.redactor.text(value) for name, value in match.captured.items()},
        seed=drawn and drawn.seed,
        share=drawn and drawn.share,
        draw=drawn and drawn.number,
        arm=drawn and drawn.arm,
    )


def _draw(session: RunSession, key: AttemptKey, pattern_id: str) -> Draw | None:
    """Return the draw of the hold-out; a replay has that of the run that it replays."""
    if not session.has(Feature.HOLDOUT):
        return None
    run = session.run()
    share = session.plan.policy.holdout or DEFAULT_SHARE
    return draw(SEED, run.replay_of or run.run_id, key.phase_id, pattern_id, share)


def _suggestion(one: RunPattern, match: Match) -> str:
    line = match.captured.get("line", "")
    named = f" ({line[:200]})" if line else ""
    return f"{match.pattern_id} recognises this failure{named}: {one.detector.mitigation}"


def _name_of(detectors: dict[str, str]) -> str:
    listed: Sequence[str] = [f"{name} {digest}" for name, digest in sorted(detectors.items())]
    return hashlib.sha256("\n".join(listed).encode("utf-8", "replace")).hexdigest()
