"""Prints how often the file to change is among those of a context pack, on labelled tasks.

Run: python tests/bench/context_ranking.py [PACKAGE]… [--most N] [--mode lexical|semantic]

Each task is a mutation of one file of an installed package; see `support.labelled_tasks`. Fails
when fewer than nine in ten see the file to change.
"""

import argparse
import sys
import tempfile
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.labelled_tasks import commit, repository_of, tasks_of

from autopack.context.context_pack import BudgetMode, PackLimits, packed
from autopack.context.file_ranking import Task
from autopack.workspace.git import Git

PACKAGES = ("rich", "pydantic", "sqlalchemy", "jinja2", "humanize")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("packages", nargs="*", default=PACKAGES)
    parser.add_argument("--most", type=int, default=20)
    parser.add_argument("--mode", choices=list(BudgetMode), default=BudgetMode.LEXICAL)
    given = parser.parse_args()
    limits = PackLimits(mode=BudgetMode(given.mode))
    seen = count = 0
    for package in given.packages:
        ranks, kept, total = _of(package, given.most, limits)
        found = [rank for rank in ranks if rank is not None]
        mean = sum(found) / max(len(found), 1)
        print(
            f"{package}: {len(found)} of {len(ranks)} labels kept, in place {mean:.1f} on average, "
            f"{kept / max(len(ranks), 1):.0f} of {total} files shown",
            flush=True,
        )
        seen, count = seen + len(found), count + len(ranks)
    print(f"{seen} of {count} labels kept ({seen / max(count, 1):.0%}), {limits.mode}")
    if seen < 0.9 * count:
        sys.exit("fewer than nine in ten")


def _of(package: str, most: int, limits: PackLimits) -> tuple[list[int | None], int, int]:
    """Return the place of each label in its pack, how many files were shown, and how many are."""
    ranks: list[int | None] = []
    kept = total = 0
    with tempfile.TemporaryDirectory() as folder:
        repository = repository_of(package, Path(folder))
        for task in islice(tasks_of(repository), most):
            git = Git(git_dir=repository / ".git")
            at = commit(repository, task)
            pack = packed(git, at, Task(task.instructions), limits, home=None)
            paths = [file.path for file in pack.files]
            ranks.append(paths.index(task.path) + 1 if task.path in paths else None)
            kept, total = kept + len(paths), pack.total
    return ranks, kept, total


if __name__ == "__main__":
    main()
