"""The standard streams of a command: all three are open, all text can be written, and stdout holds
one JSON object at most.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
_FAILING = frozenset({"strict", "surrogateescape", "surrogatepass"})

_is_own_process = False
_is_answered: bool | None = None
"""Whether the command that is carried out has written its object; None while there is none."""


def open_missing() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise the next file that is opened, such as the database, would take its descriptor.
    """
    for descriptor, (name, mode) in enumerate(_STANDARD):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if opened == descriptor:
            os.set_inheritable(descriptor, True)
        else:
            os.dup2(opened, descriptor)
            os.close(opened)
        stream = open(descriptor, mode, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - stays open
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def take_over() -> None:
    """Prepare the streams of a process that is this command's alone.

    Characters that the encoding of a stream lacks are replaced from now on.
    """
    global _is_own_process
    _is_own_process = True
    for stream in (sys.stdout, sys.stderr):
        if stream.errors in _FAILING:
            _reconfigure(stream, errors="replace")


@contextmanager
def one_answer() -> Generator[None]:
    """Carry out a command in the block, which writes one JSON object at most."""
    global _is_answered
    _is_answered = False
    try:
        yield
    finally:
        _is_answered = None


def is_answered() -> bool:
    """Return whether the command has begun to write its JSON object."""
    return bool(_is_answered)


def write_json(value: dict[str, Any]) -> None:
    """Write the JSON object of the command; what is written to stdout later goes to stderr.

    Raises RuntimeError when there is one already, OSError when stdout cannot take it.
    """
    global _is_answered
    written = json_bytes(value, sys.stdout.encoding)
    if _is_answered:
        raise RuntimeError("the command has printed its JSON object already")
    if _is_answered is False:
        _is_answered = True
    try:
        sys.stdout.flush()
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.buffer.write(written)
        else:  # text that another program collects in memory
            sys.stdout.write(written.decode())
        sys.stdout.flush()
    except OSError:
        discard_stdout()
        raise
    stdout_to_stderr()


def json_bytes(value: dict[str, Any], encoding: str | None) -> bytes:
    """Return JSON in a line: in UTF-8 for a stream that is, in ASCII for any other.

    Halves of characters, which stand for bytes that are no text, become U+FFFD.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text = _HALF_CHARACTER.sub("\ufffd", text)
    if (encoding or "utf-8").lower().replace("_", "-") not in ("utf-8", "utf8"):
        text = json.dumps(json.loads(text))
    return f"{text}\n".encode()


def stdout_to_stderr() -> None:
    """Send to stderr what is still written to stdout, by libraries and child processes too."""
    sys.stdout.flush()
    if _is_own_process:
        os.dup2(2, 1)
        _reconfigure(sys.stdout, line_buffering=True)


def _reconfigure(stream: TextIO, **options: Any) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(**options)  # pyright: ignore[reportUnknownMemberType]


def discard_stdout() -> None:
    """Let nothing that is still to be written fail at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
