"""Where things are that people name: paths as they mean them, and what is a URL instead."""

from __future__ import annotations

import re
from pathlib import Path

from autopack.model.errors import BadInput


def is_url(location: str) -> bool:
    """Return whether git would take ``location`` for a URL."""
    # host:path is a URL unless such a file exists; one letter before the colon is a drive.
    if "://" in location:
        return True
    return re.match(r"[^/\\:]{2,}:[^\\]", location) is not None and not is_there(location)


def expanded(path: str | Path, field: str) -> Path:
    """Return the path with the home folder that a leading ``~`` or ``~USER`` stands for.

    Raises BadInput naming ``field`` where there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        user = Path(path).parts[0]
        raise BadInput(
            f"{path}: the home folder of {user} is not known",
            field=field,
            hint="write the path without ~, or ./~ for a name that begins so",
        ) from error


def is_there(path: str | Path) -> bool:
    """Return whether anything is at the path; nothing is where the system refuses the name."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def is_folder(path: str | Path) -> bool:
    """Return whether a folder is at the path; none is where the system refuses the name."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def read_path(text: str) -> Path:
    """Read a path that a variable holds. Raises ValueError saying what to use instead."""
    try:
        return expanded(text, "")
    except BadInput as error:
        raise ValueError(error.hint) from error


def utf8(text: str) -> str:
    """Return the text. Raises ValueError for bytes that are not UTF-8, which Python keeps in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("write it as UTF-8 text") from None
    return text
