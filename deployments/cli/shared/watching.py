"""Looking at the database now and then, in a thread, while a command works."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

from autopack.model.errors import AutopackError

_SHARE = 0.05
"""The most that looking may take of a core: of a thousand runs a look takes a quarter second."""


class Watch(ABC):
    """Looks every ``seconds`` while the block is open, and a last time when it ends; less often
    where a look is expensive.
    """

    seconds = 0.25

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.watch, name="progress", daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Read how things stand, and show it."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def watch(self) -> None:
        """Watch, in a thread of its own."""
        last, took = False, 0.0
        while not last:
            last = self._ended.wait(max(self.seconds, took / _SHARE))
            began = time.thread_time()
            # The display is no reason to stop; the work itself says what is wrong.
            with suppress(AutopackError):
                self.look()
            took = time.thread_time() - began
