"""Lets several processes do one thing at the same moment: `race.py WHAT URL PROCESSES`.

Prints what each of them answered, one a line.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable

from autopack.model.errors import AutopackError
from autopack.store import Database, Holder, leases


def open_(url: str) -> str:
    db = Database.open(url)
    return str(db.schema_version())


def upgrade(url: str) -> str:
    db = Database.open(url, check_schema=False)
    db.upgrade()
    return str(db.schema_version())


def acquire(url: str) -> str:
    db = Database.open(url)
    token = leases.acquire(db, "run-1", Holder.of_this_process(), 45).lease.token
    return f"token {token}"


ACTIONS: dict[str, Callable[[str], str]] = {"open": open_, "upgrade": upgrade, "acquire": acquire}


def main() -> None:
    what, url, processes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what != "acquire":
        import alembic.command  # noqa: F401  # before the fork, so that all start together  # pyright: ignore[reportUnusedImport]

    context = multiprocessing.get_context("fork")
    start, end = context.Barrier(processes), context.Barrier(processes)
    answers = context.SimpleQueue()

    def race() -> None:
        start.wait()
        try:
            answers.put(ACTIONS[what](url))
        except AutopackError as error:
            answers.put(error.kind)
        end.wait()  # a process that ended would be provably gone

    racers = [context.Process(target=race) for _ in range(processes)]
    for racer in racers:
        racer.start()
    for _ in racers:
        print(answers.get())
    for racer in racers:
        racer.join()


if __name__ == "__main__":
    main()
