"""The standard streams as promised: one JSON object on stdout, in bytes that every reader takes,
whatever the text is and whichever streams are closed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.processes import AUTOPACK

from autopack.model.errors import Refused
from deployments.cli import endings
from deployments.cli.shared import output, streams

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs file names that are no text")

ENCODINGS = ["utf-8", "utf-8:strict", "ascii", "latin-1", "utf-16", "cp037"]

# what is typed in a folder with odd names, and the exit code
ODD: list[tuple[list[str], int]] = [
    (["plan", "check", "\udcff"], 2),
    (["toolchain", "odd"], 0),  # has a subfolder whose name is no text
    (["usage", "parse", "neutral", "half.json"], 0),  # half a character in a model's name
    (["fleet", "--repo", "."], 2),  # the hint has an ellipsis
    (["runs", "--limit", "\u2026"], 2),
]


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    odd = tmp_path / "odd" / "\udcff"
    odd.mkdir(parents=True)
    (odd / "package.json").write_text("{}")
    (tmp_path / "half.json").write_text('{"model": "m\\ud800", "input": 1, "output": 2}\n')
    return tmp_path


def autopack(folder: Path, argv: list[str], encoding: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [AUTOPACK, *argv],
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("argv", "code", "encoding"),
    [
        pytest.param(argv, code, encoding, id=f"{' '.join(argv[:2])} in {encoding}")
        for number, (argv, code) in enumerate(ODD)
        # The first in each; of the others one that holds less than the text, and one in wide units.
        for encoding in (ENCODINGS if number == 0 else ("ascii", "utf-16"))
    ],
)
def test_json_is_utf_8_and_text_never_a_traceback(
    argv: list[str], code: int, encoding: str, folder: Path
) -> None:
    done = autopack(folder, [*argv, "--json"], encoding)
    assert done.returncode == code, done.stderr
    said = json.dumps(json.loads(done.stdout.decode("utf-8")), ensure_ascii=False)
    said.encode()  # has no half characters
    assert done.stdout.isascii() or encoding.startswith("utf-8")

    shown = autopack(folder, argv, encoding)
    assert shown.returncode == code, shown.stderr
    told = (shown.stdout + shown.stderr).decode(encoding.partition(":")[0], errors="replace")
    assert "Traceback" not in told
    assert "internal" not in told


# how the shell closes streams, what is typed, and the exit code
@pytest.mark.parametrize(
    ("closed", "argv", "code"),
    [
        (">&-", "runs", 0),
        (">&-", "runs --json", 0),
        (">&-", "show x --json", 2),
        (">&-", "--help", 0),
        ("<&-", "plan check -", 2),
        ("<&-", "plan check - --json", 2),
        ("2>&-", "show x", 2),
        ("2>&-", "show x --json", 2),
        ("<&- >&- 2>&-", "show x", 2),
        ("<&- >&- 2>&-", "runs", 0),
        # `run` is what may be handed over to a process that has loaded everything
        (">&-", "run nowhere.yaml --repo . --json", 2),
        ("<&-", "run - --repo . --json", 2),
        ("<&- >&- 2>&-", "run - --repo .", 2),
    ],
)
def test_closed_streams_change_no_exit_code(
    closed: str, argv: str, code: int, folder: Path
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {argv} {closed}', AUTOPACK],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"internal" not in done.stdout
    if "--json" in argv and ">&-" not in closed.split():
        assert json.loads(done.stdout)["error"]["kind"] != "internal"


@pytest.mark.parametrize(
    "error",
    [Refused("a part has ended"), KeyboardInterrupt(), ZeroDivisionError("a fault")],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_after_the_answer_is_told_on_stderr(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def app(*_: Any, **__: Any) -> int:
        output.print_json({"url": "somewhere"})
        raise error

    assert endings.run_command(["up", "--json"], app) != 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"url": "somewhere"}
    assert said.err.startswith("error: ")


def test_a_command_answers_once(capsys: pytest.CaptureFixture[str]) -> None:
    def app(*_: Any, **__: Any) -> int:
        output.print_json({"first": 1})
        output.print_json({"second": 2})
        return 0

    assert endings.run_command(["up", "--json"], app) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"first": 1}
    assert "already" in said.err
    assert endings.run_command(["runs", "--json"], lambda *_, **__: 0) == 0
    assert not streams.is_answered(), "the next command has not"


WRITES_LATER = """
import subprocess, sys
from deployments.cli.shared import streams
streams.take_over()
{answers}
print("by a library")
subprocess.run([sys.executable, "-c", "print('by a child')"], check=True)
"""


@pytest.mark.parametrize(
    ("answers", "stdout"),
    [
        ("streams.write_json({'a': 1})", '{"a": 1}\n'),
        ("streams.stdout_to_stderr()", ""),  # what a worker begins with
    ],
)
def test_what_is_written_after_the_answer_goes_to_stderr(answers: str, stdout: str) -> None:
    done = subprocess.run(
        [str(Path(AUTOPACK).parent / "python"), "-c", WRITES_LATER.format(answers=answers)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == stdout
    assert done.stderr.splitlines() == ["by a library", "by a child"]


# what is typed, and whether it asks for JSON
@pytest.mark.parametrize(
    ("argv", "asks"),
    [
        (["show", "x"], False),
        (["show", "x", "--json"], True),
        (["show", "x", "--json=true"], True),
        (["show", "x", "--json=1"], True),
        (["show", "x", "--json=false"], False),
        (["show", "x", "--json=No"], False),
        (["show", "x", "--json=0"], False),
        (["show", "x", "--json=perhaps"], True),  # is refused, in JSON
        (["show", "--", "--json"], False),
        (["show", "x", "--jsonl"], False),
    ],
)
def test_an_error_is_json_where_json_is_asked_for(
    argv: list[str], asks: bool, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployments.cli import run_command

    assert run_command(argv) == 2
    said = capsys.readouterr()
    assert (bool(said.out), bool(said.err)) == (asks, not asks)


# what is refused, and the option or argument that the error names
@pytest.mark.parametrize(
    ("argv", "field"),
    [
        (["runs", "--limit", "abc"], "limit"),
        (["runs", "--limit"], "limit"),
        (["runs", "--nonsense"], "nonsense"),
        (["runs", "--nonsense=3"], "nonsense"),
        (["runs", "more", "words"], "more"),
        (["runs", "--limit", "1", "--limit", "2"], "limit"),
        (["usage", "--by", "nope"], "by"),
        (["run"], "plan"),
        (["run", "plan.yaml"], "repo"),
        (["run", "plan.yaml", "--repo", ".", "--token-cap", "many"], "token_cap"),
        (["show"], "run_id"),
        (["patterns", "promote", "x"], "why"),
        (["nonsense"], "command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_line_that_is_refused_names_what_is_wrong(
    argv: list[str], field: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployments.cli import run_command

    assert run_command([*argv, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["field"]) == ("command", field)


def test_the_field_of_an_error_keeps_secrets(
    settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployments.cli import run_command

    secret = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789"
    monkeypatch.setenv("ANTHROPIC_API_KEY", secret)
    assert run_command(["runs", f"--{secret}", "--json"]) == 2
    assert secret not in capsys.readouterr().out


# where the API is to listen, and the option that is at fault
@pytest.mark.parametrize(
    ("host", "at_fault"),
    [
        ("127.0.0.1", "port"),  # which is in use
        ("nosuchhost.invalid", "host"),
        ("a..b", "host"),
        ("x" * 64, "host"),
        ("192.0.2.1", "host"),  # another machine's
        ("::zz", "host"),
    ],
)
def test_an_address_that_cannot_be_had_names_the_option(
    host: str, at_fault: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployments.cli import run_command

    assert run_command(["api", "keys", "create", "x", "--json"]) == 0
    capsys.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run_command(["api", "--host", host, "--port", port, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["field"] == at_fault
    assert f"--{at_fault}" in error["hint"]


@pytest.mark.parametrize("argv", [["--help"], ["health"], ["health", "--json"]], ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(argv: list[str], settings: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [AUTOPACK, *argv], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device without room")
@pytest.mark.parametrize("argv", [["builders"], ["builders", "--json"]], ids=" ".join)
def test_output_that_finds_no_room_is_told_in_one_line(argv: list[str], settings: Any) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [AUTOPACK, *argv], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: no room is left on the disk"
    assert "Traceback" not in done.stderr
