"""Upgrades a database and is killed before one of its statements: `... URL NUMBER`.

Prints how many statements there were when it got to the end.
"""

from __future__ import annotations

import os
import signal
import sys

import sqlalchemy as sa
from sqlalchemy import event

from autopack.store import Database


def main() -> None:
    url, last = sys.argv[1], int(sys.argv[2])
    count = 0

    def before(*_: object) -> None:
        nonlocal count
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

    db = Database.open(url, check_schema=False)
    event.listen(sa.Engine, "before_cursor_execute", before)
    db.upgrade()
    print(count)


if __name__ == "__main__":
    main()
