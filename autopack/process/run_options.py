"""What a supervised program may do besides running: read, change, print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.process.limits import MAX_OUTPUT, FileLimit


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a program may do, and which limits end it.

    Confined it may change what is ``writable``, folders that exist, and nothing else; ``readable``
    is what it may read besides. ``silence`` is how many seconds it may print nothing; it is not
    silent either while what ``signs`` returns changes. ``max_output`` is how many bytes it may
    print, ``files`` what it may add: that takes a few seconds to notice.

    A program that ``spends`` is an agent: it is stopped with all its descendants and killed, for
    in the time to end by itself it would ask its model once more. One that is kept ``apart``
    cannot read the environment of other programs, where the system can see to that.

    ``exit_note`` is a file in which is noted how the program ended, by itself and with all that it
    had started, also where this process is gone by then; on Linux, see `read_exit`.
    """

    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    max_output: int = MAX_OUTPUT
    silence: float | None = None
    signs: Callable[[], object] | None = None
    files: FileLimit | None = None
    input: str | bytes | None = None
    confined: bool = True
    spends: bool = False
    apart: bool = False
    exit_note: Path | None = None


NO_OPTIONS = RunOptions()
