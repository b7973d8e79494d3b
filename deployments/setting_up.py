"""Bringing a Prefect server to the state that runs need: `autopack deploy`, and part of `up`.

Everything can be repeated: what an operator changed in the UI (limits, deployments with their
parameters and schedules, the work pool, an automation that was switched off) stays as it is.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import yaml

from autopack.model.errors import WorkFailed
from autopack.process.python_module import module_command
from deployments.spawning import HIDDEN, split
from deployments.version import code_version

POOL = "autopack"
"""The work pool of every deployment."""

ENGINE = "prefect.engine"
"""The module that carries out one flow run: what a worker starts in the end."""


@dataclass(frozen=True)
class Declared:
    """A deployment of prefect.yaml: ``flow/deployment``, its flow, the steps before it, and how
    many of it may run at once.
    """

    full_name: str
    entrypoint: str
    pull: tuple[dict[str, Any], ...]
    concurrency_limit: dict[str, Any] | None = None


@cache
def declared_deployments() -> tuple[Declared, ...]:
    """Return every deployment of prefect.yaml."""
    content = _content()
    return tuple(
        Declared(
            _full_name(one),
            one["entrypoint"],
            tuple(content["pull"]),
            one.get("concurrency_limit"),
        )
        for one in content["deployments"]
    )


class SettingUp:
    """A process that is to set up a server: loading what that needs takes as long as the server
    takes to start, so that it may begin before.

    Ends with the block that it is opened for.
    """

    def __init__(self, environ: Mapping[str, str], *, command: str | None = None) -> None:
        plain, told = split(environ)
        words = [] if command is None else [command]
        self._process = subprocess.Popen(
            module_command(HIDDEN, "--told", f"{__package__}.setting_up_process", *words),
            env=plain,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has failed, which `finish` says
                self._process.stdin.write(json.dumps(told) + "\n")
                self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def finish(self) -> dict[str, Any]:
        """Set up the server, which answers by now; return what it has afterwards, as
        `deploy --json` prints it. Raises WorkFailed when a step fails.
        """
        said, complained = self._process.communicate("go\n")
        if self._process.returncode != 0:
            lines = complained.strip().splitlines()
            raise WorkFailed(
                f"setting up the Prefect server failed: {lines[-1] if lines else 'no output'}"
            )
        return json.loads(said)


def set_up(environ: Mapping[str, str], *, command: str | None = None) -> dict[str, Any]:
    """Create the work pool, limits and automations, register the blocks, apply prefect.yaml.

    ``environ`` names the server. ``command`` is what workers start for a flow run, where every
    worker has it; None leaves that to them. Returns what the server has afterwards, as
    `deploy --json` prints it. Raises WorkFailed when a step fails.
    """
    with SettingUp(environ, command=command) as setting_up:
        return setting_up.finish()


def missing(existing: set[str], command: str | None) -> dict[str, Any]:
    """Return prefect.yaml without the deployments that exist, for ``prefect deploy``."""
    content = _content()
    content["deployments"] = [
        one for one in content["deployments"] if _full_name(one) not in existing
    ]
    for one in content["deployments"]:
        one["version"] = code_version()
        if command is not None:
            one["work_pool"]["job_variables"]["command"] = command
    return content


def _content() -> dict[str, Any]:
    """prefect.yaml, which lies at the top of the project and beside this file in the wheel."""
    shipped = Path(str(files("deployments") / "prefect.yaml"))
    path = shipped if shipped.exists() else Path(__file__).parent.parent / "prefect.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _full_name(deployment: Mapping[str, Any]) -> str:
    """Return what Prefect calls it: the name of its flow, and its own."""
    flow = deployment["entrypoint"].rpartition(":")[2].replace("_", "-")
    return f"{flow}/{deployment['name']}"
