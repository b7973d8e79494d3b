"""Programs that Autopack starts are not given what its server and database are reached by."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from autopack.settings import process_environment, program_environment

AUTOPACK = Path(__file__).parents[2] / "autopack"
STARTS = {"subprocess.run", "subprocess.Popen", "asyncio.create_subprocess_exec"}
OWN = {"autopack/mining/generation/self_test.py", "autopack/research/sources/relay.py"}
"""Where it is Autopack itself that is started, or what passes on what it was given."""


def starts() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(AUTOPACK.rglob("*.py")):
        place = str(path.relative_to(AUTOPACK.parent))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTS and place not in OWN:
                yield f"{place}:{node.lineno}", node


@pytest.mark.parametrize(("place", "call"), list(starts()))
def test_every_program_is_given_an_environment_of_its_own(place: str, call: ast.Call) -> None:
    given = [ast.unparse(one.value) for one in call.keywords if one.arg == "env"]
    assert given, f"{place} passes on the environment of this process"
    assert "process_environment" not in given[0], place


def test_neither_login_nor_database_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY", "DATABASE_URL"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LANG", "C")
    assert "secret" not in program_environment().values()
    assert program_environment()["LANG"] == process_environment()["LANG"]
