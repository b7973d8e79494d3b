"""What people order while a run is worked on: pauses, which keep builds from starting."""

from __future__ import annotations

import asyncio

from autopack.agents.registry import split_name
from autopack.model.errors import AutopackError, DatabaseRefused
from autopack.repair.decide import Decision, DecisionKind
from autopack.runs.attempt.ladder import next_place
from autopack.runs.session.session import RunSession
from autopack.store.pauses import Pause, pauses_of

LOOK_SECONDS = 1.0
"""How often is looked whether an order came, or was taken back."""


class BuildPaused(AutopackError):
    """The build was interrupted because somebody paused it; it is built again."""

    kind = "paused"


def pause_of(session: RunSession) -> Pause | None:
    """Return what keeps the run from building now: one that interrupts, if there is any."""
    seen = session.snapshot()
    builder, provider = seen.run.builder, None
    if seen.phase_id is not None and session.phase(seen.phase_id).research is None:
        place = next_place(session, session.phase(seen.phase_id), seen.attempts)
        provider = place.builder.provider(place.model)
        if place.builder.name != split_name(builder)[0]:
            builder = place.builder.name
    found = pauses_of(session.db, session.run_id, builder, provider)
    return next((one for one in found if one.now), found[0] if found else None)


def deferred(pause: Pause) -> Decision:
    """Return the decision that nothing starts before a pause is lifted."""
    return Decision(DecisionKind.DEFER, str(pause), seconds=LOOK_SECONDS, idle=True)


def check_not_interrupted(session: RunSession) -> None:
    """Raise BuildPaused when a pause interrupts the build that is under way.

    A database that does not answer orders nothing.
    """
    try:
        pause = pause_of(session)
    except DatabaseRefused:
        return
    if pause is not None and pause.now:
        raise BuildPaused(str(pause), field="run_id", hint="autopack unpause")


async def wait_while_paused(session: RunSession) -> None:
    """Return once no pause is about the run; the time is no working time of it.

    Raises RunStopped when the run is stopped.
    """
    with session.keeper.idle():
        try:
            while (pause := await asyncio.to_thread(pause_of, session)) is not None:
                session.waits_for = str(pause)
                await session.switch.guard(asyncio.sleep(LOOK_SECONDS))
        finally:
            session.waits_for = None
