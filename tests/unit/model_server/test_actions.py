from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from autopack.testing.model_server.actions import tool_call
from autopack.testing.model_server.model_script import Action

CLAUDE = {
    "Read": ("file_path", "offset"),
    "Edit": ("file_path", "old_string", "new_string", "replace_all"),
    "Write": ("file_path", "content"),
    "Bash": ("command", "timeout"),
}
CODEX = {"exec_command": ("cmd", "workdir"), "write_stdin": ("chars",)}
OPENCODE = {
    "read": ("filePath",),
    "edit": ("filePath", "oldString", "newString"),
    "write": ("content", "filePath"),
    "bash": ("command", "workdir"),
}
PI = {
    "read": ("path",),
    "edit": ("path", "edits"),
    "write": ("path", "content"),
    "bash": ("command",),
}

READ = Action(read="a.py")
RUN = Action(run="pytest -q")
EDIT = Action.model_validate({"edit": {"path": "a.py", "old": "x'", "new": 'y"'}})
WRITE = Action.model_validate({"write": {"path": "d/a b.py", "content": "it's\n%s\n"}})


@pytest.mark.parametrize(
    ("action", "offered", "name", "arguments"),
    [
        (READ, CLAUDE, "Read", {"file_path": "a.py"}),
        (READ, CODEX, "exec_command", {"cmd": "cat a.py"}),
        (READ, OPENCODE, "read", {"filePath": "a.py"}),
        (READ, PI, "read", {"path": "a.py"}),
        (EDIT, CLAUDE, "Edit", {"file_path": "a.py", "old_string": "x'", "new_string": 'y"'}),
        (EDIT, OPENCODE, "edit", {"filePath": "a.py", "oldString": "x'", "newString": 'y"'}),
        (EDIT, PI, "edit", {"path": "a.py", "edits": [{"oldText": "x'", "newText": 'y"'}]}),
        (WRITE, OPENCODE, "write", {"filePath": "d/a b.py", "content": "it's\n%s\n"}),
        (RUN, CLAUDE, "Bash", {"command": "pytest -q"}),
        (RUN, CODEX, "exec_command", {"cmd": "pytest -q"}),
    ],
)
def test_an_action_in_the_agents_own_words(
    action: Action, offered: dict[str, Any], name: str, arguments: dict[str, Any]
) -> None:
    call = tool_call(action, offered)

    assert call is not None
    assert (call.name, call.arguments) == (name, arguments)


def test_an_agent_with_a_shell_alone_edits_and_writes_by_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x' and x'")
    for action in (EDIT, WRITE):
        call = tool_call(action, CODEX)
        assert call is not None
        subprocess.run(call.arguments["cmd"], shell=True, cwd=tmp_path, check=True)

    assert (tmp_path / "a.py").read_text() == "y\" and x'"
    assert (tmp_path / "d" / "a b.py").read_text() == "it's\n%s\n"


def test_without_a_fitting_tool_nothing_is_called() -> None:
    assert tool_call(RUN, {"search": ("query",)}) is None
