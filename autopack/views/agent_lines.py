"""What the agents of a run say and which tools they use, build by build, fit to be shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.runs.crew_of_run import crew_of
from autopack.secrecy.credentials import MASK, SHAPES, known_secrets
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.rows import RunRow
from autopack.store.runs import get_attempts
from autopack.views.build_log import BuildLog


@dataclass(frozen=True)
class AgentLine:
    """A line of one attempt; ``live`` while it is being built."""

    phase_id: str
    attempt: int
    text: str
    live: bool

    @property
    def is_tool(self) -> bool:
        """Whether the agent uses a tool here rather than saying something."""
        return self.text.startswith("> ")


class AgentLines:
    """Follows the attempts of a run, of one of its phases, or a single one.

    Known secrets and control characters are taken out, also of a build that is under way. With
    ``tail_bytes``, of what is there already only about so much of each attempt's end is read.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        run: RunRow,
        *,
        phase: str | None = None,
        attempt: int | None = None,
        tail_bytes: int | None = None,
    ) -> None:
        self._db, self._run, self._phase, self._attempt = db, run, phase, attempt
        self._tail_bytes = tail_bytes
        self._folder = find_folder(settings.home, db, run.run_id)
        self._logs: dict[AttemptKey, BuildLog] = {}
        self._redactor = Redactor(_secrets(db, run))

    def new(self) -> Iterator[AgentLine]:
        """Yield the lines that came since the last look, attempt by attempt."""
        for one in get_attempts(self._db, self._run.run_id, self._phase):
            if self._attempt is not None and one.attempt != self._attempt:
                continue
            log = self._log(AttemptKey(one.run_id, one.phase_id, one.attempt))
            is_live = one.state is AttemptState.STARTED
            for text in log.read(is_over=not is_live):
                told = SHAPES.sub(MASK, self._redactor.text(text))
                yield AgentLine(one.phase_id, one.attempt, told, live=is_live)
        self._tail_bytes = None  # an attempt that begins from now on is followed from its start

    def redact(self, text: str) -> str:
        """Return ``text`` without the secrets that this run is known to use."""
        return self._redactor.text(text)

    def _log(self, key: AttemptKey) -> BuildLog:
        if key not in self._logs:
            log = self._logs[key] = BuildLog(self._folder, key)
            if self._tail_bytes is not None:
                log.skip_to_end(self._tail_bytes)
        return self._logs[key]


def _secrets(db: Database, run: RunRow) -> set[str]:
    options = {name: str(value) for name, value in run.builder_options.items()}
    hidden: tuple[str, ...] = ()
    # A login that has gone, a package that is no longer installed: nothing new can be told then.
    with contextlib.suppress(BadInput, NotFound):
        hidden = tuple(crew_of(db, run).hidden())
    return known_secrets(process_environment(), options, hidden)
