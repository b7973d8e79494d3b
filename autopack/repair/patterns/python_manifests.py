"""Which distributions a Python project declares anywhere, also for extras that a run leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from autopack.repair.patterns.python_names import normalised
from autopack.toolchains.manifests import (
    read_ini,
    read_toml,
    strings,
    table,
    text,
)
from autopack.toolchains.python.poetry_notation import from_poetry
from autopack.toolchains.tree import Tree, Unreadable, join

_REQUIREMENT_FILE = re.compile(r"(?:[\w.-]*requirements?[\w.-]*)\.(?:txt|in)")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Declared:
    """One requirement in pip's words, and the file (posix, below the root) that says so."""

    distribution: str
    requirement: str
    file: str


def declared(tree: Tree) -> dict[str, Declared]:
    """Return what the project declares, by normalised name; manifests nearer to the root win."""
    found: dict[str, Declared] = {}
    for path, folder in tree.folders.items():
        for name in sorted(folder.files):
            for requirement in _requirements(tree, path, name):
                match = _NAME.match(requirement)
                if match:
                    entry = Declared(match[0], requirement, join(path, name))
                    found.setdefault(normalised(match[0]), entry)
    return found


def _requirements(tree: Tree, path: str, name: str) -> Iterator[str]:
    in_requirements = path.rpartition("/")[2] == "requirements" and name.endswith((".txt", ".in"))
    if name == "pyproject.toml":
        yield from _pyproject(tree, path)
    elif name == "setup.cfg":
        yield from _setup_cfg(tree, path)
    elif in_requirements or _REQUIREMENT_FILE.fullmatch(name):
        try:
            lines = tree.read(join(path, name)).splitlines()
        except Unreadable:
            return  # it declares nothing that could be installed
        for line in lines:
            requirement = line.split(" #")[0].strip()
            if requirement and not requirement.startswith(("#", "-")):
                yield requirement


def _pyproject(tree: Tree, path: str) -> Iterator[str]:
    data = read_toml(tree, path, "pyproject.toml").data
    project, poetry = table(data, "project"), table(data, "tool", "poetry")
    own = {normalised(text(project.get("name"))), normalised(text(poetry.get("name")))}
    lists = [
        project.get("dependencies"),
        *table(project, "optional-dependencies").values(),
        *table(data, "dependency-groups").values(),
        table(data, "tool", "uv").get("dev-dependencies"),
    ]
    for requirement in (each for entries in lists for each in strings(entries)):
        name = _NAME.match(requirement)
        if name and normalised(name[0]) not in own:  # "self[extra]" is the project, not a need
            yield requirement
    groups = [table(poetry, "group", name, "dependencies") for name in table(poetry, "group")]
    for entries in (table(poetry, "dependencies"), table(poetry, "dev-dependencies"), *groups):
        yield from from_poetry(entries)


def _setup_cfg(tree: Tree, path: str) -> Iterator[str]:
    data = read_ini(tree, path, "setup.cfg").data
    extras = table(data, "options.extras_require").values()
    for value in (table(data, "options").get("install_requires"), *extras):
        yield from (line.strip() for line in text(value).splitlines() if line.strip())
