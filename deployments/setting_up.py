"""Bringing a Prefect server to the state that runs need: `autopack deploy`, and part of `up`.

Everything can be repeated: what an operator changed in the UI (limits, schedules, the work pool,
an automation that was switched off) stays as it is.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from autopack.errors import WorkFailed
from autopack.python import module_command

POOL = "autopack"
"""The work pool of every deployment."""


def set_up(environ: Mapping[str, str], *, command: str | None = None) -> dict[str, Any]:
    """Create the work pool, limits and automations, register the blocks, apply prefect.yaml.

    ``environ`` names the server. ``command`` is what workers start for a flow run, where every
    worker has it; None leaves that to them. Returns what the server has afterwards, as
    `deploy --json` prints it. Raises WorkFailed when a step fails.
    """
    found: dict[str, Any] = json.loads(_python(["deployments.safeguards"], environ))
    content, names = _to_apply(set(found["deployments"]), command)
    with tempfile.TemporaryDirectory(prefix="autopack-") as folder:
        path = Path(folder) / "prefect.yaml"
        path.write_text(content, encoding="utf-8")
        _python(["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)], environ)
    return found | {"deployments": sorted({*found["deployments"], *names})}


def _to_apply(existing: set[str], command: str | None) -> tuple[str, list[str]]:
    """prefect.yaml and the full names of its deployments; those that exist keep their schedules.

    Prefect would switch off what an operator switched on, and delete what was added in the UI.
    """
    content: dict[str, Any] = yaml.safe_load(_prefect_file().read_text(encoding="utf-8"))
    names: list[str] = []
    for deployment in content["deployments"]:
        flow = deployment["entrypoint"].rpartition(":")[2].replace("_", "-")
        names.append(f"{flow}/{deployment['name']}")
        if command is not None:
            deployment["work_pool"]["job_variables"]["command"] = command
        if names[-1] in existing:
            deployment["schedules"] = None
    return yaml.safe_dump(content, sort_keys=False), names


def _prefect_file() -> Path:
    """prefect.yaml, which lies at the top of the project and beside this file in the wheel."""
    shipped = Path(str(files("deployments") / "prefect.yaml"))
    return shipped if shipped.exists() else Path(__file__).parent.parent / "prefect.yaml"


def _python(arguments: list[str], environ: Mapping[str, str]) -> str:
    """Run ``python -m ARGUMENTS`` and return what it printed."""
    done = subprocess.run(
        module_command(*arguments),
        env=environ,
        stdin=subprocess.DEVNULL,
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
