"""What is printed for people is text: no markup, no links, no control of their terminal."""

from __future__ import annotations

import ast
import io
import logging
from pathlib import Path

import pytest
from rich.console import Group
from rich.table import Table

import deployments.cli
from deployments.cli import run_command
from deployments.cli.shared.output import plain_table, state_text
from deployments.cli.shared.terminal import Terminal, styled

FOLDER = Path(deployments.cli.__file__).parent
NASTY = [
    ("[bold]B[/bold] [link=http://x]click[/link]", "[bold]B[/bold] [link=http://x]click[/link]"),
    # markup fails on what closes nothing
    ("a [/red] b [/] \\[x]", "a [/red] b [/] \\[x]"),
    (":warning: :smile:", ":warning: :smile:"),
    ("\x1b]0;TITLE\x07\x1b[2J\x1b[31mRED", "RED"),
    ("\x1b]8;;http://x\x1b\\click\x1b]8;;\x1b\\", "click"),
    ("\x9b31m\x08\x07over\rwritten", "over\nwritten"),
    ("\u202egnp.exe\u202c", "gnp.exe"),
]


def printed(*things: object, colours: bool = True) -> str:
    file = io.StringIO()
    system = "truecolor" if colours else None
    terminal = Terminal(file=file, force_terminal=colours, width=200, color_system=system)
    terminal.print(*things)
    return file.getvalue()


@pytest.mark.parametrize(("text", "shown"), NASTY)
def test_a_string_is_shown_as_it_is(text: str, shown: str) -> None:
    assert printed(text) == f"{shown}\n"
    assert printed("before", text, "after") == f"before {shown} after\n"


@pytest.mark.parametrize(("text", "shown"), NASTY)
def test_so_it_is_in_tables_and_groups_and_in_a_style(text: str, shown: str) -> None:
    table = plain_table("a", "b")
    table.add_row(text, state_text("QUEUED"))
    titled = Table(title=text, caption=text)
    titled.add_column(text, footer=text)
    for thing in (table, Group(text, table), styled(text, "bold"), titled):
        page = printed(thing, colours=False)
        assert all(line in page for line in shown.split("\n"))
        assert not {"\x1b", "\x9b", "\u202e", "\x07", "\x08", "\r"} & set(page)
        assert "\x1b]" not in printed(thing)


def test_warnings_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("autopack", logging.WARNING, "", 1, "%s", ("\x1b[2J\u202ex",), None)
    assert logging.lastResort is not None
    assert logging.lastResort.format(record) == "x"


@pytest.mark.parametrize(
    "command",
    [
        "run plan.yaml --set KEY",
        "run plan.yaml --api-key KEY",
        "run plan.yaml --builder KEY",
        "show KEY",
        "usage --by KEY",
        "KEY",
    ],
)
def test_what_was_typed_is_not_repeated_where_it_is_a_key(
    command: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path))
    code = run_command(command.replace("KEY", "sk-canary-0123456789abcdef").split())
    told = capsys.readouterr()
    assert code == 2
    assert "canary" not in told.out + told.err


def test_everything_that_is_printed_goes_through_it() -> None:
    for path in FOLDER.rglob("*.py"):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert node.module != "rich.markup", path.name
                assert node.module != "rich.console" or "Console" not in names, path.name
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("print", "Text"), path.name
