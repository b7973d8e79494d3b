"""`autopack demo`: the main job, start to finish, on a sample repository."""

from __future__ import annotations

import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from autopack.files import safe_files
from autopack.runs.session.fetch import clone_ahead
from autopack.settings import Settings
from deployments.cli.shared.output import AsJson, note, out, print_json, print_run
from deployments.cli.shared.serving import start_server

_LEFT_OFF = frozenset({"context_pack", "holdout"})
"""Features that change what a builder is shown or which fixes are tried: the recording has none."""


def demo(*, as_json: AsJson = False) -> int:
    """Run a small plan on a sample repository, start to finish.

    The repository stays in Autopack's home. A recording stands in for the coding agent; git, the
    tests, the database and Prefect are real. One phase of four fails its tests at first and passes
    at the second attempt.
    """
    settings = Settings.from_environment()
    server_answers = start_server(settings, own=True)
    # Loaded while the server starts.
    from autopack.clock import SystemClock
    from autopack.model.features import Feature
    from autopack.runs.prepare.prepare import RunRequest, prepare_run
    from autopack.store.database.engine import Database
    from autopack.store.holders import Holder
    from deployments.cli.shared.executing import execute, exit_code

    db = Database.open(settings.database_url)
    made = safe_files.make_folder(settings.home / "demo", below=settings.home)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=made))
    plan, repository = _unpack(folder)
    run = prepare_run(
        RunRequest(
            plan=str(plan),
            repo=str(repository),
            builder_options={"recording": str(folder / "recording")},
            enable=tuple(one for one in Feature if one.value not in _LEFT_OFF),
        ),
        db=db,
        settings=settings,
        clock=SystemClock(),
        starter=Holder.of_this_process(),
    )
    note(f"sample repository: {repository}")
    view = execute(
        run.run_id,
        db=db,
        server_answers=server_answers,
        meanwhile=lambda: clone_ahead(run.run_id, db=db, settings=settings),
    )
    if view["state"].startswith("DONE"):  # else resuming needs them
        plan.unlink()
        safe_files.remove(folder / "recording")
    if as_json:
        print_json(view)
    else:
        print_run(view)
        _next_steps(run.run_id, repository, run.branch)
    return exit_code(view)


def _unpack(folder: Path) -> tuple[Path, Path]:
    """Copy what ships with the project into ``folder``; return the plan and the repository."""
    with as_file(files("deployments") / "demo") as shipped:
        shutil.copytree(shipped, folder, dirs_exist_ok=True)
    repository = folder / "repository"
    (repository / "gitignore").rename(repository / ".gitignore")
    from autopack.workspace.git import Git

    git = Git(folder=repository)
    git.run("init", "--quiet", "--initial-branch=main")
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "The sample project")
    return folder / "plan.yaml", repository


def _next_steps(run_id: str, repository: Path, branch: str) -> None:
    out.print("\nnext:")
    for command in (
        f"autopack show {run_id}",
        f"autopack tokens {run_id}",
        f"git -C {repository} log --oneline {branch}",
        "autopack run PLAN --repo DIR --set recording=DIR   # your own plan",
        "autopack up                                        # the Prefect UI, with a worker",
    ):
        out.print(f"  {command}")
