"""Starting runs: a process of its own does it, so that this one stays small and can be ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
from typing import Any

from autopack.model.errors import Refused
from autopack.model.states import RunState
from autopack.process import leftovers
from autopack.store.approvals import pending
from autopack.store.folder_note import claim_folder
from autopack.store.leases import holder_of
from autopack.store.reading import get_run
from autopack.store.rows import RunRow
from deployments.api.service import Service
from deployments.spawning import spawn
from flows.server import without_login

_SECONDS = 60.0
"""How long a starter may take to say how it starts the run."""

_starting: dict[str, subprocess.Popen[bytes]] = {}
_lock = threading.Lock()


class Executing(Refused):
    """The run is being executed, or has ended, or waits: nothing is to be started."""


def check_startable(service: Service, run_id: str) -> RunRow:
    """Return the run. Raises Executing where somebody works on it, or nobody should."""
    run = get_run(service.db, run_id)
    if run.state.is_final:
        raise Executing(
            f"run {run_id} is finished: {run.state}",
            field="run_id",
            hint="`autopack retry` runs what it did not complete, as a new run",
        )
    holder = holder_of(service.db, run_id)
    if holder is not None and not holder.is_gone():
        raise Executing(
            f"run {run_id} is being executed by {holder.describe()}",
            field="run_id",
            hint="see its status",
        )
    if run.state is RunState.AWAITING_APPROVAL and pending(service.db, run_id) is not None:
        raise Executing(f"run {run_id} waits for an answer", field="run_id", hint="see its status")
    if run_id in _under_way():
        raise Executing(f"run {run_id} is being started", field="run_id", hint="see its status")
    return run


def start(service: Service, run_id: str) -> dict[str, Any]:
    """Start a stored run; return who executes it: a deployment's worker, or a process here.

    Raises Executing where another request was quicker, and Refused when it could not be started.
    """
    with _lock:
        check_startable(service, run_id)
        folder = claim_folder(service.settings.home, service.db, run_id)
        read, write = os.pipe()
        try:
            environ = without_login(service.settings.home)
            kept = {name: v for name, v in environ.items() if name != leftovers.HOLDER}
            log = folder / "process.log"
            _starting[run_id] = spawn(
                "deployments.start_run",
                *(run_id, str(write)),
                line=b"",
                environ=kept,
                folder=folder,
                log=log,
                inherited=(write,),
            )
        finally:
            os.close(write)
    with os.fdopen(read, "rb") as answer:
        ready, _, _ = select.select([answer], [], [], _SECONDS)
        told = answer.read() if ready else b""
    if not told:
        raise Refused(f"run {run_id} could not be started", field="run_id", hint=f"see {log}")
    return json.loads(told)


def _under_way() -> set[str]:
    """Return the runs whose starters have not ended; those that have are waited for."""
    for run_id, process in list(_starting.items()):
        if process.poll() is not None:
            del _starting[run_id]
    return set(_starting)
