"""A process that asks to have its command carried out, as the one it asks knows it."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Asking:
    """The connection to such a process.

    ``process`` is a descriptor of it: while that one lives, the number is no other's. ``since`` is
    when it came, the monotonic clock's.
    """

    connection: socket.socket
    pid: int
    process: int
    since: float = field(default_factory=time.monotonic)
    _is_stopped: bool = False

    def is_there(self) -> bool:
        """Return whether the process still lives."""
        waiting = select.poll()
        waiting.register(self.process, select.POLLIN)
        return not waiting.poll(0)

    def stop_with_it(self, pid: int) -> None:
        """Stop the process that carries its command out while this one is stopped."""
        with suppress(OSError):
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            if (state == "T") is not self._is_stopped and self.is_there():
                self._is_stopped = state == "T"
                os.kill(pid, signal.SIGSTOP if self._is_stopped else signal.SIGCONT)

    def forget(self) -> None:
        """Close what is open for it."""
        self.connection.close()
        os.close(self.process)
