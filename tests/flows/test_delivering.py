"""A run that succeeds opens its pull request before it ends, and says so."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.projects import make_project, make_remote, refs_in

SCRIPTED = Path(__file__).parent.parent / "support" / "scripted_gh.py"


@pytest.mark.parametrize("engine_name", ["sqlite"])
async def test_a_run_opens_its_pull_request(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import execute_run

    folder = tmp_path / "programs"
    folder.mkdir()
    shutil.copy(SCRIPTED, folder / "gh")
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GH_STATE", str(tmp_path / "prs.json"))
    project = make_project(
        tmp_path, {"one": [[{"files": {"a.txt": "a\n"}}]]}, plan={"policy": {"pr": "draft"}}
    )
    bare = make_remote(project.repository, "origin")
    run = await execute_run(
        plan=str(project.plan),
        repo=str(project.repository),
        builder_options=f"recording={project.recording}",
        run_id="delivered",
    )
    assert run["state"] == "DONE_SUCCESS"
    made = run["pull_request"]
    assert (made["mode"], made["state"], made["error"]) == ("draft", "created", None)
    [pr] = json.loads((tmp_path / "prs.json").read_text())
    assert pr["url"] == made["url"]
    assert pr["isDraft"]
    assert refs_in(bare, "refs/heads/autopack") == {
        "refs/heads/autopack/delivered": run["head_commit"]
    }
