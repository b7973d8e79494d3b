"""What a look at something costs, in bare Pythons: `python tests/bench/looks.py`.

Processor time of `autopack show` and `autopack builders`, over that of `python -c pass`, in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

AUTOPACK = str(Path(sys.executable).parent / "autopack")
LOOKS = {"show": [AUTOPACK, "show", "unknown-run"], "builders": [AUTOPACK, "builders"]}
ROUNDS, BARE_A_ROUND = 9, 10
"""A tick of the clock is a bare Python: only several together can be timed."""


def _processor_seconds(command: list[str], environ: dict[str, str]) -> float:
    before = os.times()
    subprocess.run(command, env=environ, capture_output=True, check=False)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as home:
        environ = os.environ | {"AUTOPACK_HOME": home}
        environ.pop("DATABASE_URL", None)
        ratios: dict[str, list[float]] = {name: [] for name in LOOKS}
        for command in LOOKS.values():
            _processor_seconds(command, environ)  # makes the database, fills caches
        for _ in range(ROUNDS):
            bare = [sys.executable, "-c", "pass"]
            one = sum(_processor_seconds(bare, environ) for _ in range(BARE_A_ROUND)) / BARE_A_ROUND
            for name, command in LOOKS.items():
                ratios[name].append(_processor_seconds(command, environ) / one)
    for name, found in ratios.items():
        print(f"{name:<9} {median(found):.0f} bare Pythons ({min(found):.0f} to {max(found):.0f})")


if __name__ == "__main__":
    main()
