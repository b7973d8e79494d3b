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

# A program that writes as fast as it can fills about 40 MiB between two looks.
_LOOK_SECONDS = 0.025
_COUNT_SECONDS = 2.0
# Counting may take a twentieth of the time, however large the tree.
_COUNT_SHARE = 20


class Limit(StrEnum):
    """Which limit a program was ended for."""

    TIME = "time"
    OUTPUT = "output"
    SILENCE = "silence"
    FILES = "files"


@dataclass(frozen=True)
class FileLimit:
    """How many files, links and folders a program may add below ``folders``."""

    folders: tuple[Path, ...]
    most: int = MAX_FILES


@dataclass(frozen=True)
class Limits:
    """What one program may use; None means no limit of that kind.

    ``seconds`` in all, ``output`` in bytes, ``silence`` in seconds without output.
    """

    seconds: float | None = None
    output: int = MAX_OUTPUT
    silence: float | None = None
    files: FileLimit | None = None

    def told(self, limit: Limit, seconds: float) -> str:
        """What a program did that was ended for ``limit`` after ``seconds``, for people."""
        match limit:
            case Limit.TIME:
                return f"ran out of time after {seconds:.0f} s"
            case Limit.OUTPUT:
                return f"printed more than {self.output:,} bytes"
            case Limit.SILENCE:
                return f"was silent for {self.silence:g} s"
            case Limit.FILES:
                return f"left more than {self.files.most if self.files else 0:,} files"


async def watch(
    ends: asyncio.Future[int],
    written: Callable[[], int],
    limits: Limits,
    *,
    files_before: int = 0,
) -> Limit | None:
    """Wait until a program ``ends`` by itself (None) or comes to one of its ``limits``.

    ``written`` says how many bytes it has printed, ``files_before`` how many files there were.
    """
    clock = asyncio.get_running_loop().time
    began = spoke = clock()
    printed = 0
    crowded = asyncio.ensure_future(_until_crowded(limits.files, files_before))
    try:
        while True:
            pause = _LOOK_SECONDS
            if limits.seconds is not None:
                pause = min(pause, max(0.0, began + limits.seconds - clock()))
            await asyncio.wait({ends, crowded}, timeout=pause, return_when="FIRST_COMPLETED")
            if ends.done():
                return None
            if crowded.done():
                crowded.result()
                return Limit.FILES
            now, before, printed = clock(), printed, written()
            if printed > limits.output:
                return Limit.OUTPUT
            spoke = now if printed != before else spoke
            if limits.seconds is not None and now >= began + limits.seconds:
                return Limit.TIME
            if limits.silence is not None and now >= spoke + limits.silence:
                return Limit.SILENCE
    finally:
        crowded.cancel()


async def has_crowded(limit: FileLimit, before: int) -> bool:
    """Whether there are more files than ``limit`` allows beyond the ``before`` of the start."""
    most = before + limit.most
    return await asyncio.to_thread(count_files, limit.folders, most) > most


def count_files(folders: Iterable[Path], most: int | None = None) -> int:
    """Everything below ``folders``, links not followed; the count stops beyond ``most``."""
    found, left = 0, [os.fspath(folder) for folder in folders]
    while left and (most is None or found <= most):
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    found += 1
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except OSError:
            # Gone meanwhile, or closed to us: its own entry was counted.
            continue
    return found


async def _until_crowded(limit: FileLimit | None, before: int) -> None:
    if limit is None:
        await asyncio.Event().wait()
        return
    clock, pause = asyncio.get_running_loop().time, _COUNT_SECONDS
    while True:
        await asyncio.sleep(pause)
        began = clock()
        if await has_crowded(limit, before):
            return
        pause = max(_COUNT_SECONDS, _COUNT_SHARE * (clock() - began))
