"""The earlier spelling of ``python -m autopack.testing.model_server``, for one version more."""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.stderr.write("autopack.modelserver is now autopack.testing.model_server\n")
    runpy.run_module("autopack.testing.model_server", run_name="__main__", alter_sys=True)
