from __future__ import annotations

from pathlib import Path

from autopack.agents.prompt import render_prompt
from autopack.agents.protocol import BuildRequest


def _request(**given: object) -> BuildRequest:
    base: dict[str, object] = {
        "run_id": "r",
        "phase_id": "p",
        "attempt": 1,
        "build": 1,
        "goal": "Ordinals are right",
        "instructions": "Make ordinal(111) return 111th.",
        "worktree": Path("w"),
        "spool": Path("s"),
    }
    return BuildRequest(**(base | given))  # pyright: ignore[reportArgumentType]


def test_everything_the_build_is_judged_by_is_said() -> None:
    prompt = render_prompt(
        _request(
            context="Seen before.",
            deliverables=["inflection/__init__.py"],
            scope_paths=["inflection/"],
            read_only=["tests/"],
            checks=[("pytest", "-q", "-k", "a or b")],
            hint="Two tests failed.",
        )
    )

    for words in (
        "Ordinals are right",
        "Make ordinal(111) return 111th.",
        "Seen before.",
        "`inflection/__init__.py`",
        "`inflection/`",
        "`tests/`",
        "`pytest -q -k 'a or b'`",
        "Two tests failed.",
    ):
        assert words in prompt


def test_what_is_not_set_is_not_mentioned() -> None:
    prompt = render_prompt(_request())

    assert prompt.count("\n# ") == 2  # the goal and the task
    assert "None" not in prompt


def test_what_the_run_tells_every_build_comes_before_the_task() -> None:
    prompt = render_prompt(_request(guidance="Be brief."))
    assert prompt.index("# How to work\n\nBe brief.") < prompt.index("# Your task")
    assert "How to work" not in render_prompt(_request())
