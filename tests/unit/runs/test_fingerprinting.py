"""What a run records of its start, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import Project, call, git, make_project

from autopack import __version__
from autopack.model.fingerprint import (
    Fingerprint,
    digest,
    feature_hash,
    prompt_hash,
)
from autopack.runs.session.opening import (
    close_session,
)
from autopack.runs.session.session import (
    RunSession,
)
from autopack.settings import Role, of_role
from autopack.store.fingerprints import get_fingerprints

Open = Callable[[str], RunSession]
FILES = {"README.md": "hello\n", "pyproject.toml": "[project]\nname = 'x'\nversion = '1'\n"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project", {"one": [[call(1)]]}, files=FILES)


@pytest.fixture
def taken(database: Any, store: Callable[..., str], open_run: Open) -> Callable[..., Fingerprint]:
    """Stores a run, starts it, and returns what it recorded."""

    def take(project: Project, run_id: str, **more: Any) -> Fingerprint:
        open_run(store(project, run_id, **more))
        return get_fingerprints(database, [run_id])[run_id]

    return take


def test_a_run_records_what_it_starts_from(
    project: Project, taken: Callable[..., Fingerprint], database: Any
) -> None:
    found = taken(
        project, "r", model="large", enable=("failure_hardening",), prompt="Be brief.", token_cap=9
    )
    assert found.commit_sha == git(project.repository, "rev-parse", "HEAD").strip()
    assert found.tree_hash == git(project.repository, "rev-parse", "HEAD^{tree}").strip()
    assert (found.dirty, found.branch) == (False, "main")
    assert found.repo_url == str(project.repository)
    assert found.models is not None
    assert found.models["builder"] == "large"
    assert found.model_mapping_hash == digest(found.models)
    assert found.features == ("failure_hardening",)
    assert found.feature_hash == feature_hash(["failure_hardening"])
    assert found.prompt_hash == prompt_hash("Be brief.")
    assert (found.token_cap, found.at_cap, found.builder) == (9, "fail", "script")
    assert found.option_files is not None
    assert list(found.option_files) == ["recording"]
    assert found.autopack_version == __version__
    assert found.operator
    assert found.timestamp is not None


def test_it_is_taken_once(
    project: Project, store: Callable[..., str], open_run: Open, database: Any
) -> None:
    session = open_run(store(project, "r"))
    first = get_fingerprints(database, ["r"])["r"]
    close_session(session)
    (project.repository / "README.md").write_text("changed")
    open_run("r")
    assert get_fingerprints(database, ["r"])["r"] == first


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"README.md": "other\n"}, True),
        ({"pyproject.toml": FILES["pyproject.toml"] + "dependencies = ['y']\n"}, False),
        ({"uv.lock": "version = 1\n"}, False),
        ({"package.json": '{"name": "x", "scripts": {"test": "true"}}'}, False),
    ],
)
def test_the_environment_is_its_tools_and_lock_files(
    project: Project, taken: Callable[..., Fingerprint], change: dict[str, str], same: bool
) -> None:
    before = taken(project, "before")
    for name, text in change.items():
        (project.repository / name).write_text(text)
    git(project.repository, "add", "-A")
    git(project.repository, "commit", "-qm", "change")
    after = taken(project, "after")
    assert before.commit_sha != after.commit_sha
    assert (before.environment_hash == after.environment_hash) is same


def test_what_options_name_is_recorded_by_content(
    project: Project, taken: Callable[..., Fingerprint]
) -> None:
    before = taken(project, "before")
    (project.recording / "more.yaml").write_text("builds: []\n")
    assert taken(project, "after").option_files != before.option_files


CHANGING = {
    "AUTOPACK_SANDBOX": "off",
    "AUTOPACK_SANDBOX_READABLE": "/opt/tools",
    "AUTOPACK_PASS_ENV": "MYAPP_*",
    "AUTOPACK_DISABLE_PATTERNS": "scope_mismatch",
    "AUTOPACK_INSTALL_UNLISTED": "true",
    "AUTOPACK_DOCTOR_BLOCK": "night",
    "AUTOPACK_DOCTOR_RECORDING": "/recordings",
    "AUTOPACK_REVIEW_RECORDING": "/recordings",
    "AUTOPACK_CONTEXT_BUDGET": "4000",
    "AUTOPACK_CONTEXT_MODE": "semantic",
    "AUTOPACK_EMBEDDER": "minilm",
}


def test_variables_that_change_what_a_run_does_are_recorded_and_no_others(
    project: Project, taken: Callable[..., Fingerprint], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(CHANGING) == set(of_role(Role.CHANGES_RUNS))
    for name, value in CHANGING.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AUTOPACK_OPERATOR", "night shift")
    monkeypatch.setenv("AUTOPACK_LEASE_SECONDS", "30")
    found = taken(project, "r")
    assert found.settings == CHANGING
    assert found.operator == "night shift"
