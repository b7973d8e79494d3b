"""`autopack logs`: what the agents of a run say and which tools they use."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.agents.registry import make_builder, secrets_of
from autopack.model.errors import BadInput, NotFound
from autopack.model.ids import AttemptKey
from autopack.model.states import AttemptState
from autopack.secrecy.credentials import MASK, SHAPES, known_secrets
from autopack.secrecy.redaction import Redactor
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.folder_note import find_folder
from autopack.store.runs import RunRow, get_attempts, get_phases, get_run
from autopack.views.build_log import BuildLog
from deployments.cli.shared.output import AsJson, out, print_json
from deployments.cli.shared.terminal import styled

_LOOK_SECONDS = 0.5
_MOST = 10_000


def logs(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    phase: Annotated[str | None, Parameter(help="Only the builds of this phase.")] = None,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], negative="", help="Go on until the run ends.")
    ] = False,
    limit: Annotated[int, Parameter(help="How many of the last lines, up to 10,000.")] = 1000,
    as_json: AsJson = False,
) -> int:
    """Show what the agents of a run say and which tools they use, build by build.

    Known secrets and control characters are taken out, also of a build that is under way.
    """
    if not 1 <= limit <= _MOST:
        raise BadInput(f"--limit is {limit}", field="limit", hint="use 1 to 10,000")
    if follow and as_json:
        raise BadInput(
            "--follow prints lines as they come, and --json one object",
            field="follow",
            hint="leave one of them out",
        )
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    run = get_run(db, run_id)
    if phase is not None and phase not in (
        known := [row.phase_id for row in get_phases(db, run_id)]
    ):
        raise NotFound(
            f"run {run_id} has no phase {phase!r}",
            field="phase",
            hint=f"choose one of {', '.join(known)}",
        )
    reader = _Reader(db, settings, run, phase)
    lines = list(reader.new())
    shown = lines[-limit:]
    if as_json:
        print_json({"run_id": run_id, "lines": shown, "omitted": len(lines) - len(shown)})
        return 0
    for line in shown:
        _print(line)
    while follow and not get_run(db, run_id).state.is_final:
        time.sleep(_LOOK_SECONDS)
        for line in reader.new():
            _print(line)
    if follow:
        for line in reader.new():
            _print(line)
    elif not lines:
        out.print("no agent has said anything yet")
    return 0


class _Reader:
    """Follows every attempt of a run."""

    def __init__(self, db: Database, settings: Settings, run: RunRow, phase: str | None) -> None:
        self._db, self._run, self._phase = db, run, phase
        self._folder = find_folder(settings.home, db, run.run_id)
        self._logs: dict[AttemptKey, BuildLog] = {}
        self._redactor = Redactor(_secrets(run))

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield the lines that came since the last look, attempt by attempt."""
        for one in get_attempts(self._db, self._run.run_id, self._phase):
            key = AttemptKey(one.run_id, one.phase_id, one.attempt)
            log = self._logs.setdefault(key, BuildLog(self._folder, key))
            for text in log.read():
                told = SHAPES.sub(MASK, self._redactor.text(text))
                live = one.state is AttemptState.STARTED
                yield {
                    "phase_id": one.phase_id,
                    "attempt": one.attempt,
                    "text": told,
                    "live": live,
                }


def _secrets(run: RunRow) -> set[str]:
    options = {name: str(value) for name, value in run.builder_options.items()}
    hidden: tuple[str, ...] = ()
    # A login that has gone, a package that is no longer installed: nothing new can be told then.
    with contextlib.suppress(BadInput, NotFound):
        hidden = secrets_of(make_builder(run.builder, run.builder_options, model=run.model))
    return known_secrets(process_environment(), options, hidden)


def _print(line: dict[str, Any]) -> None:
    out.print(styled(f"{line['phase_id']}/{line['attempt']}", "dim"), line["text"])
