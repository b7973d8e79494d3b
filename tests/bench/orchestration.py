"""Orchestration overhead: a run of 20 no-op phases against bare Prefect doing the same calls.

    uv run python tests/bench/orchestration.py [--postgresql]

Both sides run 20 async subflows of four async tasks each in one process, against one server of
their own: with SQLite, and so without what makes subflows wait there (both would measure the
back-off), or with PostgreSQL as `autopack up` starts it. The run does on top what makes it a run:
leases, a commit for every attempt, scope, checks, the ledger. Requests to the server are counted,
apart from logs, which are sent by time.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.api_calls import counted

PHASES = 20
TASKS_A_PHASE = 4
REPEATS = 3


def make_project(folder: Path) -> tuple[Path, Path, Path]:
    """A repository, a plan of no-op phases and its recording."""
    repository = folder / "repository"
    recording = folder / "recording"
    repository.mkdir()
    recording.mkdir()
    (repository / "README.md").write_text("# bench\n", encoding="utf-8")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "base"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    lines = ["goal: Nothing", "setup: []", "phases:"]
    for number in range(PHASES):
        lines += [
            f"  - id: phase-{number:02d}",
            "    instructions: do nothing",
            "    validate: ['true']",
        ]
        (recording / f"phase-{number:02d}.yaml").write_text(
            "builds:\n  - steps:\n      - call: {provider: p, model: m, total: 10}\n",
            encoding="utf-8",
        )
    plan = folder / "plan.yaml"
    plan.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return plan, repository, recording


@dataclass(frozen=True)
class Measured:
    """Seconds of one bare Prefect flow and of one run, and how often either asked the server."""

    bare: float
    ours: float
    bare_calls: int
    our_calls: int


async def measure(plan: Path, repository: Path, recording: Path) -> Measured:
    """Do both once, in this order."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    from flows import execute_run

    @task(cache_policy=NO_CACHE)
    async def step(number: int) -> int:
        return number

    @flow
    async def phase(number: int) -> int:
        for _ in range(TASKS_A_PHASE):
            await step(number)
        return number

    @flow
    async def bare() -> int:
        for number in range(PHASES):
            await phase(number)
        return PHASES

    began = time.perf_counter()
    with counted() as bare_calls:
        await bare()
    between = time.perf_counter()
    with counted() as our_calls:
        run = await execute_run(
            plan=str(plan), repo=str(repository), builder_options=f"recording={recording}"
        )
    ended = time.perf_counter()
    if run["state"] != "DONE_SUCCESS":
        raise SystemExit(f"the run ended {run['state']}: {run['failure_reason']}")
    return Measured(between - began, ended - between, _asked(bare_calls), _asked(our_calls))


def _asked(calls: Counter[str]) -> int:
    return sum(count for path, count in calls.items() if "/logs" not in path)


def help_seconds() -> float:
    """Median seconds of `autopack --help`, its process included."""
    command = [str(Path(sys.executable).parent / "autopack"), "--help"]
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


@contextmanager
def server_on_postgresql(folder: Path) -> Generator[None]:
    """A Prefect server for this process that keeps its data in a PostgreSQL of its own."""
    from deployments.local import own_postgres
    from deployments.own_server import OwnServer

    home = folder / "prefect"
    home.mkdir()
    with own_postgres(folder) as url:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        own = {"PREFECT_HOME": str(home), "PREFECT_API_DATABASE_CONNECTION_URL": url}
        server = OwnServer(home, kept | own)
        server.wait()
        os.environ["PREFECT_API_URL"] = server.api_url
        os.environ["PREFECT_API_AUTH_STRING"] = server.login
        yield
        server.end()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="autopack-bench-") as name, ExitStack() as parts:
        folder = Path(name)
        os.environ["AUTOPACK_HOME"] = str(folder / "home")
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'bench.db'}"
        os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
        os.environ.pop("PREFECT_API_URL", None)
        if "--postgresql" in sys.argv:
            parts.enter_context(server_on_postgresql(folder))
        project = make_project(folder)
        print(f"autopack --help        {help_seconds():.2f} s")

        async def repeat() -> list[Measured]:
            await measure(*project)  # starts the server, fills caches
            return [await measure(*project) for _ in range(REPEATS)]

        found = asyncio.run(repeat())
    ratio = statistics.median(one.ours / one.bare for one in found)
    bare = statistics.median(one.bare for one in found)
    ours = statistics.median(one.ours for one in found)
    last = found[-1]
    print(f"bare Prefect           {bare:.2f} s  ({bare / PHASES:.3f} s a subflow)")
    print(f"autopack               {ours:.2f} s  ({ours / PHASES:.3f} s a phase)")
    print(f"ratio                  {ratio:.2f}  (median of {REPEATS}, each from one minute)")
    print(f"API calls              {last.our_calls / PHASES:.1f} a phase, the run's own included")
    print(f"  of bare Prefect      {last.bare_calls / PHASES:.1f} a subflow")


if __name__ == "__main__":
    main()
