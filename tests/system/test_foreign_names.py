"""Importing the flows changes nothing, also where a project has `flows`, `tasks` or `blocks`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.projects import call, git, make_project

ROOT = Path(__file__).parents[2]
NAMES = ("flows", "tasks", "blocks")


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what is shown here is where modules come from."""
    return "sqlite"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with packages of those names, one of which says so."""
    folder = tmp_path / "theirs"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"MINE = {name!r}\n")
        (folder / name / "run.py").write_text("execute_run = 'theirs'\n")
    return folder


def run(code: str, folder: Path, **environ: str) -> str:
    """Run a script that lies in ``folder``, whose modules so come first."""
    script = folder / "main.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        | {"PYTHONPATH": str(ROOT), "AUTOPACK_HOME": str(folder.parent / "home")}
        | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("code", ["import flows, tasks, blocks", "import autopack_flows"])
def test_importing_changes_no_variable(tmp_path: Path, code: str) -> None:
    # Prefect, which blocks load, is another's and may do as it likes.
    first = "import prefect\n" if "blocks" in code else ""
    run(f"{first}import os\nbefore = dict(os.environ)\n{code}\n{_UNCHANGED}", tmp_path)


def test_where_nothing_is_hidden_they_are_the_same_and_change_no_variable(tmp_path: Path) -> None:
    run(
        "import prefect.main, prefect.events, os\nbefore = dict(os.environ)\n"
        "import flows, autopack_flows\n"
        "for name in autopack_flows.__all__:\n"
        "    assert getattr(flows, name) is getattr(autopack_flows, name), name\n"
        f"assert flows.__all__ == autopack_flows.__all__\n{_UNCHANGED}",
        tmp_path,
    )


_UNCHANGED = "assert dict(os.environ) == before, set(os.environ.items()) - set(before.items())\n"


# what is imported first, and which names the project has
@pytest.mark.parametrize(
    ("order", "hidden"),
    [
        ("from autopack_flows import execute_run\nimport flows, tasks, blocks", NAMES),
        ("import flows.run, tasks.run, blocks\nfrom autopack_flows import execute_run", NAMES),
        ("import flows, tasks, blocks\nfrom autopack_flows import execute_run", ("flows",)),
    ],
)
def test_both_have_their_own(foreign: Path, order: str, hidden: tuple[str, ...]) -> None:
    for name in set(NAMES) - set(hidden):
        shutil.rmtree(foreign / name)
    checks = "".join(f"assert {name}.MINE == {name!r}\n" for name in hidden)
    shown = run(
        f"{order}\n{checks}import autopack_flows, prefect\n"
        "for name in autopack_flows.__all__:\n"
        "    assert isinstance(getattr(autopack_flows, name), prefect.Flow), name\n"
        "loaded = prefect.flows.load_flow_from_entrypoint('autopack_flows:execute_run')\n"
        "assert loaded is execute_run\n"
        "print(execute_run.fn.__module__, execute_run.name)\n",
        foreign,
    )
    assert shown.split() == ["autopack_flows.flows.run", "execute-run"]


@pytest.mark.slow
def test_a_fleet_runs_beside_foreign_names_and_in_processes(
    foreign: Path, tmp_path: Path, prefect_api: str, database_url: str
) -> None:
    project = make_project(tmp_path / "p", {"one": [[call(5), {"files": {"one.txt": "1"}}]]})
    shown = run(
        "import asyncio, flows\nfrom autopack_flows import execute_runs\n"
        f"results = asyncio.run(execute_runs(plans=[{str(project.plan)!r}],"
        f" repo={str(project.repository)!r}, executor='process', run_id='beside',"
        f" builder_options={f'recording={project.recording}'!r}))\n"
        "assert flows.MINE\nprint(results[0]['state'], results[0]['error'])\n",
        foreign,
        PREFECT_API_URL=prefect_api,
        DATABASE_URL=database_url,
        # Also what is started finds their packages first.
        PYTHONPATH=os.pathsep.join([str(foreign), str(ROOT)]),
    )
    assert shown.split() == ["DONE_SUCCESS", "None"]
    assert git(project.repository, "show", "autopack/beside-1:one.txt") == "1"
