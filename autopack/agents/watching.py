"""Looking over a program's shoulder: it is ended early when what it prints gives a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from autopack.files import safe_files

if TYPE_CHECKING:
    from autopack.process.supervisor import Exit

_LOOK_SECONDS = 0.5


class Watch(Protocol):
    """Judges a program by its output while it runs."""

    def look(self, output: bytes) -> str | None:
        """Take in what was printed since the last look; say why to end the program, or None."""
        ...


async def watched(
    run: Coroutine[Any, Any, Exit], output: Path, watch: Watch | None
) -> tuple[Exit | None, str | None]:
    """Await ``run``, a supervised program that prints into ``output``.

    Returns its exit, or None and the reason for which ``watch`` had it ended.
    """
    if watch is None:
        return await run, None
    task, offset = asyncio.ensure_future(run), 0
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            if done:
                return task.result(), None
            new = _read_from(output, offset)
            offset += len(new)
            reason = watch.look(new)
            if reason is not None:
                return None, reason
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _read_from(path: Path, offset: int) -> bytes:
    try:
        with safe_files.open_read(path) as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""
