"""Actions in no agent's words, said as calls of the tools that the asking agent offers.

Agents call the same few tools by different names and their arguments differently: ``Edit`` with
``file_path``, ``edit`` with ``filePath``, ``edit`` with a list of ``edits``. The names come from
the request's tools and their schemas. What no tool fits is done through the tool that runs
commands.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping

from autopack.testing.model_server.model_script import (
    Action,
    Edit,
    ToolCall,
    Write,
)

Offered = Mapping[str, Collection[str]]
"""The names of the tools offered, each with the names of its arguments."""

_READ = ("Read", "read", "read_file")
_EDIT = ("Edit", "edit", "edit_file")
_WRITE = ("Write", "write", "write_file")
_RUN = ("Bash", "bash", "exec_command", "shell", "run_command", "run_shell_command")

_PATH = ("file_path", "filePath", "path")
_OLD = ("old_string", "oldString", "old")
_NEW = ("new_string", "newString", "new")
_CONTENT = ("content",)
_COMMAND = ("command", "cmd")

_EDIT_SCRIPT = """
import pathlib, sys
path, old, new = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
text = path.read_text(encoding="utf-8")
if old not in text:
    sys.exit(f"{path} does not hold {old!r}")
path.write_text(text.replace(old, new, 1), encoding="utf-8")
"""


def tool_call(action: Action, offered: Offered) -> ToolCall | None:
    """Return the call that carries ``action`` out; None when no tool offered can."""
    if action.read is not None:
        fallback = f"cat {shlex.quote(action.read)}"
        return _call(offered, _READ, (_PATH, action.read)) or _run(fallback, offered)
    if action.edit is not None:
        return _edit(action.edit, offered)
    if action.write is not None:
        return _write(action.write, offered)
    return _run(action.run or "", offered)


def _run(command: str, offered: Offered) -> ToolCall | None:
    return _call(offered, _RUN, (_COMMAND, command))


def _edit(edit: Edit, offered: Offered) -> ToolCall | None:
    several = [{"oldText": edit.old, "newText": edit.new}]
    script = ["python3", "-c", _EDIT_SCRIPT, edit.path, edit.old, edit.new]
    return (
        _call(offered, _EDIT, (_PATH, edit.path), (_OLD, edit.old), (_NEW, edit.new))
        or _call(offered, _EDIT, (_PATH, edit.path), (("edits",), several))
        or _call(
            offered,
            ("replace",),
            (_PATH, edit.path),
            (_OLD, edit.old),
            (_NEW, edit.new),
            (("instruction",), f"Change {edit.path}."),
        )
        or _run(shlex.join(script), offered)
    )


def _write(write: Write, offered: Offered) -> ToolCall | None:
    path, content = shlex.quote(write.path), shlex.quote(write.content)
    return _call(offered, _WRITE, (_PATH, write.path), (_CONTENT, write.content)) or _run(
        f'mkdir -p "$(dirname {path})" && printf %s {content} > {path}', offered
    )


def _call(
    offered: Offered, tools: Collection[str], *values: tuple[Collection[str], object]
) -> ToolCall | None:
    """Return a call of the first of ``tools`` that is offered and has an argument for every
    value.
    """
    for tool in tools:
        arguments = {
            name: value
            for names, value in values
            for name in names
            if name in offered.get(tool, ())
        }
        if tool in offered and len(arguments) == len(values):
            return ToolCall(name=tool, arguments=arguments)
    return None
