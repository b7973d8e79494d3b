"""The Test Anything Protocol, with sub-tests under their tests' names."""

from __future__ import annotations

import re
from collections import defaultdict

from autopack.toolchains.runner import Results, Runner, Told

_POINT = re.compile(
    r"^(?P<indent> *)(?P<not>not )?ok\b(?: (?P<number>\d+))?(?: -)?(?P<name>[^\n#]*)(?P<rest>.*)$"
)
_PLAN = re.compile(r"(?P<indent> *)1\.\.(?P<count>\d+)(?: *#.*)?")
_STEP = 4


class Tap(Runner):
    name = "TAP"
    marker = re.compile(r"^(?:TAP version 1[34]|1\.\.\d+(?: *#.*)?)$", re.MULTILINE)
    red = (r"^not ok \d",)

    def starts(self, argv: tuple[str, ...]) -> bool:
        return False

    def results(self, told: Told) -> Results | None:
        """Read a stream that ran to its end at every level."""
        levels = _Levels()
        in_diagnostics: str | None = None
        for line in told.output.splitlines():
            if in_diagnostics is not None:
                if line.rstrip() == f"{in_diagnostics}...":
                    in_diagnostics = None
                continue
            if line.strip() == "---":
                in_diagnostics = line[: line.index("-")]
            elif line.lstrip().startswith("Bail out!"):
                return None
            elif plan := _PLAN.fullmatch(line):
                levels.planned[len(plan["indent"]) // _STEP] = int(plan["count"])
            elif (point := _POINT.match(line)) and not levels.take(point):
                return None
        return levels.results()


class _Levels:
    """Points by how deep they stand: those of a sub-test come before their test's own."""

    def __init__(self) -> None:
        self.planned: dict[int, int] = {}
        self._seen: defaultdict[int, int] = defaultdict(int)
        self._leaves: defaultdict[int, list[tuple[str, bool]]] = defaultdict(list)

    def take(self, point: re.Match[str]) -> bool:
        """Take in one point; False when the sub-tests under it broke off."""
        level = len(point["indent"]) // _STEP
        self._seen[level] += 1
        name = point["name"].strip() or str(point["number"] or self._seen[level])
        excused = re.match(r"\s*#\s*(?:todo|skip)", point["rest"], re.IGNORECASE)
        failed = bool(point["not"]) and not excused
        below = self._leaves.pop(level + 1, [])
        if below and self.planned.pop(level + 1, None) != self._seen.pop(level + 1, 0):
            return False
        leaves = [(f"{name} > {leaf}", wrong and not excused) for leaf, wrong in below]
        if not below or (failed and not any(wrong for _, wrong in leaves)):
            leaves.append((name, failed))
        self._leaves[level] += leaves
        return True

    def results(self) -> Results | None:
        if not self._seen[0] or self.planned.get(0) != self._seen[0] or self._leaves.keys() - {0}:
            return None
        names = [name for name, _ in self._leaves[0]]
        failed = frozenset(name for name, wrong in self._leaves[0] if wrong)
        return Results(failed, frozenset(names), len(names)) if failed else None


RUNNER = Tap()
