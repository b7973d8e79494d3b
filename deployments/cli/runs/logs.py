"""`autopack logs`: what the agents of a run say and which tools they use."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput, NotFound
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_phases, get_run
from autopack.views.agent_lines import AgentLine, AgentLines
from deployments.cli.shared.output import AsJson, out, print_json
from deployments.cli.shared.terminal import styled

_LOOK_SECONDS = 0.5
_MOST = 10_000


def logs(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    phase: Annotated[str | None, Parameter(help="Only the builds of this phase.")] = None,
    follow: Annotated[
        bool,
        Parameter(name=["--follow", "-f"], negative="", help="Follow the log until the run ends."),
    ] = False,
    limit: Annotated[int, Parameter(help="How many of the last lines, up to 10,000.")] = 1000,
    as_json: AsJson = False,
) -> int:
    """Show what the agents of a run say and do.

    Build by build, with the tools that they use. Known secrets and control characters are taken
    out, also of a build that is under way.
    """
    if not 1 <= limit <= _MOST:
        raise BadInput(f"invalid --limit: {limit}", field="limit", hint="use 1 to 10,000")
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
    reader = AgentLines(db, settings, run, phase=phase)
    lines = list(reader.new())
    shown = lines[-limit:]
    if as_json:
        told = [asdict(line) for line in shown]
        print_json({"run_id": run_id, "lines": told, "omitted": len(lines) - len(shown)})
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


def _print(line: AgentLine) -> None:
    out.print(styled(f"{line.phase_id}/{line.attempt}", "dim"), line.text)
