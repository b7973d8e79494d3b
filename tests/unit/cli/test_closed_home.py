"""A home that cannot be written to is the user's to change, and no fault of Autopack's."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

import deployments.cli
from deployments.cli import run_command


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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("AUTOPACK_HOME", str(home))
    at = str((home if below else tmp_path) / "repositories")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "cannot be", at)

    monkeypatch.setattr(deployments.cli, "app", fail)
    assert run_command(["runs"]) == code
    said = capsys.readouterr().err
    assert (f"AUTOPACK_HOME {home} cannot be written to" in said) is (code == 2)
