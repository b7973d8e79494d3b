"""The pull request of a run: by a scripted `gh`, into a bare repository on this machine."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.projects import Project, fingerprint, git, make_remote, refs_in

from autopack.settings import Settings
from autopack.store import tables
from autopack.store.database.engine import Database

SUPPORT = Path(__file__).parent.parent / "support"


@dataclass
class Gh:
    """The scripted program: what it holds, and what it was asked to change."""

    state: Path

    @property
    def prs(self) -> list[dict[str, Any]]:
        return json.loads(self.state.read_text()) if self.state.exists() else []

    def changes(self) -> list[str]:
        """The commands that change something, since the last look."""
        log = self.state.with_suffix(".log")
        asked = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return [" ".join(words[:2]) for words in asked if words[:2] not in READING]


READING = (["auth", "status"], ["pr", "list"])


@pytest.fixture
def program() -> str:
    """The program that knows pull requests."""
    return "gh"


@pytest.fixture
def gh(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gh:
    """A `gh` or `glab` on PATH that is logged in."""
    folder = tmp_path / "programs"
    folder.mkdir()
    shutil.copy(SUPPORT / f"scripted_{program}.py", folder / program)
    (folder / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GH_STATE", str(tmp_path / "prs.json"))
    return Gh(tmp_path / "prs.json")


@pytest.fixture
def succeeded(autopack: Any, failed_run: str, settings: Settings, tmp_path: Path) -> str:
    """The same run, as if its first phase had been all, on a copy with a remote."""
    old = Path(autopack("show", failed_run, "--json").json["repo"])
    copy = tmp_path / "copy"
    shutil.copytree(old, copy)
    make_remote(copy, "origin")
    db = Database.open(settings.database_url)
    values = {"state": "DONE_SUCCESS", "repo": str(copy), "failure_reason": None}
    update = sa.update(tables.runs).where(tables.runs.c.run_id == failed_run).values(**values)
    db.transact(lambda conn: conn.execute(update))
    db.close()
    return failed_run


def change(settings: Settings, run_id: str, **values: object) -> None:
    db = Database.open(settings.database_url)
    update = sa.update(tables.runs).where(tables.runs.c.run_id == run_id).values(**values)
    db.transact(lambda conn: conn.execute(update))
    db.close()


@pytest.mark.parametrize("program", ["gh", "glab"])
def test_it_is_created_once_then_updated_then_left_alone(
    autopack: Any, succeeded: str, settings: Settings, gh: Gh, tmp_path: Path
) -> None:
    before = fingerprint(tmp_path / "copy")
    first = autopack("pr", succeeded, "--json")
    assert first.code == 0, first.out
    run = autopack("show", succeeded, "--json").json
    assert first.json["state"] == "created"
    assert gh.changes() == ["pr create"]
    pr = gh.prs[0]
    assert (pr["headRefName"], pr["isDraft"], pr["title"]) == (run["branch"], True, run["goal"])
    assert f"{run['tokens']['total']:,} tokens" in pr["body"]
    assert "**Checks**" in pr["body"]
    branch = f"refs/heads/{run['branch']}"
    assert refs_in(tmp_path / "copy.git", branch) == {branch: run["head_commit"]}
    assert run["pull_request"]["url"] == pr["url"]

    again = autopack("pr", succeeded, "--json")
    assert (again.json["state"], gh.changes()) == ("unchanged", [])

    change(settings, succeeded, goal="Another goal")
    assert autopack("pr", succeeded, "--json").json["state"] == "updated"
    assert gh.changes() == ["pr edit"]
    assert (len(gh.prs), gh.prs[0]["title"]) == (1, "Another goal")

    assert autopack("pr", succeeded, "--ready", "--json").json["state"] == "updated"
    assert gh.changes() == ["pr ready"]
    assert autopack("pr", succeeded, "--json").json["state"] == "unchanged"
    assert not gh.prs[0]["isDraft"]
    assert gh.changes() == []
    assert fingerprint(tmp_path / "copy") == before


@pytest.mark.parametrize("program", ["gh", "glab"])
@pytest.mark.parametrize("state", ["MERGED", "CLOSED"])
def test_what_a_person_merged_or_closed_is_not_opened_again(
    state: str, autopack: Any, succeeded: str, gh: Gh
) -> None:
    autopack("pr", succeeded)
    head = autopack("show", succeeded, "--json").json["head_commit"]
    gh.state.write_text(json.dumps([gh.prs[0] | {"state": state, "headRefOid": head}]))
    gh.changes()
    assert autopack("pr", succeeded, "--json").json["state"] == state.lower()
    assert gh.changes() == []


def test_a_branch_that_somebody_moved_is_not_overwritten(
    autopack: Any, succeeded: str, gh: Gh, tmp_path: Path
) -> None:
    autopack("pr", succeeded)
    run = autopack("show", succeeded, "--json").json
    theirs = git(
        tmp_path / "copy.git", "commit-tree", "-m", "theirs", f"{run['head_commit']}^{{tree}}"
    )
    git(tmp_path / "copy.git", "update-ref", f"refs/heads/{run['branch']}", theirs.strip())
    answer = autopack("pr", succeeded, "--json")
    assert answer.code != 0
    assert "moved to" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("words", "gone", "says"),
    [
        (("--pr", "draft"), "gh", "which is not installed"),
        (("--pr", "draft"), "login", "is not logged in"),
        (("--pr", "draft"), "remote", "no remote named origin"),
        (("--pr", "maybe"), "", "maybe"),
    ],
)
def test_a_run_that_could_not_open_one_is_refused(
    words: tuple[str, ...],
    gone: str,
    says: str,
    autopack: Any,
    project: Project,
    gh: Gh,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if gone != "remote":
        make_remote(project.repository, "origin")
    if gone == "login":
        monkeypatch.setenv("GH_LOGGED_OUT", "1")
    if gone == "gh":
        folder = gh.state.with_name("programs")
        shutil.rmtree(folder)
    answer = autopack("run", *project.run_args, *words, "--json")
    assert answer.code == 2
    assert says in answer.json["error"]["message"]
    assert autopack("runs", "--json").json["runs"] == []


def test_only_a_run_that_succeeded_has_one(autopack: Any, failed_run: str, gh: Gh) -> None:
    assert autopack("pr", failed_run).code == 2
    assert autopack("pr", "nobody").code == 2
    assert gh.changes() == []
