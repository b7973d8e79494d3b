"""Builds that are under way: how long, what they spent so far, and what the agent says or does."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from autopack.agents.protocol import UnreadableSpool
from autopack.clock import Clock
from autopack.model.errors import AutopackError
from autopack.model.prices import price_of
from autopack.model.states import AttemptState
from autopack.runs.crew_of_run import crew_of
from autopack.runs.spools.spool import spool_folder
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.rows import AttemptRow, RunRow
from autopack.store.runs import get_attempts, get_run
from autopack.views.agent_lines import AgentLines
from autopack.views.board import tokens_text

_TAIL_BYTES = 65_536
_LONGEST_LAST = 100
Json = dict[str, Any]


class LiveBuilds:
    """Looks at the builds of a run that are under way, from what their agents have printed.

    On a machine that does not have the spool, and of agents that tell what they used only at
    their end, tokens and cost are None.
    """

    def __init__(self, db: Database, settings: Settings, run_id: str, clock: Clock) -> None:
        self._db, self._run_id, self._clock = db, run_id, clock
        self._settings = settings
        self._run: RunRow | None = None
        self._lines: AgentLines | None = None
        self._last: dict[tuple[str, int], str] = {}

    def look(self) -> list[Json]:
        """Return a JSON object for each; none when nothing is being built."""
        open_ones = [
            one for one in get_attempts(self._db, self._run_id) if one.state is AttemptState.STARTED
        ]
        if not open_ones:
            return []
        if self._run is None or self._lines is None:
            self._run = get_run(self._db, self._run_id)
            self._lines = AgentLines(self._db, self._settings, self._run, tail_bytes=_TAIL_BYTES)
        for line in self._lines.new():
            self._last[(line.phase_id, line.attempt)] = line.text
        return [self._told(one) for one in open_ones]

    def _told(self, one: AttemptRow) -> Json:
        tokens, cost = self._spend(one)
        elapsed = (self._clock.now() - one.started_at).total_seconds()
        return {
            "phase_id": one.phase_id,
            "attempt": one.attempt,
            "elapsed_seconds": round(max(elapsed, 0.0), 1),
            "tokens": tokens,
            "cost": cost,
            "last": self._last.get((one.phase_id, one.attempt)),
        }

    def _spend(self, one: AttemptRow) -> tuple[int | None, float | None]:
        folder = find_folder(self._settings.home, self._db, self._run_id)
        spool = spool_folder(folder, one.key)
        if not spool.is_dir() or self._run is None:
            return None, None
        with contextlib.suppress(AutopackError, UnreadableSpool, OSError):
            builder = crew_of(self._db, self._run).builder_of(one.phase_id, one.model_level or 0)
            if builder.shows_spend:
                calls = builder.calls(spool)
                prices = [price_of(call) for call in calls]
                known = [price.cost for price in prices if price is not None]
                whole = len(known) == len(prices)
                return sum(call.total for call in calls), float(sum(known)) if whole else None
        return None, None


def live_line(live: Json) -> str:
    """Return how a build stands, in a line: its attempt, its time, its spend, its last words."""
    minutes, seconds = divmod(int(live["elapsed_seconds"]), 60)
    parts = [f"{live['phase_id']}/{live['attempt']}", f"{minutes}:{seconds:02d}"]
    if live["tokens"] is not None:
        parts.append(f"{tokens_text(live['tokens'])} tokens so far")
    if live["cost"] is not None:
        parts.append(f"${live['cost']:,.4f}")
    if live["last"]:
        last = str(live["last"])
        parts.append(last if len(last) <= _LONGEST_LAST else f"{last[: _LONGEST_LAST - 1]}…")
    return "  ".join(parts)


def live_lines(live: Sequence[Json]) -> str:
    """Return the same of several."""
    return "\n".join(map(live_line, live))
