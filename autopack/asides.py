"""Files that could not be used: moved out of the way with the reason, and never deleted."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_FOLDER = "aside"
_WHY = ".why"
_log = logging.getLogger("autopack")


@dataclass(frozen=True)
class Aside:
    """What was set aside, when, and why."""

    path: Path
    reason: str
    at: datetime


def set_aside(path: Path, run_folder: Path, reason: str) -> Path | None:
    """Move a file or folder of a run into ``aside`` in its folder, and log it.

    Returns where it is now; None when it was gone, or could not be moved and stays.
    """
    target = _free_name(run_folder, path.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.rename(target)
        _note(target, reason)
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("%s is not used: %s; it could not be set aside: %s", path, reason, error)
        return None
    _log.warning("%s is not used: %s; it was moved to %s", path, reason, target)
    return target


def keep_lines(lines: Iterable[str], run_folder: Path, name: str, reason: str) -> Path | None:
    """Write lines that could not be used to a file of their own in ``aside``, and log it.

    Raises OSError, and then the caller has to keep them where they were.
    """
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        return None
    target = _free_name(run_folder, name)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _note(target, reason)
    _log.warning("%s: %s; kept in %s", run_folder, reason, target)
    return target


def list_asides(home: Path) -> list[Aside]:
    """What was set aside in any run of the home, newest first."""
    found: list[Aside] = []
    for path in home.glob(f"runs/*/{_FOLDER}/*"):
        if not path.name.endswith(_WHY):
            with suppress(FileNotFoundError):  # cleaned up in this moment
                at = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
                found.append(Aside(path, _reason(path), at))
    return sorted(found, key=lambda one: one.at, reverse=True)


def _free_name(run_folder: Path, name: str) -> Path:
    return run_folder / _FOLDER / f"{name}.{secrets.token_hex(4)}"


def _note(target: Path, reason: str) -> None:
    target.with_name(target.name + _WHY).write_text(reason, encoding="utf-8", errors="replace")


def _reason(path: Path) -> str:
    try:
        return path.with_name(path.name + _WHY).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
