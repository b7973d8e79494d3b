"""Every spelling of an option that Autopack gives an agent itself is refused, and no other."""

from __future__ import annotations

import shlex

import pytest

from autopack.agents.own.extra_arguments import extra_arguments
from autopack.agents.program import CommandLineAgent
from autopack.agents.registry import builder_class
from autopack.model.errors import BadInput


def given(name: str, args: str) -> list[str]:
    agent = builder_class(name)
    assert issubclass(agent, CommandLineAgent)
    own, short = agent.own_arguments, agent.abbreviates
    return extra_arguments(args, program=agent.program, own=own, abbreviates=short)


@pytest.mark.parametrize(
    ("agent", "args"),
    [
        ("claude-code", "--verbose=false"),
        ("claude-code", "--no-verbose"),
        ("codex", "--yolo"),
        ("codex", "-sdanger-full-access"),
        ("opencode", "--printLogs"),
        ("opencode", "--no-pure"),
        ("gemini", "--outputFormat=text"),
        ("gemini", "-dy"),
        ("qwen", "--approvalMode default"),
        ("aider", "--mess hello"),
        ("aider", "--no-gitig"),
        ("aider", "--auto-comm"),
    ],
)
def test_an_own_option_however_it_is_spelled(agent: str, args: str) -> None:
    with pytest.raises(BadInput) as refused:
        given(agent, args)
    assert refused.value.field == "args"


@pytest.mark.parametrize(
    ("agent", "args"),
    [
        ("claude-code", "--effort high --append-system-prompt 'No --model here.'"),
        ("claude-code", "--fallback-model m --no-chrome"),
        ("codex", "-c model_reasoning_effort=high --enable x"),
        ("gemini", "-d --include-directories ../docs"),
        ("qwen", "--mode x"),  # it does not abbreviate
        ("aider", "--edit-format diff --no-git"),
    ],
)
def test_other_options_stay(agent: str, args: str) -> None:
    assert given(agent, args) == shlex.split(args)
