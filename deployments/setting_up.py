"""Bringing a Prefect server to the state that runs need: `autopack deploy`, and part of `up`.

Everything can be repeated: what an operator changed in the UI (limits, deployments with their
parameters and schedules, the work pool, an automation that was switched off) stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

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


def declared_deployments() -> list[Declared]:
    """Return every deployment of prefect.yaml."""
    content = _content()
    return [
        Declared(
            _full_name(one),
            one["entrypoint"],
            tuple(content["pull"]),
            one.get("concurrency_limit"),
        )
        for one in content["deployments"]
    ]


def set_up(environ: Mapping[str, str], *, command: str | None = None) -> dict[str, Any]:
    """Create the work pool, limits and automations, register the blocks, apply prefect.yaml.

    ``environ`` names the server. ``command`` is what workers start for a flow run, where every
    worker has it; None leaves that to them. Returns what the server has afterwards, as
    `deploy --json` prints it. Raises WorkFailed when a step fails.
    """
    words = [] if command is None else [command]
    found: dict[str, Any] = json.loads(_python(["deployments.safeguards", *words], environ))
    missing = _missing(set(found["deployments"]), command)
    if not missing["deployments"]:
        return found
    with tempfile.TemporaryDirectory(prefix="autopack-") as folder:
        path = Path(folder) / "prefect.yaml"
        path.write_text(yaml.safe_dump(missing, sort_keys=False), encoding="utf-8")
        _python(["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)], environ)
    return found | {"deployments": sorted(one.full_name for one in declared_deployments())}


def _missing(existing: set[str], command: str | None) -> dict[str, Any]:
    """prefect.yaml without the deployments that exist."""
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


def _python(arguments: list[str], environ: Mapping[str, str]) -> str:
    """Run ``python -m ARGUMENTS`` and return what it printed."""
    plain, told = split(environ)
    done = subprocess.run(
        module_command(HIDDEN, "--told", *arguments),
        env=plain,
        input=json.dumps(told) + "\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise WorkFailed(
            f"setting up the Prefect server failed at {arguments[0]}: "
            f"{said[-1] if said else 'no output'}"
        )
    return done.stdout
