"""Finds every project in a repository, and what its setup and checks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autopack.toolchains import Check, Detected, Found
from autopack.toolchains.beside import is_beside
from autopack.toolchains.languages import SMALL, Languages, languages_of
from autopack.toolchains.manifests import matches
from autopack.toolchains.toolchain_registry import toolchains
from autopack.toolchains.tree import Tree, inside

MAX_DEPTH = 4
"""Projects deeper than this are not looked for."""

USED_FROM = 0.5
"""The confidence from which a project's commands become part of a run."""


def detect(root: Path) -> tuple[Detected, ...]:
    """Return the projects in ``root`` and its subfolders, best first.

    Members of a workspace are part of their workspace's entry. A project among examples, tests
    or documentation is reported, but with too little confidence to be used by a run.
    """
    tree = Tree.scan(root)
    found = [
        one
        for folder in tree.folders.values()
        if folder.depth <= MAX_DEPTH
        for toolchain in toolchains()
        if (one := toolchain.find(tree, folder.path)) is not None
    ]
    workspaces = [(one, _members(one, found)) for one in found if one.members]
    owned = {id(member) for _, members in workspaces for member in members}
    languages = languages_of(tree)
    unjudged = languages.unsupported or languages.without(one.detected.name for one in found)
    files = {id(one): [m.detected.manifests for m in members] for one, members in workspaces}
    alone = [
        _weighed(_with_manifests(one.detected, files.get(id(one), [])), languages, unjudged)
        for one in found
        if id(one) not in owned
    ]
    return tuple(sorted(alone, key=lambda d: (-d.confidence, _depth(d.path), d.path, d.name)))


def unsupported_language(root: Path) -> str | None:
    """Return the main language of ``root``, when Autopack has no toolchain for it, or finds no
    project of the one that it has (sbt, Ant and Bazel build Java too).
    """
    languages = languages_of(Tree.scan(root))
    return languages.unsupported or languages.without(one.name for one in detect(root))


def inferred_setup(detected: Sequence[Detected]) -> tuple[Check, ...]:
    """Return the install commands of the projects that are certain enough, each in its folder."""
    return tuple(Check(one.path, argv) for one in _used(detected) for argv in one.install)


def inferred_checks(detected: Sequence[Detected]) -> tuple[Check, ...]:
    """Return the commands that judge a change: tests, or where there are none what compiles the
    code.
    """
    checks: list[Check] = []
    unjudging = {one.name for one in toolchains() if not one.build_judges}
    for one in _used(detected):
        judges = one.test or (() if one.name in unjudging else one.build)
        checks += [Check(one.path, argv) for argv in judges]
    return tuple(checks)


def _used(detected: Sequence[Detected]) -> list[Detected]:
    return [one for one in detected if one.confidence >= USED_FROM]


def _members(workspace: Found, found: Sequence[Found]) -> list[Found]:
    """Return the projects that belong to a workspace rather than stand alone."""
    base, name = workspace.detected.path, workspace.detected.name
    prefix = "" if base == "." else f"{base}/"
    return [
        one
        for one in found
        if one.detected.name == name
        and one.detected.path != base
        and one.detected.path.startswith(prefix)
        and matches(inside(one.detected.path, base), workspace.members)
        and not matches(inside(one.detected.path, base), workspace.excluded)
    ]


def _with_manifests(one: Detected, more: Sequence[tuple[str, ...]]) -> Detected:
    """Return a workspace's entry, which is stale when the manifest of any member changes."""
    return replace(one, manifests=(*one.manifests, *(name for names in more for name in names)))


def _weighed(one: Detected, languages: Languages, main: str | None) -> Detected:
    """Return the same project, less certain the deeper it lies (a little, so that it only sorts),
    and where it is beside what the repository is about. ``main`` is the language of most of it,
    where no project judges that."""
    confidence = one.confidence - 0.02 * _depth(one.path)
    evidence = one.evidence
    beside = is_beside(one.path)
    if beside is not None:
        confidence *= 0.4
        evidence = (*evidence, f"in {beside}/: beside the project rather than part of it")
    if main is not None and languages.share_of(one.name) < SMALL:
        confidence *= 0.4
        evidence = (*evidence, f"the repository is mainly {main}, which this does not judge")
    return replace(one, confidence=round(max(confidence, 0.0), 2), evidence=evidence)


def _depth(path: str) -> int:
    return 0 if path == "." else path.count("/") + 1
