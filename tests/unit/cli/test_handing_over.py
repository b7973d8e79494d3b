"""Which commands are handed over, and between which processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from autopack import settings
from deployments.warm import handing_over
from deployments.warm.interpreter import obeyed_by_commands
from deployments.warm.sameness import facts_of, first_difference

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="handed over on Linux alone")


def test_the_names_are_those_of_the_settings() -> None:
    named = (handing_over.HOME, handing_over.WARM_COMMANDS, handing_over.API)
    declared = (settings.HOME, settings.WARM_COMMANDS, settings.PREFECT_API_URL)
    assert named == tuple(each.name for each in declared)


@pytest.mark.parametrize(
    ("words", "environ", "is_possible"),
    [
        (["run", "plan.yaml"], {}, True),
        (["resume", "x", "--json"], {}, True),
        (["retry", "x"], {}, True),
        (["fleet", "plans"], {}, True),
        (["run", "-"], {}, True),
        (["run", "plan.yaml"], {"AUTOPACK_WARM_COMMANDS": "true"}, True),
        # Words that look something up are quick themselves.
        (["runs"], {}, False),
        ([], {}, False),
        (["--json", "run"], {}, False),
        (["run", "--help"], {}, False),
        # Files that only this process has open.
        (["run", "/dev/fd/63"], {}, False),
        (["run", "--plan=/proc/self/fd/5"], {}, False),
        (["run", "plan.yaml"], {"AUTOPACK_WARM_COMMANDS": "false"}, False),
        # A wrong value is refused by the command itself.
        (["run", "plan.yaml"], {"AUTOPACK_WARM_COMMANDS": "maybe"}, False),
        (["run", "plan.yaml"], {"PREFECT_API_URL": "http://127.0.0.1:1/api"}, False),
    ],
)
def test_commands_that_run_flows_on_the_homes_server_are(
    words: list[str],
    environ: dict[str, str],
    is_possible: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert handing_over.is_possible(["autopack", *words], environ) is is_possible


@pytest.mark.parametrize(
    ("name", "content", "is_possible"),
    [
        ("pyproject.toml", "[project]\ndependencies = ['prefect']", True),
        (".env", "KEY=1", True),
        ("pyproject.toml", "[tool.prefect.logging]", False),
        (".env", "PREFECT_API_URL=x", False),
        ("prefect.toml", "", False),
    ],
)
def test_files_that_configure_prefect_are_read_by_the_command_itself(
    name: str, content: str, is_possible: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    assert handing_over.is_possible(["autopack", "run"], {}) is is_possible


FACTS = facts_of(os.getpid()) if sys.platform == "linux" else {}


def test_a_process_may_act_for_one_that_is_confined_alike() -> None:
    assert first_difference(FACTS, facts_of(os.getpid())) is None


@pytest.mark.parametrize("name", FACTS)
def test_a_process_may_not_act_for_one_that_differs_in_anything(name: str) -> None:
    for other in (FACTS | {name: "another"}, {k: v for k, v in FACTS.items() if k != name}):
        assert first_difference(FACTS, other) == name
        assert first_difference(other, FACTS) == name


@pytest.mark.parametrize(
    "name",
    [
        *("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "CapEff", "CapBnd", "Cpus_allowed"),
        *("namespace mnt", "namespace pid", "namespace net", "namespace user", "namespace ipc"),
        *("root", "cgroup", "limits", "nice", "policy", "oom_score_adj"),
    ],
)
def test_what_confines_a_process_is_among_the_facts(name: str) -> None:
    assert FACTS[name] is not None


@pytest.mark.parametrize(
    ("name", "is_obeyed"),
    [
        *((name, True) for name in ("PYTHONPATH", "LD_PRELOAD", "LC_ALL", "LANG")),
        *((name, True) for name in ("PREFECT_HOME", "PREFECT_LOGGING_LEVEL", "DO_NOT_TRACK")),
        ("AUTOPACK_FAILPOINT", True),
        # Secrets, which no other process is told.
        *((name, False) for name in ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING")),
        ("PREFECT_SERVER_API_AUTH_STRING", False),
        *((name, False) for name in ("ANTHROPIC_API_KEY", "AUTOPACK_SANDBOX", "PATH")),
    ],
)
def test_what_is_obeyed_once_has_to_be_the_same(name: str, is_obeyed: bool) -> None:
    assert (name in obeyed_by_commands({name: "x"})) is is_obeyed
