"""`autopack merge`: a run's work in the user's checkout, when the user asks for it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import Refused
from autopack.model.states import RunState
from autopack.runs.stored_run import source_of
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.store.runs import get_run
from autopack.workspace.mirror import Mirror
from autopack.workspace.user.merging import merge_into
from deployments.cli.shared.output import AsJson, out, print_json


def merge(
    run_id: Annotated[str, Parameter(help="The run, as `autopack runs` lists it.")],
    *,
    squash: Annotated[
        bool, Parameter(negative="", help="Stage the whole change for one commit of yours.")
    ] = False,
    repo: Annotated[
        str | None,
        Parameter(help="This machine's clone of its repository, when that lies elsewhere here."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Bring a run's work into your checkout.

    By fast-forward, or staged as one change with --squash. Refused unless the run succeeded and the
    checkout is clean.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url)
    run = get_run(db, run_id)
    if run.state is not RunState.DONE_SUCCESS or run.head_commit is None:
        hint = f"autopack show {run_id}"
        if run.head_commit is not None:
            hint += f"; git merge {run.branch} merges what there is"
        raise Refused(
            f"run {run_id} is {run.state.value}: only the work of a run that succeeded is merged",
            field="run_id",
            hint=hint,
        )
    source = source_of(run, repo)
    mirror = Mirror.open(settings.home, source)
    clone = mirror.git_dir if mirror.has(run.head_commit) else None
    branch = merge_into(source, clone, run.head_commit, squash=squash, label=f"run {run_id}")
    if as_json:
        answer = {"run_id": run_id, "branch": branch, "commit": run.head_commit, "squashed": squash}
        print_json(answer)
    elif squash:
        out.print(f"staged on {branch}: look at it with git diff --staged, then git commit")
    else:
        out.print(f"{branch} is at {run.head_commit[:12]} now")
    return 0
