"""`autopack tokens` after a run with every builder and usage format: what was spent, once."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.projects import make_project, write_yaml

from autopack.agents.usage_formats import formats, parse
from autopack.testing.model_server import ScriptedModelServer
from deployments.cli import run_command

DATA = Path(__file__).parents[1] / "data" / "agents"
PRINTED = {
    "claude-code": "claude.partial.ok.stdout",
    "codex": "codex.ok.stdout",
    "opencode": "opencode.ok.stdout",
    "pi": "pi.ok.stdout",
    "neutral": "neutral.ok.stdout",
    "gemini": "gemini.ok.stdout",
    "qwen": "qwen.ok.stdout",
}
IN_FILES = {"aider", "mini-swe-agent"}
"""What these spend is not printed: their tests are the adapters'."""
AGENTS = [name for name in PRINTED if name not in ("neutral", "gemini", "qwen")]
FIGURES = ("total", "input", "cache_read", "cache_write", "output")


@pytest.fixture
def engine_name() -> str:
    """SQLite alone: what differs between the engines is tested with the ledger."""
    return "sqlite"


@pytest.fixture
def tokens_of(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """Runs a plan of one phase with a builder, and asks `autopack tokens`."""

    def run(builder: str, *options: str, builds: list[Any] | None = None) -> dict[str, Any]:
        project = make_project(tmp_path / "project", {"one": builds or []})
        chosen = [word for option in options for word in ("--set", option)]
        arguments = project.run_args if builder == "script" else project.run_args[:3]
        more = ["--builder", builder, "--model", "fake-model", *chosen, "--run-id", "r", "--json"]
        assert run_command(["run", *arguments, *more]) == 0, capsys.readouterr().out
        run = json.loads(capsys.readouterr().out)
        assert run_command(["tokens", "r", "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        spent = answer["spent"]
        assert spent["total"] == run["tokens"]["total"] == run["phases"][0]["tokens"]
        if spent["total"] is None:
            return answer
        assert sum(spent["by_category"].values()) == spent["total"]
        assert sum(spent["by_role"].values()) == spent["by_role"]["builder"] == spent["total"]
        assert sum(spent[figure] for figure in FIGURES[1:]) + spent["unsplit"] == spent["total"]
        assert answer["unreconciled_calls"] == 0
        return answer

    return run


def program(folder: Path, printed: Path) -> Path:
    """An agent that changes a file and prints what a real one printed."""
    path = folder / "agent"
    path.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "if '--version' in sys.argv:\n    print('agent 1.2.3')\n    sys.exit()\n"
        "pathlib.Path('done.txt').write_text('done')\n"
        f"print(pathlib.Path({str(printed)!r}).read_text(encoding='utf-8'))\n"
    )
    path.chmod(0o755)
    return path


def is_what_was_printed(answer: dict[str, Any], name: str) -> None:
    told = parse(name, DATA / PRINTED[name])
    assert [answer["spent"][figure] for figure in FIGURES] == [
        getattr(told.total, figure) for figure in FIGURES
    ]
    assert answer["events"] == len(told.calls) > 0


def test_every_format_is_here() -> None:
    assert PRINTED.keys() | IN_FILES == set(formats())


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_of_that_name(name: str, tokens_of: Any, tmp_path: Path) -> None:
    path = program(tmp_path, DATA / PRINTED[name])
    answer = tokens_of(name, f"executable={path}", "base_url=http://127.0.0.1:9/v1")
    is_what_was_printed(answer, name)


@pytest.mark.parametrize("name", PRINTED)
def test_any_program_that_prints_such_a_format(name: str, tokens_of: Any, tmp_path: Path) -> None:
    path = program(tmp_path, DATA / PRINTED[name])
    answer = tokens_of("command", f"template={shlex.quote(str(path))}", f"usage={name}")
    is_what_was_printed(answer, name)


def test_what_a_program_spends_that_reports_nothing_is_unknown(
    tokens_of: Any, tmp_path: Path
) -> None:
    path = program(tmp_path, DATA / PRINTED["pi"])
    answer = tokens_of("command", f"template={shlex.quote(str(path))}")
    assert (answer["events"], answer["unreconciled_calls"]) == (0, 1)
    assert (answer["spent"]["total"], answer["spent"]["unknown_builds"]) == (None, 1)


def test_a_recording(tokens_of: Any) -> None:
    """Calls with a split, with a total alone, and two that share a response id."""
    split = {"input": 10, "cache_read": 20, "cache_write": 30, "output": 40}
    calls: list[dict[str, Any]] = [split, {"total": 7}, {"total": 5, "response_id": "x"}] * 2
    steps = [{"call": {"provider": "p", "model": "m"} | call} for call in calls]
    answer = tokens_of("script", builds=[[*steps, {"files": {"done.txt": "done"}}]])
    assert (answer["spent"]["total"], answer["spent"]["unsplit"], answer["events"]) == (224, 24, 6)


def test_a_simulation(tokens_of: Any, tmp_path: Path) -> None:
    spec = {"calls": 3, "input": 100, "cache_read": 10, "output": 5, "seconds": 0, "success": 1}
    answer = tokens_of("simulated", f"spec={write_yaml(tmp_path / 'spec.yaml', spec)}", "seed=1")
    assert (answer["spent"]["total"], answer["events"]) == (345, 3)


def test_an_agent_of_autopacks_own(tokens_of: Any) -> None:
    write = {"name": "write_file", "arguments": {"path": "done.txt", "content": "done"}}
    turns = [
        {"tools": [write], "usage": {"input": 200, "cache_read": 50, "output": 9}},
        {"text": "Done.", "usage": {"input": 300, "cache_read": 60, "output": 11}},
    ]
    with ScriptedModelServer({"turns": turns}) as server:
        answer = tokens_of("api", f"base_url={server.openai_url}")
        counted = server.totals()
    assert [answer["spent"][figure] for figure in FIGURES] == [
        getattr(counted, figure) for figure in FIGURES
    ]
    assert answer["events"] == counted.calls == 2
