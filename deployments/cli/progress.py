"""A run's progress on stderr, read from the database: a live table, or plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from autopack.errors import AutopackError
from autopack.execution.view import Json, run_view
from autopack.store.engine import Database
from deployments.cli.output import phase_table

_POLL_SECONDS = 0.25


class Progress:
    """Shows a run while the block is open; reads only what the run has committed."""

    def __init__(self, db: Database, run_id: str, console: Console) -> None:
        self._db, self._run_id, self._console = db, run_id, console
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._began = time.monotonic()
        self._said: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._console.is_terminal:
            with Live(console=self._console, transient=True, refresh_per_second=8) as live:

                def draw(run: Json) -> None:
                    live.update(self._picture(run))

                self._each(draw)
        else:
            self._each(self._say)

    def _each(self, show: Callable[[Json], None]) -> None:
        last = False
        while not last:
            last = self._ended.wait(_POLL_SECONDS)
            try:
                show(run_view(self._db, self._run_id))
            except AutopackError:
                # The display is no reason to stop; the run itself says what is wrong.
                continue

    def _picture(self, run: Json) -> Group:
        line = Text(
            f"{run['run_id']}  {run['state']}  {self._elapsed()}  {run['tokens']['total']:,} tokens"
        )
        return Group(line, phase_table(run))

    def _say(self, run: Json) -> None:
        for phase in run["phases"]:
            now = (phase["state"], phase["attempts"])
            if now != self._said.get(phase["phase_id"], ("QUEUED", 0)):
                self._said[phase["phase_id"]] = now
                self._console.print(
                    f"{self._elapsed()}  {phase['phase_id']}  {phase['state']}  "
                    f"attempts {phase['attempts']}  tokens {phase['tokens']:,}"
                )

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes:02d}:{seconds:02d}"
