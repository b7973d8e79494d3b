"""What the ledger costs, as ratios within one run: `python tests/bench/ledger.py [--full]`.

Recording is compared with the driver alone, at the same durability; the views are read at growing
numbers of events, of always 100 runs. ``--full`` goes on to ten million events, ``--quick`` stops
at a hundred thousand; ``--engine sqlite`` or ``--engine postgresql`` does one only.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from autopack.ledger.consolidated import consolidated_tokens, usage
from autopack.ledger.recorder import Recorder
from autopack.store import Database
from autopack.store.tables import llm_usage_events
from autopack.store.usage_event import UsageEvent
from deployments.own_postgres import own_postgres

START = datetime(2026, 1, 1, tzinfo=UTC)
SINCE = date(2026, 1, 10)
RUNS = 100
COLUMNS = [column.name for column in llm_usage_events.c]
SIZES = [10_000, 100_000, 1_000_000, 10_000_000]

numbers = itertools.count()

# Event n, of run n % 100: 600 rows in the sums by run, however many events there are.
FILL = """
INSERT INTO llm_usage_events
    (event_key, run_id, phase_id, attempt, provider, model, role, category, total_tokens,
     input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, source, is_doctor_call,
     created_at)
SELECT {key}, 'run-' || (n % 100), 'phase-' || (n % 8), 1, 'anthropic', 'model-' || (n % 3),
    'builder', 'base', 100, 10, 20, 30, 40, 'provider', false, {at}
FROM {source}
"""
FILL_SQLITE = FILL.format(
    key="printf('%064d', n)",
    at="printf('2026-01-%02d 00:00:00.000000', n % 30 + 1)",
    source="(WITH RECURSIVE counted(n) AS"
    " (SELECT ? UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < ?) SELECT n FROM counted)",
)
FILL_POSTGRESQL = FILL.replace("%", "%%").format(
    key="lpad(n::text, 64, '0')",
    at="timestamptz '2026-01-01 00:00:00Z' + (n %% 30) * interval '1 day'",
    source="generate_series(%s::bigint, %s::bigint - 1) AS n",
)


def events(count: int) -> list[UsageEvent]:
    """Calls of one phase of one run, as a step or the ingest of a spool records them."""
    number = next(numbers)
    sample = UsageEvent(
        event_key="",
        run_id=f"run-{number % RUNS}",
        phase_id=f"phase-{number % 8}",
        attempt=1,
        provider="anthropic",
        model=f"model-{number % 3}",
        role="builder",
        category="base",
        total_tokens=100,
        input_tokens=10,
        cache_read_tokens=20,
        cache_write_tokens=30,
        output_tokens=40,
        created_at=START + timedelta(days=number % 30),
    )
    return [replace(sample, event_key=f"{number:032d}{n:032d}") for n in range(count)]


def values(listed: Sequence[UsageEvent]) -> list[tuple[Any, ...]]:
    rows = [vars(event) for event in listed]
    return [
        tuple(
            f"{row[name]:%Y-%m-%d %H:%M:%S.%f}" if name == "created_at" else row[name]
            for name in COLUMNS
        )
        for row in rows
    ]


# The command, and at its end the most memory it ever had; what the kernel tells its parent counts
# the parent's own in.
IMPORTING = """
import atexit, pathlib
memory = lambda: [line for line in pathlib.Path("/proc/self/status").open() if "VmHWM" in line]
atexit.register(lambda: print(*memory()))
from deployments.cli import main
main()
"""

Work = tuple[Callable[[], Any], Callable[[Any], object]]  # what is prepared, and what is timed


def medians(works: Mapping[str, Work], times: int) -> dict[str, float]:
    """Milliseconds each work takes, the median of ``times``; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times):
        for name, (prepare, work) in works.items():
            prepared = prepare()
            start = time.perf_counter()
            work(prepared)
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(one) for name, one in taken.items()}


class Driver:
    """The driver alone, in one transaction for all rows, at the durability of the ledger."""

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.connection: Any = sqlite3.connect(str(parsed.database), isolation_level=None)
            self.connection.execute("PRAGMA synchronous=FULL")
        else:
            plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self.connection = psycopg.connect(plain, autocommit=True)

    def inserting(self, table: str) -> Callable[[list[tuple[Any, ...]]], None]:
        mark = "?" if self.is_sqlite else "%s"
        marks = ", ".join([mark] * len(COLUMNS))
        statement = f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({marks})"

        def insert(rows: list[tuple[Any, ...]]) -> None:
            if len(rows) == 1:
                self.connection.execute(statement, rows[0])
                return
            self.connection.execute("BEGIN")
            self.connection.cursor().executemany(statement, rows)
            self.connection.execute("COMMIT")

        return insert


