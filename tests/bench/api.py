"""The API under load beside a run: `python tests/bench/api.py`.

Fifty clients send 200 requests a second for 30 seconds while a run goes on. Printed are the
slowest twentieth of the answers to `status` beside a bare SELECT of the same row, measured in the
same time, errors, and how much longer the run took than the same run before; and, because other
work on the machine does not change it, the processor time that the API took for each request.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.processes import Machine
from support.projects import call, make_project
from support.served_api import ServedApi, served

from autopack.store.database.engine import Database
from autopack.store.reading import get_run

CLIENTS, RATE, SECONDS = 50, 200, 30
PATHS = ("status", "events", "phases", "status")


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


async def _client(
    url: str, headers: dict[str, str], until: float, seen: dict[str, list[float]]
) -> None:
    pause = CLIENTS / RATE
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        number, due = 0, time.monotonic()
        while time.monotonic() < until:
            began, path = time.monotonic(), PATHS[number % len(PATHS)]
            answer = await client.get(f"/runs/loaded/{path}")
            took = time.monotonic() - began
            seen["errors" if answer.status_code != 200 else path].append(took)
            number += 1
            due += pause  # who comes late makes up for it
            await asyncio.sleep(max(due - time.monotonic(), 0))


async def _select(db: Database, until: float, seen: list[float]) -> None:
    while time.monotonic() < until:
        began = time.monotonic()
        await asyncio.to_thread(get_run, db, "loaded")
        seen.append(time.monotonic() - began)
        await asyncio.sleep(0.1)


async def _load(url: str, key: str, db: Database) -> dict[str, list[float]]:
    until = time.monotonic() + SECONDS
    names = (*PATHS, "errors", "select")
    seen: dict[str, list[float]] = {name: [] for name in names}
    headers = {"X-API-Key": key}
    await asyncio.gather(
        _select(db, until, seen["select"]),
        *(_client(url, headers, until, seen) for _ in range(CLIENTS)),
    )
    return seen


def _processor(api: ServedApi) -> float:
    assert api.process is not None
    family = [psutil.Process(api.process.pid)]
    family += family[0].children(recursive=True)
    return sum(sum(one.cpu_times()[:2]) for one in family)


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        machine = Machine(folder / "home", f"sqlite:///{folder / 'autopack.db'}", None)
        builds = {f"p{n}": [[call(5), {"delay": 2}, {"files": {f"f{n}": "1"}}]] for n in range(12)}
        project = make_project(folder / "p", builds)
        took: list[float] = []
        seen: dict[str, list[float]] = {}
        processor = 0.0
        with served(machine) as api:
            for run_id in ("alone", "loaded"):
                began = time.monotonic()
                running = machine.start("run", *project.run_args, "--run-id", run_id, "--json")
                if run_id == "loaded":
                    while api.ask("GET", "/runs/loaded/status").status_code != 200:
                        time.sleep(0.1)
                    before = _processor(api)
                    seen = asyncio.run(_load(api.url, api.key, Database.open(machine.database_url)))
                    processor = _processor(api) - before
                running.communicate(timeout=600)
                took.append(time.monotonic() - began)
        status, select = _p95(seen["status"]), _p95(seen["select"])
        answered = sum(len(times) for name, times in seen.items() if name != "select")
        print(f"load of the machine {os.getloadavg()[0]:.1f}")
        print(f"{answered / SECONDS:.0f} requests/s, {len(seen['errors'])} errors")
        print(f"{processor / answered * 1000:.2f} ms of processor for a request")
        print(f"p95 of status {status * 1000:.0f} ms, of a bare SELECT {select * 1000:.1f} ms:")
        print(f"{status / select:.1f} times; the run took {took[1] / took[0]:.2f} times as long")


if __name__ == "__main__":
    main()
