"""How the text of a setting becomes a value: each raises ValueError saying what to use instead."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from autopack.model.locations import read_path


def number(least: float, most: float, unit: str) -> Callable[[str], float]:
    """Return what reads a number of ``unit`` from ``least`` to ``most``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"use a number of {unit} from {least:.0f} to {most:.0f}")
        return value

    return read


def choice(*values: str) -> Callable[[str], str]:
    """Return what reads one of ``values``, in any case."""

    def read(text: str) -> str:
        if text.lower() not in values:
            raise ValueError(f"use {' or '.join(values)}")
        return text.lower()

    return read


def flag(text: str) -> bool:
    """Read yes or no."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("use true or false")


def secret(least: int) -> Callable[[str], str]:
    """Return what reads a secret of at least so many characters."""

    def read(text: str) -> str:
        if len(text) < least:
            raise ValueError(
                f"use at least {least} random ones, such as `openssl rand -hex 32` prints"
            )
        return text

    return read


def http_parts(text: str) -> SplitResult:
    """Return the parts of an http(s) address. Raises ValueError for anything else."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or host.split() != [host] or parts.port == 0:
        raise ValueError("use an http or https address")
    return parts


def web_address(text: str) -> str:
    """Read the address of a web site, without a slash at its end."""
    try:
        parts = http_parts(text)
        if parts.username or parts.query or parts.fragment:
            raise ValueError
    except ValueError:
        raise ValueError("use an address such as https://autopack.example.org") from None
    return text.rstrip("/")


def words(text: str) -> tuple[str, ...]:
    """Read words separated by commas or blanks."""
    return tuple(text.replace(",", " ").split())


def paths(text: str) -> tuple[Path, ...]:
    """Read folders separated as in PATH."""
    return tuple(read_path(path) for path in text.split(os.pathsep) if path)
