"""Which commands in a text may judge the work: known test and check runners, and nothing else."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache

from autopack.model.commands import Command
from autopack.toolchains.toolchain_registry import toolchains

_CODE = re.compile(r"`([^`\n]{2,200})`")
_SAID = re.compile(
    r"^(?:run|validate with|verify with|check with|test with)[: ]\s*([a-z][^\n`.;]{2,120}?)\.?$",
    re.IGNORECASE,
)
_PROMPT = re.compile(r"^[$>]\s+")
_SHELL = re.compile(r"[|;&<>`$\n]")
_DANGEROUS = {"rm", "curl", "sudo", "sh", "bash", "git", "docker"}


@cache
def _safe() -> tuple[Command, ...]:
    return tuple(command for one in toolchains() for command in one.safe_commands)


@cache
def _programs() -> frozenset[str]:
    return frozenset(command[0] for command in _safe()) | _DANGEROUS


def _is_safe(argv: Command) -> bool:
    return any(argv[: len(start)] == start for start in _safe())


def named_commands(text: str) -> tuple[tuple[Command, ...], tuple[str, ...]]:
    """Return the safe commands that ``text`` names, and the others that look like commands."""
    safe: dict[Command, None] = {}
    unsafe: dict[str, None] = {}
    for written in _written(text):
        argv = _argv(written)
        if argv and _is_safe(argv):
            safe[argv] = None
        elif written.split()[0] in _programs() and len(written.split()) > 1:
            unsafe[written] = None
    return tuple(safe), tuple(unsafe)


def looks_like_a_check(line: str) -> bool:
    """Return whether a line is a command that may judge work, and nothing else: ``pytest -q``."""
    argv = _argv(_PROMPT.sub("", line.strip())) if len(line) <= 200 else None
    if not argv or not _is_safe(argv):
        return False
    return not re.search(r"[.!?,:;]$|\b(?:the|and|to|with|of|is|are|should|must)\b", line)


def is_only_a_check(text: str) -> bool:
    """Return whether ``text`` asks for nothing but running a check: "Run `pytest -q`"."""
    rest = _CODE.sub("", text)
    asks = re.match(r"^(?:run|validate|verify|check|test)\b", text, re.IGNORECASE)
    words = re.findall(r"[a-z]+", rest.lower())
    return bool(asks and named_commands(text)[0] and len(words) <= 4) or bool(
        _SAID.match(text) and named_commands(text)[0]
    )


def _written(text: str) -> Iterator[str]:
    for code in _CODE.findall(text):
        yield _PROMPT.sub("", code.strip()) or code
    said = _SAID.match(text.strip())
    if said:
        yield said[1].strip()


def _argv(written: str) -> Command | None:
    """Return the command as arguments; None when it would need a shell."""
    if _SHELL.search(written):
        return None
    try:
        return tuple(shlex.split(written)) or None
    except ValueError:
        return None
