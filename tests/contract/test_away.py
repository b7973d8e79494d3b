"""What commands say when the database or the Prefect server is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.experiments import agent, make_trial
from support.processes import Machine
from support.projects import Project

from autopack.settings import Settings


def test_an_unhealthy_installation_is_exit_code_1(
    autopack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:hidden@127.0.0.1:1/none")
    answer = autopack("health", "--json")
    assert (answer.code, answer.json["status"]) == (1, "unhealthy")
    assert "hidden" not in answer.out + answer.err


def test_an_installation_without_its_prefect_is_degraded_and_works(
    autopack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    answer = autopack("health", "--json")
    assert (answer.code, answer.json["status"]) == (0, "degraded")


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/api", "ftp://x/api", "nonsense"])
def test_an_address_that_is_none_is_told_like_a_server_that_is_gone(
    url: str, autopack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    answer = autopack("health", "--json")
    assert (answer.code, answer.json["prefect"]["reachable"]) == (0, False)


# these ask for the server before they store anything
@pytest.mark.parametrize("command", ["run", "ab run"])
def test_without_its_server_a_command_stores_nothing(
    command: str, autopack: Any, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    trial = make_trial(tmp_path / "trial", plans=1, control=agent(1), treatment=agent(1))
    words = project.run_args if command == "run" else [str(trial.spec)]
    answer = autopack(*command.split(), *words, "--json")
    assert (answer.code, answer.json["error"]["field"]) == (2, "PREFECT_API_URL")
    rows = autopack("db", "identity", "--json").json["rows"]
    assert {rows["runs"], rows["ab_tests"]} == {0}


# and these have nothing to store before their flow
@pytest.mark.parametrize("command", ["resume", "fleet", "reconcile"])
def test_a_server_that_is_gone_is_named(
    command: str, project: Project, settings: Settings, stored_run: str
) -> None:
    words = {"resume": [stored_run], "fleet": project.run_args}.get(command, [])
    machine = Machine(settings.home, settings.database_url, "http://127.0.0.1:1/api")
    answer = machine.run(command, *words, "--json")
    error = answer.json["error"]
    assert (answer.code, error["field"]) == (2, "PREFECT_API_URL"), answer.stderr
    assert "127.0.0.1:1" in error["message"]
