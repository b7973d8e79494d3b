"""Which model builds the next attempt: the ladder is climbed as attempts at a phase fail."""

from __future__ import annotations

from collections.abc import Sequence

from autopack.agents.crew import Place
from autopack.model.states import AttemptState
from autopack.plan.plan import PhaseSpec
from autopack.runs.prepare.retry import inherited
from autopack.runs.session.session import RunSession
from autopack.store.rows import AttemptRow


def level_after(attempts: Sequence[AttemptRow], *, escalate_after: int, top: int) -> int:
    """Return the level at which a phase is built after ``attempts``, from 0 to ``top``.

    A level is left after so many attempts at it that failed and count, whatever the revision;
    it is never gone back to.
    """
    level = max((one.model_level for one in attempts), default=0)
    failed = sum(
        one.model_level == level and one.state is AttemptState.FAILED and one.counts
        for one in attempts
    )
    return min(level + (failed >= escalate_after), top)


def next_place(session: RunSession, spec: PhaseSpec, attempts: Sequence[AttemptRow]) -> Place:
    """Return who builds the next attempt. A phase that a retry begins is where it had come to."""
    before = attempts or inherited(session.db, session.run(), spec.id)[0]
    level = level_after(
        before,
        escalate_after=session.plan.models.escalate_after,
        top=session.crew.top(spec),
    )
    return session.crew.at(spec, level)


def told(place: Place, attempts: Sequence[AttemptRow]) -> str | None:
    """Return in words that the ladder was climbed; None where it was not."""
    if not attempts or attempts[-1].model_level >= place.level:
        return None
    before = attempts[-1]
    failed = sum(
        one.model_level == before.model_level and one.state is AttemptState.FAILED and one.counts
        for one in attempts
    )
    plural = "s" * (failed != 1)
    return f"{failed} attempt{plural} with {before.model} failed: {place.model} builds"
