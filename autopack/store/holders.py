"""Names a process so that any process of its machine can tell whether it still lives."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopack.model.boot import boot_id
from autopack.model.ids import process_mark

if TYPE_CHECKING:
    import psutil

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
# Two processes with one pid start further apart than this; the kernel's boot time wobbles by 1 s.
_SAME_START_SECONDS = 2.0


@dataclass(frozen=True)
class Holder:
    """A process on some host.

    ``started`` is in seconds after the host's boot: unlike the time of day, it never changes
    under a living process. ``boot_id`` says which boot. ``mark`` is what its children carry in
    their environment.
    """

    host: str
    boot_id: str
    pid: int
    started: float
    mark: str

    @classmethod
    def of_this_process(cls) -> Holder:
        """Return the process that asks."""
        import psutil

        process = psutil.Process()
        return cls(_host(), boot_id(), process.pid, _started(process), process_mark())

    def to_json(self) -> dict[str, Any]:
        """As the database keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Holder:
        """Return the inverse of `to_json`."""
        return cls(data["host"], data["boot_id"], data["pid"], data["started"], data["mark"])

    def is_known_here(self) -> bool:
        """Return whether this machine can tell if the process lives."""
        return self.host == _host() and self.boot_id == boot_id()

    def is_gone(self) -> bool:
        """Return whether the process has provably ended; False when that cannot be known
        from here.
        """
        if not self.is_known_here():
            return False  # after a restart of this host, or on another one of the same name
        import psutil

        try:
            process = psutil.Process(self.pid)
            if abs(_started(process) - self.started) > _SAME_START_SECONDS:
                return True
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False

    def describe(self) -> str:
        """Such as ``pid 123 on worker-1 since 2026-01-01 12:00:00 UTC``."""
        text = f"pid {self.pid} on {self.host}"
        if not self.is_known_here():
            return text  # its boot time is not known here
        import psutil

        since = datetime.fromtimestamp(psutil.boot_time() + self.started, UTC)
        return f"{text} since {since:%Y-%m-%d %H:%M:%S} UTC"


def _started(process: psutil.Process) -> float:
    import psutil

    if sys.platform.startswith("linux"):
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_bytes()
        except FileNotFoundError as error:
            raise psutil.NoSuchProcess(process.pid) from error
        except OSError:
            pass
        else:
            # After the name in parentheses, which may hold anything. psutil adds the time of day of
            # the start, which moves when the clock is set: a living process would seem another one.
            return int(stat.rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return process.create_time() - psutil.boot_time()


@cache
def _host() -> str:
    """Return the host's name, and its process namespace where that is a container's own.

    A pid says nothing about the processes of another container, even one of the same name.
    """
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = _INITIAL_PID_NAMESPACE
    own = "" if namespace == _INITIAL_PID_NAMESPACE else f"/{namespace}"
    return platform.node() + own
