"""What others do to a home is theirs to change, and no fault of Autopack's."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

import deployments.cli
from autopack.files.safe_files import write
from deployments.cli import run_command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("number", "below", "code"),
    [
        (errno.EROFS, True, 2),
        (errno.EACCES, True, 2),
        (errno.EROFS, False, 1),
        (errno.EIO, True, 1),
    ],
)
def test_it_is_named(
    number: int,
    below: bool,
    code: int,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = str((home if below else tmp_path) / "repositories")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "cannot be", at)

    monkeypatch.setattr(deployments.cli, "app", fail)
    assert run_command(["runs"]) == code
    said = capsys.readouterr().err
    assert (f"AUTOPACK_HOME {home} cannot be written to" in said) is (code == 2)


@pytest.mark.parametrize(
    ("lost", "is_told"),
    [("runs/r1", True), ("runs/r1/spool/one", True), ("elsewhere", False), ("../outside", False)],
)
@pytest.mark.parametrize("instead", ["nothing", "a file", "a link"])
def test_a_folder_of_a_run_that_something_removed_is_named(
    lost: str,
    is_told: bool,
    instead: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = (tmp_path / "outside") if lost == "../outside" else home / lost
    folder.parent.mkdir(parents=True, exist_ok=True)
    if instead == "a file":
        folder.write_text("in its place")
    elif instead == "a link":
        folder.symlink_to(tmp_path)
    monkeypatch.setattr(deployments.cli, "app", lambda *_, **__: write(folder / "note", "text"))
    assert run_command(["runs"]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert (f"{folder} is not as Autopack left it" in said) is is_told
    assert ("autopack resume" in said) is is_told
