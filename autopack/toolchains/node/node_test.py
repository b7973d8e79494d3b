"""The test runner of Node.js, as its spec reporter prints a tree; its TAP is read as TAP."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from autopack.model.commands import (
    Command,
)
from autopack.toolchains.runner import Results, Runner, Told

_LINE = re.compile(
    r"^(?P<indent>(?:  )*)(?P<sign>[✔✖▶﹣⚠]) (?P<name>.*?)(?: \([\d.]+ms\))?(?: # (?P<excuse>.*))?$"
)
_COUNT = re.compile(r"^ℹ (tests|suites|pass|fail|cancelled|skipped|todo) (\d+)$", re.MULTILINE)
_FILE = re.compile(r"\.[cm]?[jt]sx?$")


class NodeTest(Runner):
    name = "node --test"
    speaks_for_others = True  # of TAP
    marker = re.compile(r"^ℹ tests \d+$", re.MULTILINE)
    red = (r"^(?:ℹ|#) fail [1-9]", r"^✖ failing tests:$")

    def starts(self, argv: Command) -> bool:
        return bool(argv) and PurePosixPath(argv[0]).name == "node" and "--test" in argv

    def results(self, told: Told) -> Results | None:
        tree, found, _ = told.output.partition("\nℹ tests ")
        counts = {name: int(count) for name, count in _COUNT.findall(told.output)}
        if not found or len(_COUNT.findall(told.output)) > len(counts) or counts.get("cancelled"):
            return None
        path: list[str] = []
        leaves: list[tuple[str, bool]] = []
        for line in tree.splitlines():
            point = _LINE.match(line)
            if point is None:
                continue
            level = len(point["indent"]) // 2
            name = point["name"]
            if point["sign"] == "▶":
                path[level:] = [name]
                continue
            closes = path[level : level + 1] == [name]
            full = " > ".join([*path[:level], name])
            failed = point["sign"] == "✖" and not point["excuse"]
            if closes:
                path[level:] = []
                below = [wrong for leaf, wrong in leaves if leaf.startswith(f"{full} > ")]
                if not failed or any(below):
                    continue
            if failed and level == 0 and _FILE.search(name):
                return None  # a file that crashed, with its tests
            leaves.append((full, failed))
        failed_leaves = [leaf for leaf, wrong in leaves if wrong]
        if not failed_leaves or len(set(failed_leaves)) != len(failed_leaves):
            return None
        names = frozenset(leaf for leaf, _ in leaves)
        return Results(frozenset(failed_leaves), names, counts.get("tests"))


RUNNER = NodeTest()
