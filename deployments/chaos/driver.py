"""Keeps simulated runs going while it disturbs what a seed chooses, and says what it found."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from autopack.model.errors import WorkFailed
from autopack.model.states import RunState
from autopack.runs.reconcile.reconcile import MOST_RECOVERIES, clean
from autopack.store.runs import get_run
from deployments.chaos.databases import Postgres
from deployments.chaos.findings import findings
from deployments.chaos.system import Engine, System

_STUCK_SECONDS = 600.0
"""For so long at most no run ends and nothing is done to the system."""

_CLOCK_STEPS = (-3600, -600, -90, -20, 0, 0, 20, 90, 600, 3600)


@dataclass
class ChaosReport:
    """``did`` counts each kind of disturbance; times are seconds from a kill to the next holder.

    ``cannot`` are the kinds that this machine does not allow; ``given_up`` are runs that were
    closed because they had crashed as often as a run may.
    """

    seed: int
    engine: str
    runs: int
    kills: int
    seconds: float = 0.0
    did: dict[str, int] = field(default_factory=dict[str, int])
    cannot: list[str] = field(default_factory=list[str])
    recovery_median: float | None = None
    recovery_p99: float | None = None
    given_up: list[str] = field(default_factory=list[str])
    found: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        """Return the JSON of `autopack chaos`."""
        return asdict(self)


@dataclass
class _Killed:
    """A run whose process was killed, and when."""

    run_id: str
    at: float
    pid: int


class Chaos:
    """One experiment; everything random comes from ``seed``."""

    def __init__(
        self, system: System, *, engine: Engine, kills: int, seed: int, say: Callable[[str], None]
    ) -> None:
        self._system, self._wanted, self._say = system, kills, say
        self._dice = random.Random(seed)  # noqa: S311
        self._killed: list[_Killed] = []
        self._recovered: list[float] = []
        self._kinds = self._what_can_be_done()
        self.report = ChaosReport(seed, engine, len(system.run_ids), kills)
        if system.disk is None:
            self.report.cannot.append("fill disk")
        if system.clock is None:
            self.report.cannot.append("move clock")

    def run(self) -> ChaosReport:
        """Disturb until the kills are spent, let every run reach its end, and look."""
        system, report = self._system, self.report
        system.start()
        began = progressed = time.monotonic()
        killed, next_at, kind = 0, began + 2.0, self._choose()
        left = len(system.run_ids)
        while unfinished := system.unfinished():
            system.keep_going(unfinished)
            self._note_recoveries()
            if killed < self._wanted and time.monotonic() >= next_at:
                kills = self._kinds[kind][1]()
                if kills is not None:
                    report.did[kind] = report.did.get(kind, 0) + 1
                    self._say(f"{kind} ({sum(report.did.values())})")
                    killed += kills
                    kind = self._choose()
                    progressed = time.monotonic()
                    next_at = progressed + self._dice.uniform(0.3, 3.0)
            if len(unfinished) < left:
                left, progressed = len(unfinished), time.monotonic()
            if time.monotonic() - progressed > _STUCK_SECONDS:
                raise WorkFailed(f"{len(unfinished)} runs are stuck: {', '.join(unfinished[:5])}")
            time.sleep(0.05)
        remained = system.wait_for_the_rest()
        clean(system.db, system.settings)
        report.given_up = [run_id for run_id in system.run_ids if self._was_given_up(run_id)]
        report.found = findings(
            system.db, system.settings, system.run_ids, given_up=report.given_up
        )
        report.found += [f"{name} did not end when the runs had ended" for name in remained]
        report.kills, report.seconds = killed, round(time.monotonic() - began, 1)
        if self._recovered:
            ordered = sorted(self._recovered)
            report.recovery_median = round(statistics.median(ordered), 2)
            report.recovery_p99 = round(ordered[int(0.99 * (len(ordered) - 1))], 2)
        return report

    def _what_can_be_done(self) -> dict[str, tuple[int, Callable[[], int | None]]]:
        """Weight and action of each kind: mostly a run is killed, sometimes what all need.

        An action returns how many kills it was, or None when there is nothing to do it to yet.
        """
        system = self._system
        kinds: dict[str, tuple[int, Callable[[], int | None]]] = {
            "kill run": (14, self._kill_run),
            "kill Prefect server": (1, self._kill_server),
            "cut database": (1, self._cut_database),
        }
        if isinstance(system.database, Postgres):
            kinds["kill PostgreSQL"] = (1, self._kill_database)
        if system.has_workers:
            kinds["kill worker"] = (2, self._kill_worker)
        if system.disk is not None:
            kinds["fill disk"] = (2, self._fill_disk)
        if system.clock is not None:
            kinds["move clock"] = (2, self._move_clock)
        return kinds

    def _choose(self) -> str:
        weights = [weight for weight, _ in self._kinds.values()]
        return self._dice.choices(list(self._kinds), weights=weights)[0]

    def _kill_run(self) -> int | None:
        at_work = self._system.at_work()
        mortal = sorted(run_id for run_id in at_work if not self._has_died_enough(run_id))
        if not mortal:
            return None
        self._kill(self._dice.choice(mortal), at_work)
        return 1

    def _kill_worker(self) -> int | None:
        """Kill a worker with what it executes, or alone."""
        part = self._dice.choice(self._system.workers)
        below = {one.pid for one in part.tree()[1:]}
        at_work = self._system.at_work()
        executed = [run_id for run_id, process in at_work.items() if process.pid in below]
        if any(self._has_died_enough(run_id) for run_id in executed):
            return None
        if self._dice.random() < 0.5:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(part.pid).kill()
            return 1
        for run_id in executed:
            self._note_killed(run_id, at_work[run_id])
        part.kill()
        return 1

    def _kill_server(self) -> int:
        self._system.prefect.kill()
        time.sleep(self._dice.uniform(0.0, 1.0))
        self._system.prefect.start()
        self._system.prefect.wait()
        return 1

    def _kill_database(self) -> int:
        if isinstance(self._system.database, Postgres):
            self._system.database.kill()
        return 1

    def _cut_database(self) -> int:
        self._system.database.cut(self._dice.uniform(1.0, 4.0))
        return 0

    def _fill_disk(self) -> int:
        if self._system.disk is not None:
            self._system.disk.fill(self._dice.uniform(1.0, 4.0))
        return 0

    def _move_clock(self) -> int:
        if self._system.clock is not None:
            self._system.clock.move(self._dice.choice(_CLOCK_STEPS))
        return 0

    def _kill(self, run_id: str, at_work: dict[str, psutil.Process]) -> None:
        """Kill the run's process with everything below it."""
        process = at_work[run_id]
        self._note_killed(run_id, process)
        with suppress(psutil.NoSuchProcess):
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    one.kill()

    def _note_killed(self, run_id: str, process: psutil.Process) -> None:
        self._killed.append(_Killed(run_id, time.monotonic(), process.pid))

    def _note_recoveries(self) -> None:
        for killed in list(self._killed):
            holder = self._system.holder(killed.run_id)
            if holder is not None and holder.pid != killed.pid:
                self._recovered.append(time.monotonic() - killed.at)
                self._killed.remove(killed)

    def _was_given_up(self, run_id: str) -> bool:
        state = get_run(self._system.db, run_id).state
        return state is RunState.DONE_FAILED_ENVIRONMENT and self._has_died_enough(run_id)

    def _has_died_enough(self, run_id: str) -> bool:
        """Return whether the run would be closed the next time it crashes."""
        look = self._system.patiently
        return look(lambda: get_run(self._system.db, run_id)).recoveries >= MOST_RECOVERIES


@contextmanager
def chaos(
    *,
    engine: Engine,
    runs: int,
    kills: int,
    at_once: int,
    workers: int,
    seed: int,
    say: Callable[[str], None],
) -> Generator[Chaos]:
    """Yield a system to disturb, in a temporary folder; everything of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="autopack-chaos-", ignore_cleanup_errors=True) as name:
        system = System(Path(name), engine=engine, runs=runs, at_once=at_once, workers=workers)
        try:
            yield Chaos(system, engine=engine, kills=kills, seed=seed, say=say)
        finally:
            system.close()
