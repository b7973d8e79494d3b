"""`python -m deployments.warm warm|plain OPTIONS`: Autopack's worker.

It takes the options of `prefect worker start` and is that, with one of Autopack's workers in the
place of Prefect's process worker.
"""

from __future__ import annotations

import runpy
import sys
from importlib import import_module

_WORKERS = {"warm": "deployments.warm.worker", "plain": "deployments.warm.quiet"}


def serve(kind: str, *options: str) -> None:
    """Be a worker until told to end."""
    import_module(_WORKERS[kind])  # takes the place of Prefect's
    sys.argv = ["prefect", "worker", "start", "--type", "process", *options]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
