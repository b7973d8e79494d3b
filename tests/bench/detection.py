"""Prints how long recognising and classifying takes on logs made to be slow.

Run: python tests/bench/detection.py [MEGABYTES]
"""

import sys
import time

from autopack.repair.classify.classifier import classify
from autopack.repair.patterns import BUILTIN, Evidence, matches

SEEDS = {
    "one line without end": "a",
    "spaces": " ",
    "empty lines": "\n",
    "pytest margins": "E   ",
    "summary without a reason": "FAILED tests/test_a.py::test_b ",
    "summaries": "FAILED tests/test_a.py::test_b - no\n",
    "module names": "No module named ",
    "a name without end": "ModuleNotFoundError: No module named 'a",
    "missing modules": "ModuleNotFoundError: No module named 'abc_%d'\n",
    "missing packages": "Error: Cannot find module 'p%d'\n",
    "permissions": "error: open a a a a a a a a: permission denied for\n",
    "quotes": "ENOENT: no such file or directory, open '/a/b/c/",
    "shells": "sh: 1: sh: 1: sh: 1: ",
    "dots": "a.b.c.d.e.f.g.h.i.j.k.l",
    "escapes": "\x1b[",
    "equals": "=",
    "brackets": "([{",
    "tests": "collected 0 items collected 0 items / 1 deselected ",
    "builder": "builder failed connection llm ",
    "wordy exceptions": "a.b.c.D_Error_E_Error_",
}


def log(seed: str, size: int) -> str:
    """A log of ``size`` characters that repeats ``seed``; ``%d`` counts up."""
    if "%d" in seed:
        times = size // len(seed) + 1
        return "".join(seed % number for number in range(times))[:size]
    return (seed * (size // len(seed) + 1))[:size]


def seconds(text: str) -> float:
    """CPU seconds of detection by all patterns and classification together, best of three."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        matches(Evidence(text), BUILTIN)
        classify(exit_status=1, output=text, diff=text)
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    size = int(float(sys.argv[1]) * 1_000_000) if len(sys.argv) > 1 else 1_000_000
    for name, seed in SEEDS.items():
        print(f"{name:28}{seconds(log(seed, size)) * 1000:8.1f} ms")


if __name__ == "__main__":
    main()
