"""The system that chaos disturbs: runs in processes and at workers, and what all of them need."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import psutil

from autopack.clock import SystemClock
from autopack.model.errors import AutopackError
from autopack.process.leftovers import HOLDER
from autopack.settings import Settings, process_environment
from autopack.store.database.engine import Database
from autopack.store.holders import Holder
from autopack.store.leases import holder_of
from autopack.store.runs import get_run
from deployments.chaos.clock import MovedClock
from deployments.chaos.databases import Postgres, Sqlite
from deployments.chaos.disk import MIN_FREE_MB, SmallDisk
from deployments.chaos.processes import (
    Part,
    fleet_process,
    reconcile_process,
    run_process,
    worker,
)
from deployments.chaos.project import prepare_runs
from deployments.own_server import OwnServer
from deployments.setting_up import set_up
from flows.server import DISPOSABLE, LOGIN

Engine = Literal["sqlite", "postgresql"]

_LEASE_SECONDS = 15.0
_RECONCILE_SECONDS = 20.0
_REST_SECONDS = 300.0
"""For so long at most a process goes on when all runs have ended."""

_WORKER_SHARE = 1 / 3
"""How many of the runs are executed by workers, where there are workers."""


class System:
    """Started by `start`, kept going by `keep_going`, ended by `close`; all of it in ``folder``.

    ``disk`` and ``clock`` are None where this machine cannot have them.
    """

    def __init__(
        self, folder: Path, *, engine: Engine, runs: int, at_once: int, workers: int
    ) -> None:
        self._folder, self._at_once, self._workers_wanted = folder, at_once, workers
        with ExitStack() as made:  # what was made goes again where the rest fails
            self.database = Sqlite(folder) if engine == "sqlite" else Postgres(folder)
            made.callback(self.database.close)
            self.prefect = _prefect_server(folder / "prefect-server")
            made.callback(self.prefect.kill)
            url = self.database.url
            self.settings = Settings(folder / "home", url, lease_seconds=_LEASE_SECONDS)
            self.settings.home.mkdir()
            self.disk = SmallDisk.mount(self.settings.home / "runs")
            if self.disk is not None:
                made.callback(self.disk.close)
            self.clock = MovedClock.where_possible(folder)
            self.db = Database.open(url, check_schema=False, clock=self.clock or SystemClock())
            made.callback(self.db.close)
            self.db.upgrade()
            self.run_ids = prepare_runs(folder, runs, db=self.db, settings=self.settings)
            self._made = made.pop_all()
        at_workers = round(runs * _WORKER_SHARE) if workers else 0
        self._at_workers = self.run_ids[runs - at_workers :]
        self._processes: dict[str, Part] = {}
        self.workers: list[Part] = []
        self._fleet: Part | None = None
        self._reconciling: Part | None = None
        self._reconcile_at = 0.0

    @property
    def has_workers(self) -> bool:
        """Whether workers execute some of the runs."""
        return self._workers_wanted > 0

    def start(self) -> None:
        """Return when runs can be started."""
        self.prefect.wait()
        if self.has_workers:
            set_up(self._environ())
            self.workers = [self._worker(number) for number in range(self._workers_wanted)]

    def unfinished(self) -> list[str]:
        """The runs that have not ended."""
        return [
            run_id
            for run_id in self.run_ids
            if not self.patiently(lambda one=run_id: get_run(self.db, one)).state.is_final
        ]

    def keep_going(self, unfinished: Iterable[str]) -> None:
        """Start again what has ended, as the init system, the schedule and the operator would."""
        left = list(unfinished)
        for number, one in enumerate(self.workers):
            if one.has_ended():
                self.workers[number] = self._worker(number)
        at_workers = [run_id for run_id in left if run_id in self._at_workers]
        if at_workers and (self._fleet is None or self._fleet.has_ended()):
            self._fleet = fleet_process(at_workers, environ=self._environ(), log=self._log("fleet"))
        if at_workers and time.monotonic() >= self._reconcile_at:
            if self._reconciling is None or self._reconciling.has_ended():
                self._reconciling = reconcile_process(
                    environ=self._environ(), log=self._log("reconcile")
                )
            self._reconcile_at = time.monotonic() + _RECONCILE_SECONDS
        working = {run for run, process in self._processes.items() if not process.has_ended()}
        for run_id in left:
            if len(working) >= self._at_once:
                return
            if run_id not in working and run_id not in self._at_workers:
                self._processes[run_id] = run_process(
                    run_id, environ=self._run_environ(), log=self._log(run_id)
                )
                working.add(run_id)

    def at_work(self) -> dict[str, psutil.Process]:
        """Return the process of every run that somebody holds, of those that chaos started."""
        found: dict[str, psutil.Process] = {}
        below = {one.pid: one for part in self.workers for one in part.tree()[1:]}
        for run_id, process in self._processes.items():
            holder = None if process.has_ended() else self.holder(run_id)
            if holder is not None and holder.pid == process.pid:
                found[run_id] = psutil.Process(process.pid)
        for run_id in self._at_workers if below else ():
            holder = self.holder(run_id)
            if holder is not None and holder.pid in below:
                found[run_id] = below[holder.pid]
        return found

    def holder(self, run_id: str) -> Holder | None:
        """Return who holds the run."""
        return self.patiently(lambda: holder_of(self.db, run_id))

    def wait_for_the_rest(self) -> list[str]:
        """Let what is left of the runs' processes end; what did not end in time, by name."""
        parts = {f"the process of {run_id}": part for run_id, part in self._processes.items()}
        if self._fleet is not None:
            parts["the fleet"] = self._fleet
        if self._reconciling is not None:
            parts["the reconciling process"] = self._reconciling
        remained = end_within(_REST_SECONDS, parts)
        for part in self.workers:
            part.kill()
        return remained

    def close(self) -> None:
        """End every part."""
        for part in (*self._processes.values(), *self.workers, self._fleet, self._reconciling):
            if part is not None and not part.has_ended():
                part.kill()
        self._made.close()

    @staticmethod
    def patiently(look: Callable[[], Any]) -> Any:
        """The database may be away for some seconds: chaos took it."""
        for _ in range(100):
            try:
                return look()
            except AutopackError:
                time.sleep(0.2)
        return look()

    def _worker(self, number: int) -> Part:
        return worker(environ=self._environ(), log=self._log(f"worker-{number}"))

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / name / "log"

    def _run_environ(self) -> dict[str, str]:
        """Of processes of runs, which see the machine's clock move; Prefect's own do not."""
        return self._environ() | (self.clock.environ if self.clock else {})

    def _environ(self) -> dict[str, str]:
        kept = {k: v for k, v in _without_prefect().items() if k != HOLDER}
        return kept | {
            "AUTOPACK_HOME": str(self.settings.home),
            "DATABASE_URL": self.settings.database_url,
            "AUTOPACK_LEASE_SECONDS": f"{self.settings.lease_seconds:g}",
            "AUTOPACK_MIN_FREE_MB": str(MIN_FREE_MB if self.disk else 0),
            "PREFECT_API_URL": self.prefect.api_url,
            LOGIN: self.prefect.login,
            "PREFECT_HOME": str(self.settings.home / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "DO_NOT_TRACK": "1",
        }


def end_within(seconds: float, parts: Mapping[str, Part]) -> list[str]:
    """Wait so long for all of them to end, then kill the others; the names of those."""
    deadline = time.monotonic() + seconds
    left = dict(parts)
    while left and time.monotonic() < deadline:
        left = {name: part for name, part in left.items() if not part.has_ended()}
        time.sleep(0.05 if left else 0.0)
    for part in left.values():
        part.kill()
    return list(left)


def _without_prefect() -> dict[str, str]:
    return {
        name: value
        for name, value in process_environment().items()
        if not name.startswith("PREFECT_")
    }


def _prefect_server(folder: Path) -> OwnServer:
    folder.mkdir()
    return OwnServer(
        folder,
        _without_prefect()
        | DISPOSABLE
        | {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
    )
