"""Runs the generated tests in a process of their own, before anything is offered."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from autopack.mining.generation.write import write_files

_SECONDS = 300
_RUN = """
import json, runpy, sys
results = {}
for test in sys.argv[1:]:
    try:
        names = runpy.run_path(test)
        tests = [each for name, each in names.items() if name.startswith("test_")]
        assert tests, "no test"
        for each in tests:
            each()
        results[test] = None
    except Exception as error:
        results[test] = f"{type(error).__name__}: {error}"
print(json.dumps(results))
"""


def failing(detectors: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return why the tests of detectors fail, by pattern id; those that pass are not in it."""
    with tempfile.TemporaryDirectory(prefix="autopack-expand-") as folder:
        tests: dict[str, str] = {}
        for name, files in detectors.items():
            write_files(Path(folder) / name, files)
            (test,) = (path for path in files if path.startswith("tests/"))
            tests[str(Path(folder) / name / test)] = name
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *tests],
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            cwd=folder,
        )
    if done.returncode != 0:
        return dict.fromkeys(detectors, f"its test does not run: {done.stderr[-300:].strip()}")
    results: dict[str, str | None] = json.loads(done.stdout)
    return {tests[test]: why for test, why in results.items() if why is not None}
