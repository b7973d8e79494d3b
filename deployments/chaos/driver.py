"""Keeps simulated runs going while a seeded choice of parts is killed, and says what was found."""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from autopack.clock import SystemClock
from autopack.errors import WorkFailed
from autopack.execution.prepare import RunRequest, prepare_run
from autopack.execution.reconciling import clean
from autopack.settings import Settings
from autopack.store.engine import Database
from autopack.store.leases import holder_of
from autopack.store.runs import get_run
from autopack.workspace.git import Git
from autopack.workspace.leftovers import HOLDER
from deployments.chaos.findings import findings
from deployments.chaos.parts import Postgres, PrefectServer, RunProcess, Sqlite

PHASES = 3
_SPEC = {"success": 1, "calls": 3, "seconds": {"uniform": [0.1, 0.4]}}
_STUCK_SECONDS = 600.0


@dataclass
class ChaosReport:
    """``did`` counts each kind of disturbance; times are seconds from a kill to the next holder."""

    seed: int
    engine: str
    runs: int
    kills: int
    seconds: float = 0.0
    did: dict[str, int] = field(default_factory=dict[str, int])
    recovery_median: float | None = None
    recovery_p99: float | None = None
    found: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        """The JSON of `autopack chaos`."""
        return asdict(self)


@dataclass
class _Killed:
    """A run whose process was killed, when, and how many holders it had had by then."""

    run_id: str
    at: float
    pid: int


