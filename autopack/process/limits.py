"""When a supervised program is ended: its time, its output, its silence, the files it leaves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

MAX_OUTPUT = 16 * 1024 * 1024
MAX_FILES = 100_000
MAX_BYTES = 10 * 1024**3

# A program that writes as fast as it can fills about 40 MiB between two looks.
_LOOK_SECONDS = 0.025
_COUNT_SECONDS = 2.0
# Counting may take a twentieth of the time, however large the tree.
_COUNT_SHARE = 20
# How often in a silence that is too long is looked for other signs of life.
_SIGN_SHARE = 20


class Limit(StrEnum):
    """Which limit a program was ended for."""

    TIME = "time"
    OUTPUT = "output"
    SILENCE = "silence"
    FILES = "files"
    BYTES = "bytes"


@dataclass(frozen=True)
class FileLimit:
    """How many files, links and folders a program may add below ``folders``, and of what size.

    ``most_bytes`` counts what the files say that they hold, for that is what git would read.
    """

    folders: tuple[Path, ...]
    most: int = MAX_FILES
    most_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class Held:
    """How many files, links and folders some folders hold, and bytes by what the files say."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Limits:
    """What one program may use; None means no limit of that kind.

    ``seconds`` in all, ``output`` in bytes, ``silence`` in seconds without output. What ``signs``
    returns changes when a program that prints nothing has done something else.
    """

    seconds: float | None = None
    output: int = MAX_OUTPUT
    silence: float | None = None
    files: FileLimit | None = None
    signs: Callable[[], object] | None = None

    @property
    def bytes(self) -> int:
        """How large a single file may become."""
        return MAX_BYTES if self.files is None else self.files.most_bytes

    def told(self, limit: Limit, seconds: float) -> str:
        """Return what a program did that was ended for ``limit`` after ``seconds``, for people."""
        match limit:
            case Limit.TIME:
                return f"ran out of time after {seconds:.0f} s"
            case Limit.OUTPUT:
                return f"printed more than {self.output:,} bytes"
            case Limit.SILENCE:
                return f"was silent for {self.silence:g} s"
            case Limit.FILES:
                return f"left more than {self.files.most if self.files else 0:,} files"
            case Limit.BYTES:
                return f"left files of more than {self.bytes:,} bytes"


async def watch(
    ends: asyncio.Future[int],
    written: Callable[[], int],
    limits: Limits,
    *,
    before: Held | None = None,
) -> Limit | None:
    """Wait until a program ``ends`` by itself (None) or comes to one of its ``limits``.

    ``written`` says how many bytes it has printed, ``before`` what there was already.
    """
    clock = asyncio.get_running_loop().time
    began = spoke = looked = clock()
    printed, sign = 0, limits.signs and limits.signs()
    crowded = asyncio.ensure_future(_until_crowded(limits.files, before or Held()))
    try:
        while True:
            pause = _LOOK_SECONDS
            if limits.seconds is not None:
                pause = min(pause, max(0.0, began + limits.seconds - clock()))
            await asyncio.wait({ends, crowded}, timeout=pause, return_when="FIRST_COMPLETED")
            if ends.done():
                return None
            if crowded.done():
                return crowded.result()
            now, earlier, printed = clock(), printed, written()
            if printed > limits.output:
                return Limit.OUTPUT
            spoke = now if printed != earlier else spoke
            if limits.seconds is not None and now >= began + limits.seconds:
                return Limit.TIME
            if limits.silence is None:
                continue
            if limits.signs is not None and now >= looked + limits.silence / _SIGN_SHARE:
                looked, before_it, sign = now, sign, limits.signs()
                spoke = now if sign != before_it else spoke
            if now >= spoke + limits.silence:
                return Limit.SILENCE
    finally:
        crowded.cancel()


async def crowded_by(limit: FileLimit, before: Held) -> Limit | None:
    """Return which limit a program came to that added to what there was ``before``, if any."""
    most = Held(before.files + limit.most, before.bytes + limit.most_bytes)
    held = await asyncio.to_thread(measure, limit.folders, most)
    if held.files > most.files:
        return Limit.FILES
    return Limit.BYTES if held.bytes > most.bytes else None


def measure(folders: Iterable[Path], most: Held | None = None) -> Held:
    """Everything below ``folders``, links not followed; it is given up beyond ``most``."""
    files, size, left = 0, 0, [os.fspath(folder) for folder in folders]
    while left and (most is None or (files <= most.files and size <= most.bytes)):
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    files += 1
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            # Gone meanwhile, or closed to us: its own entry was counted.
            continue
    return Held(files, size)


async def _until_crowded(limit: FileLimit | None, before: Held) -> Limit:
    if limit is None:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")
    clock, pause = asyncio.get_running_loop().time, _COUNT_SECONDS
    while True:
        await asyncio.sleep(pause)
        began = clock()
        reached = await crowded_by(limit, before)
        if reached is not None:
            return reached
        pause = max(_COUNT_SECONDS, _COUNT_SHARE * (clock() - began))
