"""Writes calls to the ledger: `ledger_writer.py URL FOLDER WRITER FIRST LAST [PAUSE]`.

Call N has a key of its own and N + 1 tokens, and is recorded in the batch of ten it belongs to;
calls that another writer has recorded count once all the same.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from autopack.ledger.recorder import Recorder
from autopack.store import Database
from autopack.store.usage_event import UsageEvent
from support.usage import usage_event


def event(number: int) -> UsageEvent:
    return usage_event(
        event_key=f"key-{number}",
        run_id=f"run-{number % 3}",
        model=f"m{number % 2}",
        total_tokens=number + 1,
        created_at=datetime(2026, 1, 1 + number % 2, tzinfo=UTC),
    )


def main() -> None:
    url, folder, writer = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    first, last = int(sys.argv[4]), int(sys.argv[5])
    pause = float(sys.argv[6]) if len(sys.argv) > 6 else 0.0
    recorder = Recorder(Database.open(url), folder / writer)
    print("ready", flush=True)
    for start in range(first, last, 10):
        recorder.record([event(number) for number in range(start, min(start + 10, last))])
        time.sleep(pause)


if __name__ == "__main__":
    main()
