"""Judging a commit: the worktree holds that commit and what setup made, and nothing else.

What an agent made and the commit lacks (ignored files, caches, packages that it installed) is set
aside meanwhile and named; packages in the run's environment are removed. Where something that
setup made was changed, or a manifest that setup reads, setup runs again at the commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autopack.environments.environment import Made
from autopack.files.contents import Stamp, altered, stamps
from autopack.files.untrusted import remove_tree
from autopack.runs.environment.run_environment import aside_of, install
from autopack.runs.run_folder import remove_misplaced
from autopack.runs.session.session import RunSession
from autopack.runs.session.stop import StopReason
from autopack.runs.spools.record_build import readable
from autopack.workspace.content.byproducts import byproduct_folder, is_cache
from autopack.workspace.withheld import Aside, topmost
from autopack.workspace.workspace import Extras

_MOST_NAMED = 50
_MOST_IN_A_FOLDER = 10


@dataclass(frozen=True)
class LeftOut:
    """Something that an attempt left and its commit lacks; a folder's ``path`` ends in ``/``.

    ``kind`` is ``ignored`` (by the repository), ``by-product`` (of a tool, by Autopack's list),
    ``cache`` (the same, and every tool makes one), ``environment`` (installed into the run's), or
    ``other`` (what git cannot hold: empty folders, FIFOs, sockets). ``files`` counts them.
    """

    path: str
    kind: str
    files: int = 1

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": readable(self.path)}


def left_out(session: RunSession, commit: str) -> list[LeftOut]:
    """Return what lies in the worktree and the environment beside ``commit``; touch nothing."""
    made = session.tools.made
    found = session.workspace.extras(commit, made.workspace.keys())
    return _named(found) + _named_packages(session.tools.root, made)


@contextlib.asynccontextmanager
async def only_committed(session: RunSession, commit: str) -> AsyncGenerator[None]:
    """Have the worktree and the environment as ``commit`` and setup make them.

    Afterwards the agent finds its ignored files again, for they spare the next attempt work (what
    checks left is gone). Raises EnvironmentFailed when setup has to run again and fails.
    """
    aside, rebuilt = aside_of(session), True
    intact = await asyncio.to_thread(_set_aside, session, commit, aside)
    try:
        session.environment = await install(session, commit, intact=intact)
        rebuilt = session.environment.fresh
        yield
    finally:
        stopped = session.switch.stopped
        if stopped is None or stopped.reason is not StopReason.LEASE_LOST:
            await asyncio.to_thread(_give_back, session, commit, aside, rebuilt=rebuilt)


def _set_aside(session: RunSession, commit: str, aside: Aside) -> bool:
    """Return whether what setup made is as setup left it, once nothing lies beside it any more."""
    workspace, root, made = session.workspace, session.tools.root, session.tools.made
    remove_misplaced(session.folder, session.mirror)
    found = workspace.extras(commit, made.workspace.keys())
    installed = stamps(root)
    aside.take(workspace.path, found.tops)
    added = [path for path in installed if path not in made.environment]
    for path in topmost(added, made.environment.keys()):
        remove_tree(root / path)
    workspace.rewrite(found)
    workspace.reset(commit)
    in_workspace = {p: at for p, at in made.workspace.items() if p not in found.tracked}
    return not altered(made.environment, installed) and not altered(in_workspace, found.there)


def _give_back(session: RunSession, commit: str, aside: Aside, *, rebuilt: bool) -> None:
    root = session.workspace.path
    found = session.workspace.extras(commit, session.tools.made.workspace.keys())
    for path in found.tops:
        remove_tree(root / path)
    # Parts of packages that were installed over what setup has made anew would not fit it.
    aside.give_back(root, lambda path: not (rebuilt and byproduct_folder(f"{path}/x")))


def _named(found: Extras) -> list[LeftOut]:
    """Return what people are told: caches and packages by their folder, other files one by one."""
    counts: Counter[tuple[str, str]] = Counter()
    for path in found.paths:
        counts[_name(path, found.there[path])] += 1
    return _fewer(LeftOut(path, kind, files) for (path, kind), files in counts.items())


def _name(path: str, stamp: Stamp) -> tuple[str, str]:
    folder = byproduct_folder(path)
    if folder is None:
        if path.endswith("/") or not (stat.S_ISREG(stamp.mode) or stat.S_ISLNK(stamp.mode)):
            return path, "other"
        return path, "cache" if is_cache(path) else "ignored"
    if is_cache(path):
        return f"{folder}/", "cache"
    rest = path[len(folder) + 1 :].split("/")
    package = rest[:2] if rest[0].startswith("@") else rest[:1]
    if len(package) == len(rest) or not folder.endswith("node_modules"):
        return f"{folder}/", "by-product"
    return "/".join([folder, *package]) + "/", "by-product"


def _named_packages(root: Path, made: Made) -> list[LeftOut]:
    counts: Counter[tuple[str, str]] = Counter()
    for path in stamps(root):
        if path not in made.environment:
            place, found, rest = path.partition("/site-packages/")
            name = rest.split("/")[0] if found else place
            counts[name, "cache" if is_cache(path) else "environment"] += 1
    return _fewer(LeftOut(path, kind, files) for (path, kind), files in counts.items())


def _fewer(found: Iterable[LeftOut]) -> list[LeftOut]:
    """Many files of one folder under the folder's name, and no endless list."""
    listed = sorted(found, key=lambda one: (one.kind == "cache", one.path))
    crowd = Counter(one.path.rpartition("/")[0] for one in listed if not one.path.endswith("/"))
    shown: dict[tuple[str, str], LeftOut] = {}
    for one in listed:
        folder = one.path.rpartition("/")[0]
        crowded = not one.path.endswith("/") and crowd[folder] > _MOST_IN_A_FOLDER and folder
        path = f"{folder}/" if crowded else one.path
        known = shown.get((path, one.kind))
        shown[path, one.kind] = LeftOut(path, one.kind, one.files + (known.files if known else 0))
    return list(shown.values())[:_MOST_NAMED]
