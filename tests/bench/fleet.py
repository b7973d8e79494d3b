"""A fleet of many simulated runs on PostgreSQL: what all of it takes, and whether that grows.

    uv run python tests/bench/fleet.py [--runs 100] [--at-once 50] [--phases 3] [--executor inline]

The application database and Prefect's are on PostgreSQL. Memory is what all processes together
hold, shared pages counted once (PSS), looked at every two seconds. What a run costs is the
processor time of all processes, and the transactions of both databases, while the first tenth of
the work was done and while the last was, but for the time in which the slots fill and that in which
they empty. Runs that begin together end together, so that ends alone
would tell the work of many as that of few: that a run is taken, its beginning, each phase and its
end are each the same part of it.

The same work takes more processor time while both cores are at work, also for others. So at each
look a fixed piece of work is timed, too, and a second ratio counts what a run costs by that.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import psutil
import sqlalchemy as sa
from support.processes import Machine
from support.projects import make_simulated

from deployments.own_postgres import own_postgres
from deployments.postgres_place import place_of

_LOOK_SECONDS = 2.0

_PARTS = """
SELECT (SELECT count(*) FROM runs WHERE flow_run_id IS NOT NULL)
     + (SELECT count(*) FROM runs WHERE started_at IS NOT NULL)
     + (SELECT count(*) FROM phases WHERE state IN ('COMPLETE', 'FAILED', 'SKIPPED'))
     + (SELECT count(*) FROM runs WHERE state LIKE 'DONE%')
"""


@dataclass(frozen=True)
class Look:
    """How things stood: runs done, in parts too; seconds of processors, bytes, transactions."""

    done: float
    cpu: float
    memory: int
    transactions: int
    piece: float
    """Seconds of processor of a piece of work that is always the same."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--phases", type=int, default=3)
    parser.add_argument("--executor", default="inline")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, own_postgres(Path(name).resolve()) as url:
        folder = Path(name).resolve()
        database = sa.make_url(url).set(drivername="postgresql+psycopg")
        ours = database.set(database="autopack")
        with sa.create_engine(database, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE autopack")
        machine = Machine(folder / "home", ours.render_as_string(hide_password=False), None)
        upgraded = machine.run("db", "upgrade", "--json")
        if upgraded.code != 0:
            raise SystemExit(upgraded.stdout + upgraded.stderr)
        with _up(machine) as (running, up):
            roots = (up, _postmaster(folder), _postmaster(running.home / "stack"))
            _fleet(running, folder, wanted, roots, sa.create_engine(ours))


def _postmaster(folder: Path) -> int:
    """Return the process of the PostgreSQL whose data is in a folder."""
    lines = (place_of(folder).folder / "data" / "postmaster.pid").read_text().splitlines()
    return int(lines[0])


@contextmanager
def _up(machine: Machine) -> Generator[tuple[Machine, int]]:
    up = machine.start("up", "--json")
    try:
        line = up.stdout.readline() if up.stdout is not None else ""
        if not line.startswith('{"ui_url"'):
            raise SystemExit(f"autopack up: {up.communicate()}")
        yield Machine(machine.home, machine.database_url, json.loads(line)["api_url"]), up.pid
    finally:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=120)


def _fleet(
    machine: Machine,
    folder: Path,
    wanted: argparse.Namespace,
    roots: tuple[int, ...],
    engine: sa.Engine,
) -> None:
    spec = {"success": 1, "calls": 1, "seconds": 1}
    project = make_simulated(folder / "project", spec, phases=wanted.phases)
    began = time.monotonic()
    fleet = machine.start(
        "fleet",
        *[str(project.plan)] * wanted.runs,
        *("--repo", str(project.repository), "--builder", "simulated"),
        *("--set", f"spec={project.recording}", "--set", "seed=run"),
        *("--executor", wanted.executor, "--max", str(wanted.at_once)),
        *("--run-id", "many", "--json"),
    )
    looks: list[Look] = []
    watched = _Watched((fleet.pid, *roots), parts=wanted.phases + 3)
    with ThreadPoolExecutor(1) as reader:
        # Who fills a pipe that nobody empties stands still.
        answer = reader.submit(fleet.communicate)
        while not answer.done():
            looks.append(watched.look(engine))
            wait([answer], _LOOK_SECONDS)
    said, complained = answer.result()
    if fleet.returncode != 0:
        raise SystemExit(said[-2000:] + complained[-2000:])
    results = json.loads(said)["results"]
    states = Counter(one["state"] for one in results)
    print(f"{wanted.runs} runs of {wanted.phases} phases, {wanted.at_once} at once: {states}")
    print(f"seconds       {time.monotonic() - began:.0f}")
    print(f"most memory   {max(look.memory for look in looks) / 1e9:.2f} GB")
    _print_growth(looks, wanted.runs, wanted.at_once)


def _print_growth(looks: list[Look], runs: int, at_once: int) -> None:
    tenth = runs / 10
    edge = min(at_once, tenth)
    first = _between(looks, edge, edge + tenth)
    last = _between(looks, runs - edge - tenth, runs - edge)
    if first is None or last is None:
        print("growth        too few runs to say")
        return
    cpu, transactions, piece = (after / before for before, after in zip(first, last, strict=True))
    print(f"cpu a run     {first[0]:.2f} s first, {last[0]:.2f} s last: {cpu:.2f}")
    print(f"fixed work    {first[2] * 1e3:.1f} ms first, {last[2] * 1e3:.1f} ms last: {piece:.2f}")
    print(f"cpu by that   {cpu / piece:.2f}")
    print(f"transactions  {first[1]:.0f} first, {last[1]:.0f} last: {transactions:.2f}")


def _between(looks: list[Look], low: float, high: float) -> tuple[float, float, float] | None:
    """Return what each run cost while so many were done, from its first part to its last: seconds
    of processors, transactions, and what the fixed piece of work took meanwhile.
    """
    within = [look for look in looks if low < look.done < high]
    if len(within) < 2:
        return None
    one, two = within[0], within[-1]
    runs = two.done - one.done
    piece = statistics.fmean(look.piece for look in within)
    return (two.cpu - one.cpu) / runs, (two.transactions - one.transactions) / runs, piece


def _fixed_piece() -> float:
    """Return the seconds of processor that a little work takes now."""
    began = time.thread_time()
    table = {str(number): number for number in range(20_000)}
    sum(table[str(number)] for number in range(20_000))
    return time.thread_time() - began


class _Watched:
    """Everything below some processes."""

    def __init__(self, roots: tuple[int, ...], *, parts: int) -> None:
        self._roots = roots
        self._parts = parts
        self._cpu: dict[tuple[int, float], float] = {}

    def look(self, engine: sa.Engine) -> Look:
        memory = 0
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
                memory += process.memory_full_info().pss
        with engine.connect() as connection:
            done = connection.scalar(sa.text(_PARTS)) or 0
            transactions = connection.scalar(
                sa.text("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")
            )
        return Look(
            done / self._parts,
            sum(self._cpu.values()),
            memory,
            int(transactions or 0),
            _fixed_piece(),
        )

    def _processes(self) -> Generator[psutil.Process]:
        for root in self._roots:
            with suppress(psutil.Error):
                yield psutil.Process(root)
                yield from psutil.Process(root).children(recursive=True)


if __name__ == "__main__":
    main()
