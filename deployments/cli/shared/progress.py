"""The progress of runs on stderr, read from the database: a live table, or plain lines."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live

from autopack.clock import SystemClock
from autopack.model.counted import counted
from autopack.runs.session.session import waits_for
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.views.board import tokens_text
from autopack.views.live_build import LiveBuilds, live_line
from autopack.views.overview import run_lines
from autopack.views.run_view import run_view
from deployments.cli.shared.output import phase_table, plain_table, state_text
from deployments.cli.shared.terminal import Terminal
from deployments.cli.shared.watching import Watch

_LONGEST_START_SECONDS = 60.0
_LIVE_SECONDS = 2.0
_LIVE_LINE_SECONDS = 30.0


class _Display(Watch):
    """Draws what it saw on a terminal."""

    def __init__(self, console: Terminal) -> None:
        super().__init__()
        self._console = console
        self._live: Live | None = None
        self._began = time.monotonic()

    @abstractmethod
    def picture(self) -> RenderableType:
        """Read how things stand, and picture them; plain lines are printed from here."""

    def look(self) -> None:
        picture = self.picture()
        if self._live is not None:
            self._live.update(picture)

    @contextmanager
    def standing(self) -> Generator[None]:
        """Show how things stand from now on; what changes is seen once the thread looks."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, transient=True, refresh_per_second=8) as self._live:
            self._live.update(self.picture())
            yield

    def watch(self) -> None:
        if self._live is not None:
            super().watch()
            return
        with self.standing():
            super().watch()

    def say(self, text: str) -> None:
        """A plain line, where there is no terminal to draw on."""
        if not self._console.is_terminal:
            self._console.print(f"{self.elapsed()}  {text}")

    def elapsed(self) -> str:
        """Minutes and seconds since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes:02d}:{seconds:02d}"


class Progress(_Display):
    """Shows the phases of one run."""

    def __init__(self, db: Database, run_id: str, console: Terminal) -> None:
        super().__init__(console)
        self._db, self._run_id = db, run_id
        self._said: dict[str, tuple[str, int]] = {}
        self._waits_for: str | None = None
        self._builds = LiveBuilds(db, Settings.from_environment(), run_id, SystemClock())
        self._building: list[dict[str, Any]] = []
        self._looked_at = self._told_at = -math.inf
        self._has_begun: Callable[[], None] = lambda: None
        self._begun_by = math.inf

    def when_begun(self, do: Callable[[], None]) -> None:
        """Have this called when the first phase has begun, or something else holds the run up."""
        self._has_begun = do
        self._begun_by = time.monotonic() + _LONGEST_START_SECONDS

    def picture(self) -> RenderableType:
        run = run_view(self._db, self._run_id)
        for phase in run["phases"]:
            now = (phase["state"], phase["attempts"])
            if now != self._said.get(phase["phase_id"], ("QUEUED", 0)):
                self._said[phase["phase_id"]] = now
                self.say(
                    f"{phase['phase_id']}  {phase['state']}  "
                    f"attempts {phase['attempts']}  tokens "
                    f"{tokens_text(phase['tokens'], phase['unknown_builds'])}"
                )
        waiting = waits_for(self._run_id)
        if self._said or waiting or run["finished_at"] or time.monotonic() > self._begun_by:
            self._has_begun()
        if waiting != self._waits_for:
            self._waits_for = waiting
            self.say(f"waits for {waiting}" if waiting else "continues")
        tokens = tokens_text(run["tokens"]["total"], run["tokens"]["unknown_builds"])
        line = f"{run['run_id']}  {run['state']}  {self.elapsed()}  {tokens} tokens"
        line += f"  waits for {waiting}" if waiting else ""
        return Group(line, phase_table(run), *map(live_line, self._being_built()))

    def _being_built(self) -> list[dict[str, Any]]:
        """Return the builds under way, read every two seconds; in plain lines twice a minute."""
        at = time.monotonic()
        if at - self._looked_at >= _LIVE_SECONDS:
            self._building, self._looked_at = self._builds.look(), at
        if self._building and at - self._told_at >= _LIVE_LINE_SECONDS:
            if math.isfinite(self._told_at):
                for one in self._building:
                    self.say(live_line(one))
            self._told_at = at
        return self._building


class ManyProgress(_Display):
    """Shows many runs, one a line."""

    seconds = 1.0

    def __init__(
        self, db: Database, run_ids: Callable[[], Sequence[str]], console: Terminal
    ) -> None:
        super().__init__(console)
        self._db, self._run_ids = db, run_ids
        self._said: dict[str, str] = {}

    def picture(self) -> RenderableType:
        table = plain_table("run", "state", "phases", "tokens", right=("phases", "tokens"))
        for line in run_lines(self._db, self._run_ids()):
            phases, tokens = (
                f"{line.completed}/{line.phases}",
                tokens_text(line.tokens, line.unknown_builds),
            )
            if self._said.get(line.run_id, "RUN_CREATED") != line.state:
                self._said[line.run_id] = line.state
                self.say(f"{line.run_id}  {line.state}  phases {phases}  tokens {tokens}")
            waiting = waits_for(line.run_id)
            if waiting and self._said.get(line.run_id) != waiting:
                self._said[line.run_id] = waiting
                self.say(f"{line.run_id}  waits for {waiting}")
            table.add_row(line.run_id, state_text(line.state), phases, tokens)
        return Group(f"{counted(len(self._said), 'run')}  {self.elapsed()}", table)
