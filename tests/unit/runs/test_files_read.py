"""Which files agents read: their tool calls say so, what they print otherwise does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autopack.runs.spools.files_read import files_read

REAL = Path(__file__).parent.parent.parent / "data" / "agents"
PATHS = ["shop/invoice.py", "shop/money.py", "web/invoice.py", "README.md"]


@pytest.mark.parametrize("agent", ["claude", "codex", "opencode", "pi", "gemini", "qwen"])
def test_transcripts_of_real_agents_show_what_they_read(agent: str) -> None:
    transcript = REAL / f"{agent}.ok.stdout"

    assert files_read(transcript, ["calc.py", "other/calc_more.py", "README.md"]) == {"calc.py"}


def event(**arguments: object) -> str:
    used = {"type": "tool_use", "name": "Read", "input": arguments}
    return json.dumps({"type": "assistant", "message": {"content": [used]}})


SHOWN = {
    "an absolute path": (event(file_path="/w/t/shop/invoice.py"), {"shop/invoice.py"}),
    "a relative path": (event(path="./shop/invoice.py"), {"shop/invoice.py"}),
    "a command": (event(command="sed -n 1,9p shop/money.py"), {"shop/money.py"}),
    "several": (event(paths=["README.md", "shop/money.py"]), {"README.md", "shop/money.py"}),
    # Which of them it was is not told: neither counts as unread.
    "a bare name": (event(command="cd x && cat invoice.py"), {"shop/invoice.py", "web/invoice.py"}),
    "arguments as text": (
        json.dumps({"tool_calls": [{"function": {"arguments": '{"path": "README.md"}'}}]}),
        {"README.md"},
    ),
    "a folder": (event(path="/w/t/shop"), set[str]()),
    "a similar name": (event(path="myshop/money.py.orig"), set[str]()),
    "what is written": (event(content="see shop/money.py"), set[str]()),
    "a listing": (
        json.dumps({"type": "user", "message": {"content": "shop/invoice.py\nREADME.md"}}),
        set[str](),
    ),
    "the prompt": ("`git:0123456789ab:shop/invoice.py@0123456789ab` (outline)", set[str]()),
    "plain text": ("Added shop/money.py to the chat.", {"shop/money.py"}),
    "a recording": (json.dumps({"output": "$ cat README.md"}), {"README.md"}),
    "no JSON": ('{"path": "README.md"', set[str]()),
    "nothing": ("", set[str]()),
}


@pytest.mark.parametrize("what", SHOWN)
def test_what_counts_as_read(tmp_path: Path, what: str) -> None:
    line, read = SHOWN[what]
    (tmp_path / "builder.out").write_text(line + "\n")

    assert files_read(tmp_path / "builder.out", PATHS) == read


def test_without_a_transcript_nothing_was_read(tmp_path: Path) -> None:
    assert files_read(tmp_path / "none", PATHS) == set()
