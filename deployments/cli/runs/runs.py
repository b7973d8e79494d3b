"""`autopack run`, `resume` and `cancel`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from autopack import home_server
from autopack.clock import SystemClock
from autopack.model.errors import Refused
from autopack.model.locations import is_there
from autopack.runs.finish.finish import cancel as cancel_run
from autopack.runs.prepare.dry_run import dry_run as rehearse
from autopack.runs.prepare.prepare import RunRequest, prepare_run
from autopack.runs.prepare.repository_defaults import with_defaults
from autopack.runs.session.fetch import clone_ahead
from autopack.runs.stored_run import repository_remarks, source_of, unfinished
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.holders import Holder
from autopack.store.mitigations import get_normalisation
from autopack.views.run_view import run_view
from autopack.workspace.source import SourceRepository
from deployments.cli.runs.dry_run import database_as_it_is, print_dry_run
from deployments.cli.shared.executing import INTERRUPTED, execute, exit_code
from deployments.cli.shared.options import RunOptions
from deployments.cli.shared.output import AsJson, found_by_judging, note, print_json, print_run
from deployments.cli.shared.piped import PlanArgument, plan_source
from deployments.cli.shared.serving import check_server, start_server
from flows.server import server_url


def run(
    plan: PlanArgument,
    *,
    asked: RunOptions,
    run_id: Annotated[str | None, Parameter(help="A name for the run.")] = None,
    campaign: Annotated[
        str | None, Parameter(help="The campaign whose budget it shares; see `budget`.")
    ] = None,
    pr: Annotated[
        Literal["off", "draft", "ready"] | None,
        Parameter(help="After success, push the branch and open a pull request; never merged."),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would be done, and start and write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Run a plan on a git repository.

    Your checkout is not touched: the work happens phase by phase in a private clone and comes back
    as the branch autopack/<run id>. What neither options nor plan say is taken from autopack.toml,
    or the table tool.autopack of pyproject.toml, at the top of the repository.
    """
    wanted = asked.request(
        plan_source(plan), run_id=run_id, campaign=campaign, push=asked.push, pr=pr
    )
    if dry_run:
        return _say_what_would_be(wanted, as_json)
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    check_server(settings)
    wanted = with_defaults(wanted, db=db, settings=settings)
    options, secrets = configured(wanted.builder, settings)
    stored = prepare_run(
        with_block(wanted, options, secrets),
        db=db,
        settings=settings,
        clock=SystemClock(),
        starter=Holder.of_this_process(),
    )
    is_dirty = is_there(stored.repo) and SourceRepository.open(stored.repo).is_dirty()
    if is_dirty is not False:
        told = "has uncommitted changes" if is_dirty else "may have uncommitted changes"
        note(
            f"the checkout {told}; the run starts from commit {stored.base_commit[:12]} without"
            " them"
        )
    for remark in repository_remarks(db, stored, settings):
        note(f"warning: {remark}")
    made = get_normalisation(db, stored.run_id)
    if made is not None:
        note(f"the plan was made from the text, with confidence {made.confidence:.2f}")
        for warning in made.warnings:
            note(f"warning: {warning}")
    unfinished(db, stored.run_id)
    return execute_stored(stored.run_id, db, settings, as_json)


def _say_what_would_be(wanted: RunRequest, as_json: bool) -> int:
    settings = Settings.without_home()
    with database_as_it_is(settings) as db, tempfile.TemporaryDirectory() as folder:
        apart = replace(settings, home=Path(folder).resolve())
        wanted = with_defaults(wanted, db=db, settings=apart)
        if "/" in (wanted.builder or ""):
            _check_answers(wanted.builder, settings)
            wanted = with_block(wanted, *configured(wanted.builder, settings))
        told = rehearse(wanted, db=db, settings=settings, clock=SystemClock())
    print_json(told) if as_json else print_dry_run(told)
    return 0


def _check_answers(builder: str | None, settings: Settings) -> None:
    """Raise Refused when asking Prefect for the builder's block would start a server."""
    running = home_server.running_server(settings.home)
    if server_url(settings) is None and (running is None or not home_server.is_possible()):
        raise Refused(
            f"the options of {builder} are in a block of Prefect, and no server runs",
            field="builder",
            hint="autopack up, or leave the block out: a dry run starts nothing",
        )


def with_block(
    wanted: RunRequest, options: Mapping[str, str], secrets: Mapping[str, str]
) -> RunRequest:
    """Return the request with what its builder's block adds; what was typed beats that."""
    return replace(
        wanted,
        builder_options={**options, **wanted.builder_options},
        builder_secrets=dict(secrets),
    )


def resume(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    repo: Annotated[
        str | None,
        Parameter(help="This machine's clone of its repository, when that lies elsewhere here."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Resume an interrupted run.

    It continues where it stopped: completed phases and paid builds are kept. Also one that ended
    DONE_FAILED_ENVIRONMENT, once what was wrong outside it is fixed.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    source_of(unfinished(db, run_id, reopen=True), repo)
    return execute_stored(run_id, db, settings, as_json, repo)


def cancel(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    as_json: AsJson = False,
) -> int:
    """End a run, wherever it is being worked on.

    It ends DONE_CANCELLED.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    cancel_run(run_id, db=db, settings=settings, clock=SystemClock())
    view = run_view(db, run_id)
    print_json(view) if as_json else print_run(view)
    return 0


def configured(builder: str | None, settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Return the options and the secrets of the block in the builder's name; Prefect is asked for
    one.
    """
    if "/" not in (builder or ""):
        return {}, {}
    start_server(settings)()
    from blocks.configured import configured

    block = asyncio.run(configured(builder))
    return block.options, block.secrets


def execute_stored(
    run_id: str, db: Database, settings: Settings, as_json: bool, repo: str | None = None
) -> int:
    """Execute a stored run, show it, and return the exit code."""
    view = execute(
        run_id,
        db=db,
        server_answers=start_server(settings),
        meanwhile=lambda: clone_ahead(run_id, db=db, settings=settings, repo=repo),
        repo=repo,
        home=settings.home,
    )
    if as_json:
        print_json(view)
    else:
        print_run(view)
    for line in found_by_judging(view):
        note(line)
    if view["push"] is not None and view["push"]["error"]:
        note(f"not pushed to {view['push']['remote']}: {view['push']['error']}")
    code = exit_code(view)
    if code == INTERRUPTED:
        note(f"interrupted; resume with `autopack resume {run_id}`")
    return code
