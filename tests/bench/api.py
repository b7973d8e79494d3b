"""The API under load beside a run: `python tests/bench/api.py`.

Fifty clients send 200 requests a second for 30 seconds while a run goes on. Printed are the
slowest twentieth of the answers to `status` beside a bare SELECT of the same row, measured in the
same time, errors, and how much longer the run took than the same run before.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.processes import Machine
from support.projects import call, make_project
from support.served_api import served

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
        number = 0
        while time.monotonic() < until:
            began, path = time.monotonic(), PATHS[number % len(PATHS)]
            answer = await client.get(f"/runs/loaded/{path}")
            took = time.monotonic() - began
            seen["errors" if answer.status_code != 200 else path].append(took)
            number += 1
            await asyncio.sleep(max(pause - took, 0))


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


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        machine = Machine(folder / "home", f"sqlite:///{folder / 'autopack.db'}", None)
        builds = {f"p{n}": [[call(5), {"delay": 2}, {"files": {f"f{n}": "1"}}]] for n in range(12)}
        project = make_project(folder / "p", builds)
        took: list[float] = []
        seen: dict[str, list[float]] = {}
        with served(machine) as api:
            for run_id in ("alone", "loaded"):
                began = time.monotonic()
                running = machine.start("run", *project.run_args, "--run-id", run_id, "--json")
                if run_id == "loaded":
                    while api.ask("GET", "/runs/loaded/status").status_code != 200:
                        time.sleep(0.1)
                    seen = asyncio.run(_load(api.url, api.key, Database.open(machine.database_url)))
                running.communicate(timeout=600)
                took.append(time.monotonic() - began)
        status, select = _p95(seen["status"]), _p95(seen["select"])
        answered = sum(len(times) for name, times in seen.items() if name != "select")
        print(f"{answered / SECONDS:.0f} requests/s, {len(seen['errors'])} errors")
        print(f"p95 of status {status * 1000:.0f} ms, of a bare SELECT {select * 1000:.1f} ms:")
        print(f"{status / select:.1f} times; the run took {took[1] / took[0]:.2f} times as long")


if __name__ == "__main__":
    main()
