"""Prints how long a context pack takes of a repository of 5,000 files: of a new tree, and again.

Run: python tests/bench/context_pack.py [FILES]. Fails when it takes longer than is promised: by the
processor, its own and git's, which on a machine that does nothing else is what a clock shows.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autopack.context.context_pack import PackLimits, packed
from autopack.context.file_ranking import Task
from autopack.workspace.git import Git

NEW_SECONDS, AGAIN_SECONDS = 2.0, 0.2
TASK = Task("Sum the orders of a customer by month in UTC", goal="Reports are right")
WORDS = [
    first + last
    for first in [
        "order",
        "sum",
        "customer",
        "month",
        "parse",
        "read",
        "write",
        "load",
        "store",
        "check",
        "find",
        "list",
    ]
    for last in [
        "",
        "s",
        "er",
        "ing",
        "ed",
        "able",
        "ment",
        "ness",
        "or",
        "al",
        "ive",
        "ful",
        "ship",
        "hood",
        "age",
        "ance",
        "ity",
    ]
]


def repository(folder: Path, files: int) -> Git:
    """Make a repository of ``files`` modules of about 60 lines in 50 packages."""
    chosen = random.Random(5)
    for number in range(files):
        lines = [f"from package_{chosen.randrange(50)} import module_{chosen.randrange(files)}"]
        for _ in range(12):
            name = "_".join(chosen.choices(WORDS, k=2))
            lines += [
                f"def {name}(value: int) -> int:",
                f'    """Return the {" ".join(chosen.choices(WORDS, k=6))}."""',
                f"    {chosen.choice(WORDS)} = value + {chosen.randrange(99)}",
                f"    return {chosen.choice(WORDS)}\n",
            ]
        path = folder / f"package_{number % 50}" / f"module_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")
    name = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")
    for args in (("init", "-q"), ("add", "-A"), (*name, "commit", "-qm", "base"), ("gc", "-q")):
        subprocess.run(["git", *args], cwd=folder, check=True)
    return Git(git_dir=folder / ".git")


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    with tempfile.TemporaryDirectory() as folder:
        git = repository(Path(folder, "repository"), files)
        home = Path(folder, "home")
        clock: list[float] = []
        processor: list[float] = []
        pack = None
        for _ in range(4):
            began, used = time.perf_counter(), _processor()
            pack = packed(git, _head(git), TASK, PackLimits(), home=home)
            clock.append(time.perf_counter() - began)
            processor.append(_processor() - used)
        assert pack is not None
        first, again = processor[0], min(processor[1:])
        print(
            f"{files} files: a new tree {first:.2f} s of processor ({clock[0]:.2f} s by a clock), "
            f"again {again:.3f} s ({min(clock[1:]):.3f} s); "
            f"{len(pack.files)} kept, {pack.used} tokens"
        )
        if first > NEW_SECONDS or again > AGAIN_SECONDS:
            sys.exit(f"more than {NEW_SECONDS} s, or {AGAIN_SECONDS} s again")


def _processor() -> float:
    """Return what this process and those it waited for used of the processor, in seconds."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _head(git: Git) -> str:
    return git.run("rev-parse", "HEAD").strip()


if __name__ == "__main__":
    main()
