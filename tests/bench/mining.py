"""Prints how well failure texts are grouped, and how fast stored failures are mined.

Run: python tests/bench/mining.py [--rows N [--url DATABASE]]

Grouping accuracy (GA) is the share of texts whose group holds exactly the texts of their kind. The
failure texts and the log lines are those of tests/data/mining; both were at hand when the masks
were written, so that the figures say what is reached on known formats and not on others.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.failure_texts import Labelled, failures, grouping_accuracy, log_lines
from support.stored_errors import error, store

from autopack.mining.grouping import group
from autopack.store.database.engine import Database

_MINE = """
import datetime, json, resource, sys, time
from autopack.mining.mine import as_json, mine
from autopack.store.database.engine import Database
db = Database.open(sys.argv[1])
for name in ("first", "again"):
    started = time.perf_counter()
    mined = mine(db, {}, datetime.datetime.now(datetime.timezone.utc))
    json.dumps(as_json(mined))
    seconds = time.perf_counter() - started
    cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name}: {mined.errors:,} errors, {len(mined.signatures):,} signatures,"
          f" {seconds:.1f} s (the process has used {cpu:.1f} s so far), peak {peak:.0f} MB")
"""


def accuracy(texts: list[Labelled]) -> tuple[float, float, int, int]:
    """GA of signatures and of families, and how many there are of each."""
    grouped = group(each.text for each in texts)
    family = {each.signature: each.family for each in grouped.groups}
    families = [family[signature] for signature in grouped.signatures]
    kinds = [each.kind for each in texts]
    return (
        grouping_accuracy(list(grouped.signatures), kinds),
        grouping_accuracy(families, kinds),
        len(grouped.groups),
        len(set(families)),
    )


def mining(rows: int, url: str | None) -> None:
    """Store failed attempts with their output and mine them, in a process of its own."""
    texts = [each.text for each in failures(of_each=200)]
    noise = "".join(f"tests/test_{n}.py::test_x PASSED\n" for n in range(25))
    with tempfile.TemporaryDirectory() as folder:
        url = url or f"sqlite:///{folder}/bench.db"
        db = Database.open(url)
        for start in range(0, rows, 5_000):
            store(
                db,
                (
                    error(n, noise + texts[n % len(texts)])
                    for n in range(start, min(start + 5_000, rows))
                ),
            )
        db.close()
        subprocess.run([sys.executable, "-c", _MINE, url], check=True)


def main() -> None:
    if "--rows" in sys.argv:
        url = sys.argv[sys.argv.index("--url") + 1] if "--url" in sys.argv else None
        mining(int(sys.argv[sys.argv.index("--rows") + 1]), url)
        return
    sets: dict[str, list[Labelled]] = defaultdict(list)
    for each in (*failures(), *log_lines()):
        sets[each.within].append(each)
    heads = ("n", "kinds", "GA signature", "groups", "GA family", "groups")
    print(f"{'texts':16}" + "".join(f"{head:>13}" for head in heads))
    found = []
    for name, texts in sets.items():
        by_signature, by_family, signatures, families = accuracy(texts)
        kinds = len({each.kind for each in texts})
        print(
            f"{name:16}{len(texts):>13}{kinds:>13}{by_signature:>13.3f}{signatures:>13}"
            f"{by_family:>13.3f}{families:>13}"
        )
        if name != "failures":
            found.append(by_family)
    print(f"log lines, mean GA of families: {sum(found) / len(found):.3f}")


if __name__ == "__main__":
    main()
