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

from autopack.files import safe_files

_FOLDER = "aside"
_WHY = ".why"
_LONGEST_REASON = 65_536
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
        safe_files.make_folder(target.parent, below=run_folder)
        safe_files.rename(path, target)
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
    safe_files.make_folder(target.parent, below=run_folder)
    with os.fdopen(
        safe_files.open_new(target), "w", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _note(target, reason)
    _log.warning("%s: %s; kept in %s", run_folder, reason, target)
    return target


def list_asides(home: Path) -> list[Aside]:
    """Return what was set aside in any run of the home, newest first."""
    found: list[Aside] = []
    for run in safe_files.names(home / "runs"):
        folder = home / "runs" / run / _FOLDER
        for path in (folder / name for name in safe_files.names(folder)):
            if not path.name.endswith(_WHY):
                with suppress(FileNotFoundError):  # cleaned up in this moment
                    at = datetime.fromtimestamp(safe_files.status(path).st_mtime, UTC)
                    found.append(Aside(path, _reason(path), at))
    return sorted(found, key=lambda one: one.at, reverse=True)


def _free_name(run_folder: Path, name: str) -> Path:
    return run_folder / _FOLDER / f"{name}.{secrets.token_hex(4)}"


def _note(target: Path, reason: str) -> None:
    safe_files.write(target.with_name(target.name + _WHY), reason.encode("utf-8", "replace"))


def _reason(path: Path) -> str:
    try:
        return safe_files.read_text(path.with_name(path.name + _WHY), most=_LONGEST_REASON)
    except OSError:
        return "unknown"
