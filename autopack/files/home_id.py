"""Telling homes apart: what an attempt printed lies in the home of the process that started it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from autopack.files import safe_files
from autopack.files.durable import write_whole


def home_id(home: Path) -> str:
    """Return the name of a home that no other has; two machines that share the folder share it."""
    path = home / "home-id"
    with suppress(FileNotFoundError):
        return safe_files.read_text(path).strip()
    part = path.with_name(f"home-id.{secrets.token_hex(4)}")
    write_whole(part, secrets.token_hex(16))
    with suppress(FileExistsError):
        os.link(part, path)  # the first one wins, and is there whole
    safe_files.remove(part)
    return safe_files.read_text(path).strip()
