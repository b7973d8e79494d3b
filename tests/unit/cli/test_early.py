"""A command that takes its time says at once what it waits for."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from support.processes import AUTOPACK

from autopack import home_server
from autopack.home_server import HomeServer
from deployments.cli.shared import early

URL = "http://127.0.0.1:4242/api"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def said(argv: list[str], capsys: pytest.CaptureFixture[str], *, seconds: float = 0.4) -> str:
    early.say_soon(argv)
    time.sleep(seconds)
    early.be_quiet()
    return capsys.readouterr().err


def said_soon(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that must be said, however busy the machine is."""
    early.say_soon(argv)
    found, deadline = "", time.monotonic() + 20
    while not found.endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.02)
        found += capsys.readouterr().err
    early.be_quiet()
    return found


@pytest.mark.parametrize("argv", [["run", "p.yaml"], ["ab", "run", "x"], ["demo", "--json"]])
def test_what_needs_prefect_says_so(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert said_soon(argv, capsys).startswith("loading; the ")


@pytest.mark.parametrize("argv", [[], ["runs"], ["ab", "power"], ["run", "--help"], ["--version"]])
def test_what_needs_none_or_is_quick_says_nothing(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(argv, capsys) == ""
    assert said(["run"], capsys, seconds=0) == ""


def test_the_server_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not running yet" in said_soon(["run"], capsys)
    home_server.folder(tmp_path)
    home_server.write_note(tmp_path, HomeServer(URL, 1, 2.0, "3/0", 900.0))
    assert "is not running yet" in said_soon(["run"], capsys), "a note is no server"
    lock = home_server.lock_server(tmp_path)
    assert lock is not None
    assert said_soon(["run"], capsys) == f"loading; the Prefect server of this home is {URL}\n"
    os.close(lock)
    monkeypatch.setenv("PREFECT_API_URL", "http://other/api")
    assert said_soon(["run"], capsys) == "loading; the Prefect server is http://other/api\n"


def test_the_console_script_says_it_and_ends_with_the_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [AUTOPACK, "run", str(tmp_path / "no.yaml"), "--repo", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2].startswith("error: ")
