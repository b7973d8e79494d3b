"""What the children of a run see of this process's environment."""

import os
import sys
from pathlib import Path

import pytest

from autopack.validation.child_environment import bin_folder, child_environment

KEPT = [
    "HOME",
    "LANG",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "JAVA_HOME",
    "GOPROXY",
    "CARGO_HOME",
    "PIP_INDEX_URL",
    "PIP_CERT",
    # where packages come from
    "UV_CACHE_DIR",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    # names that only look like a secret's
    "TOKENIZERS_PARALLELISM",
    "KEYBOARD",
    "AUTHOR",
]

DROPPED = [
    # other environments
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "POETRY_VIRTUALENVS_PATH",
    "PIP_TARGET",
    "PIP_USER",
    "NODE_PATH",
    # settings of whatever runs Autopack
    "PYTEST_ADDOPTS",
    "PYTEST_CURRENT_TEST",
    "COVERAGE_PROCESS_START",
    "COV_CORE_SOURCE",
    "PREFECT_API_URL",
    "AUTOPACK_HOME",
    "DATABASE_URL",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "NODE_ENV",
    # secrets
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_KEY",
    "MY_SERVICE_API_KEY",
    "my_service_api_key",
    "APIKEY",
    "GITHUB_TOKEN",
    "TOKEN",
    "HF_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "CLIENT_SECRET_FILE",
    "PGPASSWORD",
    "DB_PASSWORD",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "SENTRY_DSN",
    "npm_config_//registry.example.com/:_authToken",
    "NPM_TOKEN",
    "UV_INDEX_PRIVATE_PASSWORD",
    "UV_PUBLISH_TOKEN",
    "POETRY_PYPI_TOKEN_PYPI",
    "SSH_AUTH_SOCK",
]


@pytest.mark.parametrize("name", KEPT)
def test_is_kept(name: str) -> None:
    assert child_environment({name: "value", "PATH": ""})[name] == "value"


@pytest.mark.parametrize("name", DROPPED)
def test_is_dropped(name: str) -> None:
    assert name not in child_environment({name: "value", "PATH": ""})


def test_index_credentials_are_for_installing_only() -> None:
    environ = {"UV_INDEX_PRIVATE_PASSWORD": "x", "NPM_TOKEN": "y", "ANTHROPIC_API_KEY": "z"}

    installing = child_environment(environ, installing=True)

    assert "UV_INDEX_PRIVATE_PASSWORD" in installing
    assert "NPM_TOKEN" in installing
    assert "ANTHROPIC_API_KEY" not in installing


def test_the_environment_of_the_run_comes_first_on_path(tmp_path: Path) -> None:
    tools = str(tmp_path / "tools")

    child = child_environment({"PATH": tools, "VIRTUAL_ENV": "/elsewhere"}, venv=tmp_path / "own")

    assert child["PATH"] == os.pathsep.join([str(bin_folder(tmp_path / "own")), tools])
    assert child["VIRTUAL_ENV"] == str(tmp_path / "own")


def test_the_bin_folders_of_autopack_and_of_an_activated_environment_are_not_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "autopack"))
    own, users = bin_folder(tmp_path / "autopack"), bin_folder(tmp_path / "users")
    path = os.pathsep.join([str(own), str(users), str(tmp_path)])

    child = child_environment({"PATH": path, "VIRTUAL_ENV": str(tmp_path / "users")})

    assert child["PATH"] == str(tmp_path)
    assert "VIRTUAL_ENV" not in child


def test_the_machines_own_python_stays_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))

    assert child_environment({"PATH": str(bin_folder(tmp_path))})["PATH"] == str(
        bin_folder(tmp_path)
    )


def test_relative_entries_of_path_would_mean_the_worktree(tmp_path: Path) -> None:
    path = os.pathsep.join([".", "", "bin", str(tmp_path)])

    assert child_environment({"PATH": path})["PATH"] == str(tmp_path)


def test_children_are_unattended_and_leave_no_bytecode() -> None:
    child = child_environment({"PATH": "", "CI": "maybe"})

    assert child["CI"] == child["PYTHONDONTWRITEBYTECODE"] == child["PYTHONUNBUFFERED"] == "1"
