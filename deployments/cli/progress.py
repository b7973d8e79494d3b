"""The progress of runs on stderr, read from the database: a live table, or plain lines."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from autopack.errors import AutopackError
from autopack.execution.view import run_view
from autopack.store.engine import Database
from autopack.store.overview import run_lines
from deployments.cli.output import phase_table, plain_table, state_text


class _Watch(ABC):
    """Looks at the database now and then while the block is open, and shows what it saw."""

    seconds = 0.25

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
        self._began = time.monotonic()

    @abstractmethod
    def look(self) -> RenderableType:
        """Read how things stand, and picture them; plain lines are printed from here."""

    def __enter__(self) -> _Watch:
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
                self._each(live.update)
        else:
            self._each(lambda _: None)

    def _each(self, show: Callable[[RenderableType], None]) -> None:
        last = False
        while not last:
            last = self._ended.wait(self.seconds)
            try:
                show(self.look())
            except AutopackError:
                # The display is no reason to stop; the run itself says what is wrong.
                continue

    def say(self, text: str) -> None:
        """A plain line, where there is no terminal to draw on."""
        if not self._console.is_terminal:
            self._console.print(f"{self.elapsed()}  {text}", markup=False)

    def elapsed(self) -> str:
        """Minutes and seconds since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes:02d}:{seconds:02d}"


class Progress(_Watch):
    """Shows the phases of one run."""

    def __init__(self, db: Database, run_id: str, console: Console) -> None:
        super().__init__(console)
        self._db, self._run_id = db, run_id
        self._said: dict[str, tuple[str, int]] = {}

    def look(self) -> RenderableType:
        run = run_view(self._db, self._run_id)
        for phase in run["phases"]:
            now = (phase["state"], phase["attempts"])
            if now != self._said.get(phase["phase_id"], ("QUEUED", 0)):
                self._said[phase["phase_id"]] = now
                self.say(
                    f"{phase['phase_id']}  {phase['state']}  "
                    f"attempts {phase['attempts']}  tokens {phase['tokens']:,}"
                )
        line = (
            f"{run['run_id']}  {run['state']}  {self.elapsed()}  {run['tokens']['total']:,} tokens"
        )
        return Group(Text(line), phase_table(run))


class ManyProgress(_Watch):
    """Shows many runs, one a line."""

    seconds = 1.0

    def __init__(
        self, db: Database, run_ids: Callable[[], Sequence[str]], console: Console
    ) -> None:
        super().__init__(console)
        self._db, self._run_ids = db, run_ids
        self._said: dict[str, str] = {}

    def look(self) -> RenderableType:
        table = plain_table("run", "state", "phases", "tokens", right=("phases", "tokens"))
        for line in run_lines(self._db, self._run_ids()):
            phases, tokens = f"{line.completed}/{line.phases}", f"{line.tokens:,}"
            if self._said.get(line.run_id, "RUN_CREATED") != line.state:
                self._said[line.run_id] = line.state
                self.say(f"{line.run_id}  {line.state}  phases {phases}  tokens {tokens}")
            table.add_row(line.run_id, state_text(line.state), phases, tokens)
        return Group(Text(f"{len(self._said)} runs  {self.elapsed()}"), table)
