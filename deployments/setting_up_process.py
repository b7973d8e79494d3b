"""The process that sets up a Prefect server: `python -m deployments.setting_up_process [COMMAND]`.

It loads what it needs, reads a line from its standard input, which says that the server answers,
and prints, as JSON, what there is afterwards. COMMAND is what workers start for a flow run.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from httpx import HTTPStatusError

from deployments.safeguards import create_and_show
from deployments.setting_up import declared_deployments, missing


def main(command: str | None = None) -> None:
    """Set up the server that Prefect is configured for."""
    import prefect.cli.deploy  # noqa: F401  # pyright: ignore[reportUnusedImport]

    import flows  # noqa: F401  # pyright: ignore[reportUnusedImport] - `prefect deploy` reads them

    answering = os.dup(1)
    os.dup2(2, 1)  # what Prefect prints is no answer
    if not sys.stdin.buffer.readline():
        sys.exit("the server was given up")
    try:
        found = asyncio.run(create_and_show(command))
    except HTTPStatusError as error:
        # One line that says what was asked for: the right to that is missing, or the server ill.
        sys.exit(f"{error.request.method} {error.request.url}: HTTP {error.response.status_code}")
    content = missing(set(found["deployments"]), command)
    if content["deployments"]:
        _deploy(content)
        found["deployments"] = sorted(one.full_name for one in declared_deployments())
    with os.fdopen(answering, "w", encoding="utf-8") as answer:
        answer.write(json.dumps(found) + "\n")


def _deploy(content: Mapping[str, Any]) -> None:
    """Do what `prefect deploy --all` does, here, where Prefect is loaded already."""
    with tempfile.TemporaryDirectory(prefix="autopack-") as folder:
        path = Path(folder) / "prefect.yaml"
        path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
        sys.argv = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        try:
            runpy.run_module("prefect", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            if ended.code:
                raise


if __name__ == "__main__":
    main(*sys.argv[1:])
