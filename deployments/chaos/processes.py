"""The processes that chaos kills: of runs, of the fleet that workers execute, of those workers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from autopack.process.python_module import module_command
from deployments.setting_up import POOL

FLEET = "chaos-fleet"


class Part:
    """A process of the system; what it prints is added to its log."""

    def __init__(self, module: str, *words: str, environ: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                module_command(module, *words),
                env=dict(environ),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def has_ended(self) -> bool:
        """Return whether it is gone, of its own or not."""
        return self._process.poll() is not None

    def tree(self) -> list[psutil.Process]:
        """It and everything below it."""
        try:
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """SIGKILL it with everything below it, without warning."""
        for one in self.tree():
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        self._process.wait()


def run_process(run_id: str, *, environ: Mapping[str, str], log: Path) -> Part:
    """Return a process that executes one stored run."""
    return Part("flows.process", run_id, environ=environ, log=log)


def fleet_process(run_ids: Sequence[str], *, environ: Mapping[str, str], log: Path) -> Part:
    """Return a process that has workers execute stored runs, and waits for them."""
    return Part(__name__, "fleet", *run_ids, environ=environ, log=log)


def reconcile_process(*, environ: Mapping[str, str], log: Path) -> Part:
    """Return a process that reconciles once, as a schedule has it done."""
    return Part(__name__, "reconcile", environ=environ, log=log)


def worker(*, environ: Mapping[str, str], log: Path) -> Part:
    """Return a worker, which executes every flow run in a process below it."""
    words = ("worker", "start", "--pool", POOL, "--type", "process")
    return Part("prefect", *words, environ=environ, log=log)


async def _main(what: str, *run_ids: str) -> None:
    from flows import execute_runs, reconcile

    if what == "reconcile":
        await reconcile()
    else:
        await execute_runs(run_ids=list(run_ids), executor="deployment", run_id=FLEET)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