def recording(db: Database, url: str, folder: Path) -> None:
    for statement in (
        "CREATE TABLE bare AS SELECT * FROM llm_usage_events WHERE false",
        "CREATE UNIQUE INDEX bare_key ON bare (event_key)",
        "CREATE INDEX bare_run ON bare (run_id, phase_id, attempt)",
        "CREATE TABLE steps (number integer)",
    ):
        db.transact(lambda conn, statement=statement: conn.exec_driver_sql(statement))
    driver, recorder = Driver(url), Recorder(db, folder)

    def step(conn: sa.Connection) -> None:
        conn.exec_driver_sql("INSERT INTO steps VALUES (1)")

    def step_with(listed: list[UsageEvent]) -> None:
        db.transact(lambda conn: (step(conn), recorder.record_in(conn, listed)))

    for label, count, times in (("one event", 1, 300), ("batch of 1,000", 1000, 15)):
        rows = lambda count=count: values(events(count))  # noqa: E731
        taken = medians(
            {
                "ours": (lambda count=count: events(count), recorder.record),
                "ledger": (rows, driver.inserting("llm_usage_events")),
                "bare": (rows, driver.inserting("bare")),
            },
            times,
        )
        print(
            f"  {label:15}{taken['ours']:9.3f} ms"
            f"  {taken['ours'] / taken['ledger']:5.2f} times the driver into the ledger"
            f" ({taken['ledger']:.3f}),"
            f" {taken['ours'] / taken['bare']:5.2f} times into a bare table ({taken['bare']:.3f})"
        )
    taken = medians(
        {
            "alone": (lambda: events(10), recorder.record),
            "step": (lambda: None, lambda _: db.transact(step)),
            "with": (lambda: events(10), step_with),
        },
        300,
    )
    print(
        f"  phase of 10    {taken['with'] - taken['step']:9.3f} ms  more in the transaction that"
        f" ends a build ({taken['step']:.3f} without); {taken['alone']:.3f} in one of its own"
    )


def filled(db: Database, size: int) -> None:
    step = 100_000
    statement = FILL_SQLITE if db.dialect == "sqlite" else FILL_POSTGRESQL
    for first in range(0, size, step):
        chunk = (first, min(first + step, size))
        db.transact(lambda conn, chunk=chunk: conn.exec_driver_sql(statement, chunk))


def reading(databases: Mapping[int, Database]) -> None:
    """Every size takes turns, and the quietest of five rounds counts."""
    questions: dict[str, Callable[[sa.Connection], object]] = {
        "one run": lambda conn: consolidated_tokens(conn, f"run-{next(numbers) % RUNS}"),
        "one run in SQL": lambda conn: conn.exec_driver_sql(
            f"SELECT * FROM consolidated_tokens WHERE run_id = 'run-{next(numbers) % RUNS}'"
        ).all(),
        "all runs in SQL": lambda conn: conn.exec_driver_sql(
            "SELECT * FROM consolidated_tokens"
        ).all(),
        "usage by day": lambda conn: usage(conn, by="day", since=SINCE),
    }
    with ExitStack() as stack:
        connections = {size: stack.enter_context(db.read()) for size, db in databases.items()}
        for name, question in questions.items():
            works: dict[str, Work] = {
                str(size): (lambda conn=conn: conn, question) for size, conn in connections.items()
            }
            rounds = [medians(works, 60) for _ in range(6)][1:]
            best = {size: min(one[str(size)] for one in rounds) for size in connections}
            figures = "  ".join(
                f"{size:,}: {taken:.3f} ms ({taken / min(best.values()):.2f})"
                for size, taken in best.items()
            )
            print(f"  {name:16} {figures}")


def importing(url: str, folder: Path) -> None:
    """The command itself, in a process of its own."""
    file = folder / "events.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("run_id,phase_id,provider,model,role,total_tokens,created_at\n")
        for number in range(100_000):
            out.write(f"imported-{number % 50},one,p,m,builder,{number},2026-01-02\n")
    environment = {**os.environ, "DATABASE_URL": url, "AUTOPACK_HOME": str(folder / "home")}
    for which in ("first", "again"):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORTING, "import", str(file)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        said, _ = process.communicate()
        took = time.perf_counter() - start
        print(f"  import of 100,000, {which}: {took:.1f} s, {' '.join(said.split())}")


def bench(url_of: Callable[[str], str], folder: Path, sizes: list[int]) -> None:
    def opened(name: str) -> Database:
        db = Database.open(url_of(name), check_schema=False)
        db.upgrade()
        return db

    recording(opened("recording"), url_of("recording"), folder)
    databases: dict[int, Database] = {}
    for size in sizes:
        databases[size] = opened(f"events_{size}")
        start = time.perf_counter()
        filled(databases[size], size)
        print(f"  {size:,} events filled in {time.perf_counter() - start:.0f} s", flush=True)
    reading(databases)
    opened("importing").close()
    importing(url_of("importing"), folder)


@contextmanager
def sqlite_urls() -> Generator[Callable[[str], str]]:
    with tempfile.TemporaryDirectory(prefix="autopack-bench-") as folder:
        yield lambda name: f"sqlite:///{Path(folder) / name}.db"


@contextmanager
def postgresql_urls() -> Generator[Callable[[str], str]]:
    with (
        tempfile.TemporaryDirectory(prefix="autopack-bench-") as folder,
        own_postgres(Path(folder).resolve()) as url,
    ):
        base = sa.make_url(url).set(drivername="postgresql+psycopg")
        made: set[str] = set()

        def url_of(name: str) -> str:
            if name not in made:
                admin = sa.create_engine(base, isolation_level="AUTOCOMMIT")
                with admin.connect() as conn:
                    conn.exec_driver_sql(f"CREATE DATABASE {name}")
                admin.dispose()
                made.add(name)
            return base.set(database=name).render_as_string(hide_password=False)

        yield url_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to ten million events")
    parser.add_argument("--quick", action="store_true", help="up to a hundred thousand")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"])
    arguments = parser.parse_args()
    sizes = SIZES if arguments.full else SIZES[:2] if arguments.quick else SIZES[:3]
    for engine, urls in (("sqlite", sqlite_urls), ("postgresql", postgresql_urls)):
        if arguments.engine in (None, engine):
            print(engine, flush=True)
            with urls() as url_of, tempfile.TemporaryDirectory() as folder:
                bench(url_of, Path(folder), sizes)


if __name__ == "__main__":
    main()
