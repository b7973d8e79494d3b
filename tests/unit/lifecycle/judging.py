"""Judges every hit of a database as right, one after the other: `... URL`, until it is killed."""

import sys

from autopack.repair.lifecycle.transitions import advance
from autopack.store.database.engine import Database
from autopack.store.pattern_hits import get_hits, judge_hit


def main() -> None:
    db = Database.open(sys.argv[1])
    print("ready", flush=True)
    for hit in get_hits(db, unjudged=True, limit=1_000):

        def write(conn, hit=hit) -> None:
            judge_hit(conn, hit.id, "right", by="person", why="seen")
            advance(conn, hit.pattern_id, hit.digest)

        db.transact(write)


if __name__ == "__main__":
    main()
