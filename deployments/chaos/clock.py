"""The clock of the machine that runs are on, which can be set while they run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autopack.clock import SystemClock
from autopack.settings import process_environment

_VENDORED = "vendor/libfaketime/src/libfaketime.so.1"
_HOUR = 3600


class MovedClock:
    """Processes with its environment, and who asks it, see the same time of day.

    Made by the libfaketime of PyPI under those processes; monotonic time goes on as it is, as when
    an operator or NTP sets a clock.
    """

    def __init__(self, library: Path, folder: Path) -> None:
        self._library, self._file = library, folder / "clock-offset"
        self._offset = 0
        self.move(0)

    @classmethod
    def where_possible(cls, folder: Path) -> MovedClock | None:
        """Return a clock; None where libfaketime is not installed, or does not work on this
        machine.
        """
        library = _library()
        clock = None if library is None else cls(library, folder)
        return clock if clock is not None and clock._works() else None

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to see this clock, and everything that it starts."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def move(self, seconds: int) -> None:
        """Set it to so many seconds after the true time, or before it."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n", encoding="utf-8")
        new.replace(self._file)
        self._offset = seconds

    def now(self) -> datetime:
        """Return its time of day, aware, UTC."""
        return datetime.now(UTC) + timedelta(seconds=self._offset)

    def monotonic(self) -> float:
        """Seconds that never go backwards, and that it does not move."""
        return time.monotonic()

    def uptime(self) -> float:
        """Return the same, with the machine's sleep."""
        return SystemClock().uptime()

    def _works(self) -> bool:
        """Return whether a process with its environment sees it."""
        self.move(-_HOUR)
        done = subprocess.run(
            [sys.executable, "-c", "import time; time.sleep(0.01); print(time.time())"],
            env={**process_environment(), **self.environ},
            capture_output=True,
            text=True,
            check=False,
        )
        self.move(0)
        return done.returncode == 0 and float(done.stdout) < time.time() - _HOUR / 2


def _library() -> Path | None:
    installed = importlib.util.find_spec("libfaketime")
    if installed is None or installed.origin is None:
        return None
    library = Path(installed.origin).parent / _VENDORED
    return library if library.exists() else None