class Chaos:
    """One experiment; everything random comes from ``seed``."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: Literal["sqlite", "postgresql"],
        runs: int,
        kills: int,
        at_once: int,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self._dice = random.Random(seed)  # noqa: S311
        self._at_once, self._say, self._kills = at_once, say, kills
        self._database = Sqlite(folder) if engine == "sqlite" else Postgres(folder)
        self._prefect = PrefectServer(folder / "prefect-server")
        self._settings = Settings(folder / "home", self._database.url, lease_seconds=15)
        self._settings.home.mkdir()
        self._db = Database.open(self._settings.database_url, check_schema=False)
        self._db.upgrade()
        self._run_ids = [self._prepare(folder, number) for number in range(1, runs + 1)]
        self._processes: dict[str, RunProcess] = {}
        self._killed: list[_Killed] = []
        self._recovered: list[float] = []
        self.report = ChaosReport(seed, engine, runs, kills)

    def run(self) -> ChaosReport:
        """Disturb until the kills are spent, let every run reach its end, and look."""
        began = time.monotonic()
        self._prefect.wait()
        killed, next_at, progressed = 0, began + 2.0, time.monotonic()
        left = len(self._run_ids)
        while unfinished := self._unfinished():
            self._keep_going(unfinished)
            self._note_recoveries()
            if killed < self._kills and time.monotonic() >= next_at:
                killed += self._disturb()
                next_at = time.monotonic() + self._dice.uniform(0.3, 3.0)
            if len(unfinished) < left or killed < self._kills:
                left, progressed = len(unfinished), time.monotonic()
            if time.monotonic() - progressed > _STUCK_SECONDS:
                raise WorkFailed(f"{len(unfinished)} runs are stuck: {', '.join(unfinished[:5])}")
            time.sleep(0.05)
        for process in self._processes.values():
            while not process.has_ended():
                time.sleep(0.05)
        clean(self._db, self._settings)
        self.report.found = findings(self._db, self._settings, self._run_ids)
        self.report.kills, self.report.seconds = killed, round(time.monotonic() - began, 1)
        if self._recovered:
            ordered = sorted(self._recovered)
            self.report.recovery_median = round(statistics.median(ordered), 2)
            self.report.recovery_p99 = round(ordered[int(0.99 * (len(ordered) - 1))], 2)
        return self.report

    def close(self) -> None:
        """End every part."""
        for process in self._processes.values():
            if not process.has_ended():
                process.kill()
        self._prefect.kill()
        self._db.close()
        self._database.close()

    def _prepare(self, folder: Path, number: int) -> str:
        repository = folder / "repository"
        if not repository.exists():
            _make_repository(repository)
            (folder / "plan.yaml").write_text(yaml.safe_dump(_plan()), encoding="utf-8")
            (folder / "spec.yaml").write_text(yaml.safe_dump(_SPEC), encoding="utf-8")
        request = RunRequest(
            plan=str(folder / "plan.yaml"),
            repo=str(repository),
            builder="simulated",
            builder_options={"spec": str(folder / "spec.yaml"), "seed": "run"},
            run_id=f"chaos-{number}",
        )
        clock = SystemClock()
        return prepare_run(request, db=self._db, settings=self._settings, clock=clock).run_id

    def _unfinished(self) -> list[str]:
        return [
            run_id
            for run_id in self._run_ids
            if not self._patiently(lambda one=run_id: get_run(self._db, one)).state.is_final
        ]

    def _keep_going(self, unfinished: list[str]) -> None:
        """Have so many processes at work; a run whose process is gone gets another one."""
        working = [run for run, process in self._processes.items() if not process.has_ended()]
        for run_id in unfinished:
            if len(working) >= self._at_once:
                return
            if run_id in working:
                continue
            folder = self._settings.run_folder(run_id)
            folder.mkdir(parents=True, exist_ok=True)
            environ = {k: v for k, v in os.environ.items() if k != HOLDER} | {
                "AUTOPACK_HOME": str(self._settings.home),
                "DATABASE_URL": self._settings.database_url,
                "AUTOPACK_LEASE_SECONDS": f"{self._settings.lease_seconds:g}",
                "PREFECT_API_URL": self._prefect.api_url,
                "PREFECT_HOME": str(self._settings.home / "prefect"),
            }
            self._processes[run_id] = RunProcess(run_id, environ, folder / "process.log")
            working.append(run_id)

    def _disturb(self) -> int:
        """Do one thing; how many kills it was."""
        kinds: dict[str, tuple[int, Callable[[], int]]] = {
            "kill run": (14, self._kill_run),
            "kill Prefect server": (1, self._kill_server),
            "cut database": (1, self._cut_database),
        }
        if isinstance(self._database, Postgres):
            kinds["kill PostgreSQL"] = (1, self._database_killed)
        names = list(kinds)
        [name] = self._dice.choices(names, weights=[kinds[one][0] for one in names])
        done = kinds[name][1]()
        if done or name == "cut database":
            self.report.did[name] = self.report.did.get(name, 0) + 1
            self._say(f"{name} ({sum(self.report.did.values())})")
        return done

    def _kill_run(self) -> int:
        working = [process for process in self._processes.values() if not process.has_ended()]
        held = [process for process in working if self._holds(process)]
        if not held:
            return 0
        victim = self._dice.choice(held)
        victim.kill()
        self._killed.append(_Killed(victim.run_id, time.monotonic(), victim.pid))
        return 1

    def _kill_server(self) -> int:
        self._prefect.kill()
        time.sleep(self._dice.uniform(0.0, 1.0))
        self._prefect.start()
        self._prefect.wait()
        return 1

    def _database_killed(self) -> int:
        if isinstance(self._database, Postgres):
            self._database.kill()
        return 1

    def _cut_database(self) -> int:
        self._database.cut(self._dice.uniform(1.0, 4.0))
        return 0

    def _holds(self, process: RunProcess) -> bool:
        holder = self._patiently(lambda: holder_of(self._db, process.run_id))
        return holder is not None and holder.pid == process.pid

    def _note_recoveries(self) -> None:
        for killed in list(self._killed):
            holder = self._patiently(lambda one=killed: holder_of(self._db, one.run_id))
            if holder is not None and holder.pid != killed.pid:
                self._recovered.append(time.monotonic() - killed.at)
                self._killed.remove(killed)

    @staticmethod
    def _patiently(look: Callable[[], Any]) -> Any:
        """The database may be away for some seconds: chaos took it."""
        from autopack.errors import AutopackError

        for _ in range(100):
            try:
                return look()
            except AutopackError:
                time.sleep(0.2)
        return look()


@contextmanager
def chaos(
    *,
    engine: Literal["sqlite", "postgresql"],
    runs: int,
    kills: int,
    at_once: int,
    seed: int,
    say: Callable[[str], None],
) -> Generator[Chaos]:
    """A system to disturb, in a temporary folder; everything of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="autopack-chaos-", ignore_cleanup_errors=True) as name:
        system = Chaos(
            Path(name), engine=engine, runs=runs, kills=kills, at_once=at_once, seed=seed, say=say
        )
        try:
            yield system
        finally:
            system.close()


def _make_repository(folder: Path) -> None:
    folder.mkdir()
    (folder / "README.md").write_text("chaos\n", encoding="utf-8")
    git = Git(folder=folder)
    git.run("init", "--quiet", "--initial-branch=main")
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "base")


def _plan() -> dict[str, Any]:
    return {
        "goal": "Write every file",
        "policy": {"drift": "off"},
        "setup": [],
        "phases": [
            {
                "id": f"phase-{number}",
                "tier": "T1",
                "instructions": f"Write file {number}",
                "deliverables": [f"file-{number}.txt"],
                "validate": [f"grep -q done file-{number}.txt"],
            }
            for number in range(1, PHASES + 1)
        ],
    }
