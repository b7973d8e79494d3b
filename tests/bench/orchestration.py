"""Orchestration overhead: a run of 20 no-op phases against bare Prefect doing the same calls.

    uv run [--with dbos] python tests/bench/orchestration.py [--sqlite | --postgresql]

Both sides run 20 async subflows of as many async tasks as a phase has in one process, against one
server of their own: with SQLite, and so without what makes subflows wait there (both would measure
the back-off), then with PostgreSQL as `autopack up` starts it. Each is done in both orders, for
what comes second may find caches filled. The run does on top what makes it a run: leases, a commit
for every attempt, scope, checks, the ledger. Requests to the server are counted, apart from logs,
which are sent by time.

Where dbos is installed, 20 of its workflows of as many steps on SQLite are timed beside.
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
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.api_calls import counted
from support.noop_project import noop_project

PHASES = 20
TASKS_A_PHASE = 2
"""Building and validating."""
REPEATS = 2
"""In each order."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one bare Prefect flow and of one run, and how often either asked the server."""

    bare: float
    ours: float
    bare_calls: int
    our_calls: int


async def measure(
    plan: Path, repository: Path, recording: Path, *, bare_first: bool = True
) -> Measured:
    """Do both once, in either order."""
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

    async def ours() -> None:
        run = await execute_run(
            plan=str(plan), repo=str(repository), builder_options=f"recording={recording}"
        )
        if run["state"] != "DONE_SUCCESS":
            raise SystemExit(f"the run ended {run['state']}: {run['failure_reason']}")

    found: dict[str, tuple[float, int]] = {}
    sides: list[tuple[str, Callable[[], Coroutine[Any, Any, Any]]]] = [
        ("bare", bare),
        ("ours", ours),
    ]
    for name, side in sides if bare_first else reversed(sides):
        began = time.perf_counter()
        with counted() as calls:
            await side()
        found[name] = time.perf_counter() - began, _asked(calls)
    (bare_seconds, bare_calls), (our_seconds, our_calls) = found["bare"], found["ours"]
    return Measured(bare_seconds, our_seconds, bare_calls, our_calls)


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
def server_on(engine: str, folder: Path) -> Generator[None]:
    """A Prefect server for this process, as Autopack starts it; its data in SQLite, or in a
    PostgreSQL of its own.
    """
    from deployments.local import own_postgres
    from deployments.own_server import OwnServer
    from flows.server import DISPOSABLE, QUIET

    home = folder / "prefect"
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    own = {"PREFECT_HOME": str(home)} | QUIET
    with ExitStack() as parts:
        if engine == "postgresql":
            url = parts.enter_context(own_postgres(folder))
            own["PREFECT_API_DATABASE_CONNECTION_URL"] = url
        else:
            own |= DISPOSABLE
        server = OwnServer(home, kept | own)
        parts.callback(server.end)
        server.wait()
        os.environ["PREFECT_API_URL"] = server.api_url
        os.environ["PREFECT_API_AUTH_STRING"] = server.login
        yield


def dbos_seconds(folder: Path) -> float | None:
    """Seconds of 20 dbos workflows of as many steps on SQLite; None where it is not installed."""
    try:
        from dbos import DBOS  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    url = f"sqlite:///{folder / 'dbos.sqlite'}"
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})

    @DBOS.step()  # pyright: ignore[reportUntypedFunctionDecorator]
    async def step(number: int) -> int:
        return number

    @DBOS.workflow()  # pyright: ignore[reportUntypedFunctionDecorator]
    async def phase(number: int) -> int:
        for _ in range(TASKS_A_PHASE):
            await step(number)
        return number

    DBOS.launch()

    async def all_of_them() -> float:
        await phase(0)
        began = time.perf_counter()
        for number in range(PHASES):
            await phase(number)
        return time.perf_counter() - began

    try:
        return asyncio.run(all_of_them())
    finally:
        DBOS.destroy()


def compare(engine: str, folder: Path) -> None:
    """Measure both sides in both orders on the server of this process, and print the ratios."""
    folder.mkdir()
    project = noop_project(folder, PHASES)

    async def repeat() -> list[Measured]:
        await measure(*project)  # starts the server, fills caches
        orders = [True, False] * REPEATS
        return [await measure(*project, bare_first=order) for order in orders]

    found = asyncio.run(repeat())
    bare = statistics.median(one.bare for one in found)
    ours = statistics.median(one.ours for one in found)
    ratios = [one.ours / one.bare for one in found]
    print(f"{engine}")
    print(f"  bare Prefect         {bare:.2f} s  ({bare / PHASES:.3f} s a subflow)")
    print(f"  autopack             {ours:.2f} s  ({ours / PHASES:.3f} s a phase)")
    print(f"  ratio                {statistics.median(ratios):.2f}", end="")
    print(f"  (bare first {_listed(ratios[::2])}; second {_listed(ratios[1::2])})")
    print(
        f"  API calls            {found[-1].our_calls / PHASES:.1f} a phase, the run's own included"
    )
    print(f"    of bare Prefect    {found[-1].bare_calls / PHASES:.1f} a subflow", flush=True)


def _listed(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def main() -> None:
    engines = [one for one in ("sqlite", "postgresql") if f"--{one}" in sys.argv]
    with tempfile.TemporaryDirectory(prefix="autopack-bench-") as name, ExitStack() as parts:
        folder = Path(name)
        if len(engines) != 1:
            print(f"autopack --help        {help_seconds():.2f} s", flush=True)
            seconds = dbos_seconds(folder)
            told = "not installed" if seconds is None else f"{seconds:.2f} s"
            print(f"dbos, 20 workflows     {told}", flush=True)
            # Each in a process of its own: a process has one Prefect server.
            for engine in ("sqlite", "postgresql"):
                subprocess.run([sys.executable, __file__, f"--{engine}"], check=True)
            return
        os.environ["AUTOPACK_HOME"] = str(folder / "home")
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'bench.db'}"
        os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
        os.environ.pop("PREFECT_API_URL", None)
        parts.enter_context(server_on(engines[0], folder))
        compare(engines[0], folder / "project")


if __name__ == "__main__":
    main()
