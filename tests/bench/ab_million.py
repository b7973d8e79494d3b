"""A million pairs from a file: processor time and memory of each part of their analysis.

    python tests/bench/ab_million.py [PAIRS]

The file has one pair a plan, success of whole runs and one further metric.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PAIRS = 1_000_000
_HEADER = (
    "pair,plan,control_tokens,treatment_tokens,control_success,treatment_success,"
    "control_cost,treatment_cost\n"
)
_PROGRAM = """
import resource, sys
from deployments.cli import run_command
status = run_command(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{used.ru_utime + used.ru_stime:.1f} s of processor time, "
      f"{used.ru_maxrss / 1024:,.0f} MiB, exit {status}", file=sys.stderr)
"""


def write_pairs(path: Path, pairs: int) -> None:
    """A table of ``pairs`` with noise, a small saving and success in nine of ten runs."""
    random = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        for start in range(0, pairs, 100_000):
            n = min(100_000, pairs - start)
            control = random.lognormal(11, 0.8, n).round() + 1
            treatment = (control * random.lognormal(-0.1, 0.8, n)).round() + 1
            success = (random.random((2, n)) < 0.9).astype(int)
            file.writelines(
                f"p{start + i},plan{start + i},{c:.0f},{t:.0f},{a},{b},{c / 1e5:.4f},"
                f"{t / 1e5:.4f}\n"
                for i, (c, t, a, b) in enumerate(zip(control, treatment, *success, strict=True))
            )


def main() -> None:
    """Write the table, and analyse it in a process of its own, for people and for programs."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pairs.csv")
        write_pairs(path, pairs)
        for more in ([], ["--json"], ["--report", f"{folder}/report"]):
            words = ["ab", "analyse", "--csv", str(path), *more]
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM, *words],
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            print(f"{pairs:,} pairs {' '.join(more[:1])}: {done.stderr.splitlines()[-1]}")


if __name__ == "__main__":
    main()
