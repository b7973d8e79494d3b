"""A real agent reviews what another builder made, against the scripted server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.processes import Machine
from support.projects import git, make_project

from autopack.testing.model_server import ScriptedModelServer

pytestmark = pytest.mark.slow

KEY = "sk-canary-9876543210-zyxwvutsrqponmlkjihgfedcba"
PROGRAMS = {"claude-code": "claude", "codex": "codex"}
LINE = "the sum is a plus b"
VERDICTS = {
    "claude-code": {"verdict": "approve", "summary": "It adds.", "findings": []},
    "codex": {
        "verdict": "reject",
        "summary": "It adds no numbers.",
        "findings": [{"path": "word", "quote": f"+{LINE}", "problem": "it has to multiply"}],
    },
}


@pytest.mark.parametrize("name", ["claude-code", pytest.param("codex", marks=pytest.mark.full)])
def test_a_real_agent_reviews_and_writes_nothing(
    name: str, machine: Machine, programs: Path, tmp_path: Path
) -> None:
    verdict = VERDICTS[name]
    script = {
        "turns": [
            {
                "text": "I look.",
                "actions": [{"run": "echo mine > extra.txt"}],
                "usage": {"input": 1011, "cache_read": 500, "output": 17},
            },
            {"text": json.dumps(verdict), "usage": {"input": 2011, "output": 40}},
        ]
    }
    project = make_project(
        tmp_path / "project",
        {"one": [[{"files": {"word": f"{LINE}\n"}}]]},
        plan={"policy": {"review": name}, "models": {"reviewer": "fake-model"}},
        phase={"budget": {"attempts": 1}},
    )
    with ScriptedModelServer(script) as server:
        url = server.url if name == "claude-code" else server.openai_url
        answer = machine.run(
            "run",
            *project.run_args,
            *("--set", f"{name}.executable={programs / PROGRAMS[name]}"),
            *("--set", f"{name}.base_url={url}", "--run-id", "r", "--json"),
            timeout=300,
            ANTHROPIC_API_KEY=KEY,
            OPENAI_API_KEY=KEY,
        )
        counted = server.totals()
    [phase] = answer.json["phases"]
    [review] = phase["reviews"]
    assert review["verdict"] == verdict["verdict"], review
    assert review["notes"] == ["it wrote to its checkout, which was discarded: extra.txt"]
    assert answer.json["tokens"]["total"] == counted.total > 0
    approved = verdict["verdict"] == "approve"
    assert answer.code == (0 if approved else 1), answer.stderr
    if approved:
        assert git(project.repository, "show", "autopack/r:word") == f"{LINE}\n"
        assert "extra.txt" not in git(project.repository, "ls-tree", "-r", "autopack/r")
    else:
        assert phase["failure"]["cause"] == "review_rejected"
