"""What agents are told. Read the snapshots as an agent would: `data/prompts`, one a situation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from autopack.agents.claude_code.agent import ClaudeCodeBuilder
from autopack.agents.codex.agent import CodexBuilder
from autopack.agents.conventions import MOST_BYTES
from autopack.agents.prompt import render_prompt
from autopack.agents.protocol import BuildLimits, BuildRequest
from autopack.model.situation import EarlierAttempt, PlanStep, Situation, StepState

SNAPSHOTS = Path(__file__).parents[2] / "data" / "prompts"

STEPS = (
    PlanStep("parse", "Read the numbers.\nAll of them.", StepState.DONE, "0123456789abcdef"),
    PlanStep("fix-ordinals", 'Make ordinal(111) return "111th".', StepState.NOW),
    PlanStep("docs", "Describe it.", StepState.LATER),
)
FIRST = EarlierAttempt(1, "validation_failed", "2 of 40 tests failed", "I fixed all of them.")
SECOND = EarlierAttempt(2, "validation_failed", "1 of 40 tests failed", None)

SITUATIONS: dict[str, dict[str, Any]] = {
    "least": {},
    "first-attempt": {
        "deliverables": ["inflection/__init__.py"],
        "scope_paths": ["inflection/"],
        "read_only": ["tests/"],
        "protects_tests": True,
        "checks": [("pytest", "-q", "-k", "a or b")],
        "limits": BuildLimits(tokens=50_000, seconds=1200),
        "situation": Situation(
            STEPS,
            red_before="1 tests failed before the run began: tests/test_old.py::test_x",
            missing_submodules=["vendor/library"],
        ),
    },
    "shown-files": {
        "files": "Files that seem to matter.\n\n`git:0123:a.py@4567`\n\n```\na = 1\n```",
    },
    "retry-that-keeps-the-change": {
        "checks": [("pytest", "-q")],
        "hint": "Attempt 1 failed (validation_failed): 2 of 40 tests failed",
        "situation": Situation(STEPS, earlier=[FIRST], keeps_work=True),
    },
    "retry-from-the-start": {
        "checks": [("pytest", "-q")],
        "hint": "Attempt 2 failed (validation_failed): 1 of 40 tests failed",
        "situation": Situation(STEPS, earlier=[FIRST, SECOND], keeps_work=False),
    },
    "same-failure-twice": {
        "checks": [("pytest", "-q")],
        "hint": "Attempt 2 failed (validation_failed): 2 of 40 tests failed",
        "situation": Situation(earlier=[FIRST, FIRST], keeps_work=False),
    },
    "continued-conversation": {
        "deliverables": ["inflection/__init__.py"],
        "checks": [("pytest", "-q")],
        "limits": BuildLimits(tokens=50_000, seconds=1200),
        "hint": "Attempt 1 failed (validation_failed): 2 of 40 tests failed",
        "situation": Situation(STEPS, earlier=[FIRST], keeps_work=True),
        "resumes": "681aa4b2",
    },
    "continued-conversation-shown-files": {
        "files": "Files that seem to matter.\n\n`git:0123:a.py@4567`\n\n```\na = 1\n```",
        "hint": "Attempt 1 failed (validation_failed): 2 of 40 tests failed",
        "resumes": "681aa4b2",
    },
    "continued-conversation-from-the-start": {
        "checks": [("pytest", "-q")],
        "hint": "Attempt 2 failed (validation_failed): 1 of 40 tests failed",
        "situation": Situation(STEPS, earlier=[FIRST, SECOND], keeps_work=False),
        "resumes": "681aa4b2",
    },
}


def _request(worktree: Path = Path("/nowhere"), **given: object) -> BuildRequest:
    base: dict[str, object] = {
        "run_id": "r",
        "phase_id": "fix-ordinals",
        "attempt": 1,
        "build": 1,
        "goal": "Ordinals are right",
        "instructions": 'Make ordinal(111) return "111th".',
        "worktree": worktree,
        "spool": Path("s"),
    }
    return BuildRequest(**(base | given))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_prompt_of_a_situation_is_the_one_that_was_read(name: str) -> None:
    """After a change of the words: AUTOPACK_TEST_SNAPSHOTS=write, read them, raise the version."""
    prompt, path = render_prompt(_request(**SITUATIONS[name])), SNAPSHOTS / f"{name}.md"
    if os.environ.get("AUTOPACK_TEST_SNAPSHOTS") == "write":
        path.write_text(prompt)

    assert prompt == path.read_text()


def test_what_is_not_set_is_not_mentioned() -> None:
    prompt = render_prompt(_request())

    assert prompt.count("\n# ") == 3  # the goal, the task, the rules
    assert "None" not in prompt


def test_what_the_run_tells_every_build_comes_before_the_task() -> None:
    prompt = render_prompt(_request(guidance="Be brief."))
    assert prompt.index("# How to work\n\nBe brief.") < prompt.index("# Your task")
    assert "How to work" not in render_prompt(_request())


def test_a_long_plan_is_shown_around_the_task() -> None:
    steps = [PlanStep(f"p{n}", "x" * 500, StepState.LATER) for n in range(200)]
    steps[150] = PlanStep("p150", "now", StepState.NOW)

    prompt = render_prompt(_request(situation=Situation(steps)))

    assert "`p150`: now" in prompt
    assert "- and 160 more" in prompt
    assert len(prompt) < 15_000


@pytest.mark.parametrize(
    ("files", "reads", "told"),
    [
        ({"AGENTS.md": "A"}, ("AGENTS.md",), []),  # codex reads it
        ({"AGENTS.md": "A"}, ("CLAUDE.md",), ["AGENTS.md"]),  # claude does not
        ({"CLAUDE.md": "C"}, ("AGENTS.md",), ["CLAUDE.md"]),
        ({"CLAUDE.md": "C"}, ("AGENTS.md", "CLAUDE.md"), []),  # opencode falls back
        ({"AGENTS.md": "A", "CLAUDE.md": "C"}, ("AGENTS.md", "CLAUDE.md"), ["CLAUDE.md"]),
        ({"AGENTS.md": "A", "CLAUDE.md": "@AGENTS.md"}, ("CLAUDE.md",), []),  # it includes it
        ({"AGENTS.md": "same", "CLAUDE.md": "same\n"}, ("CLAUDE.md",), []),
        ({"AGENTS.md": "same", "CLAUDE.md": "same"}, (), ["AGENTS.md"]),
        ({"AGENTS.md": "  \n"}, (), []),
        ({"AGENTS.md": "A", "GEMINI.md": "G"}, ("GEMINI.md",), ["AGENTS.md"]),
        ({"AGENTS.md": "A", "GEMINI.md": "@./AGENTS.md"}, ("GEMINI.md",), []),
        ({"AGENTS.md": "A\nB", "GEMINI.md": "A\r\nB\r\n"}, ("GEMINI.md",), []),  # a copy
        ({"GEMINI.md": "G"}, ("AGENTS.md",), []),
        ({}, (), []),
    ],
)
def test_the_repositorys_instructions_reach_an_agent_once(
    tmp_path: Path, files: dict[str, str], reads: tuple[str, ...], told: list[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    prompt = render_prompt(_request(tmp_path), reads=reads)

    titles = [line for line in prompt.splitlines() if "own instructions" in line]
    assert titles == [f"# The repository's own instructions ({name})" for name in told]


def test_instructions_that_lead_out_of_the_worktree_are_not_read(tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    (tmp_path / "secret").write_text("a canary")
    (worktree / "AGENTS.md").symlink_to(tmp_path / "secret")
    os.mkfifo(worktree / "CLAUDE.md")

    assert "canary" not in render_prompt(_request(worktree), reads=())


def test_long_instructions_are_cut_and_say_so(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("ä" * MOST_BYTES)

    prompt = render_prompt(_request(tmp_path), reads=())

    assert len(prompt.encode()) < MOST_BYTES + 3_000
    assert "[cut here: read the rest in the file]" in prompt


def test_each_agent_says_which_file_it_reads() -> None:
    assert (ClaudeCodeBuilder.reads, CodexBuilder.reads) == (("CLAUDE.md",), ("AGENTS.md",))
