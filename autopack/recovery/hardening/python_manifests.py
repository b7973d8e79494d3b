"""Which distributions a Python project declares, and where: requirement files and pyproject."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from autopack.recovery.hardening.files import folders
from autopack.recovery.hardening.python_names import normalised

_REQUIREMENT_FILE = re.compile(r"(?:[\w.-]*requirements?[\w.-]*|requirements/[\w.-]+)\.(?:txt|in)")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Declared:
    """One requirement as it is written, and the file (posix, below the root) that says so."""

    distribution: str
    requirement: str
    file: str


def declared(root: Path) -> dict[str, Declared]:
    """What the project declares, by normalised name; manifests nearer to the root win."""
    found: dict[str, Declared] = {}
    for path, _, files in folders(root):
        for name in files:
            file = PurePosixPath(path, name)
            for requirement in _requirements(root, file):
                match = _NAME.match(requirement)
                if match:
                    key = normalised(match[0])
                    found.setdefault(key, Declared(match[0], requirement, str(file)))
    return found


def _requirements(root: Path, file: PurePosixPath) -> Iterator[str]:
    if file.name == "pyproject.toml":
        yield from _pyproject(root / file)
    elif file.name == "setup.cfg":
        yield from _setup_cfg(root / file)
    elif _REQUIREMENT_FILE.fullmatch(file.name) or (
        file.parent.name == "requirements" and file.suffix in (".txt", ".in")
    ):
        for line in _text(root / file).splitlines():
            requirement = line.split(" #")[0].strip()
            if requirement and not requirement.startswith(("#", "-")):
                yield requirement


def _pyproject(path: Path) -> Iterator[str]:
    try:
        data: Mapping[str, object] = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError:
        return  # a broken manifest declares nothing; the tool that reads it says so itself
    project = _table(data, "project")
    tool = _table(data, "tool")
    poetry = _table(tool, "poetry")
    own = {normalised(str(project.get("name", ""))), normalised(str(poetry.get("name", "")))}
    lists: list[object] = [
        project.get("dependencies"),
        *_table(project, "optional-dependencies").values(),
        *_table(data, "dependency-groups").values(),
        _table(tool, "uv").get("dev-dependencies"),
    ]
    for requirement in _strings(lists):
        name = _NAME.match(requirement)
        if name and normalised(name[0]) not in own:  # "self[extra]" is the project, not a need
            yield requirement
    groups = [_table(group, "dependencies") for group in _tables(_table(poetry, "group"))]
    for table in (_table(poetry, "dependencies"), _table(poetry, "dev-dependencies"), *groups):
        # Poetry's version syntax is its own, so only the name is taken.
        yield from (name for name in table if name != "python")


def _setup_cfg(path: Path) -> Iterator[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text(path))
    except configparser.Error:
        return  # as above
    texts = [parser.get("options", "install_requires", fallback="")]
    if parser.has_section("options.extras_require"):
        texts += [value for _, value in parser.items("options.extras_require")]
    for text in texts:
        yield from (line.strip() for line in text.splitlines() if line.strip())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:1_000_000]
    except OSError:
        return ""  # unreadable: it declares nothing that could be installed


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = table.get(key)
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _tables(table: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return (_table(table, key) for key in table)


def _strings(lists: Iterable[object]) -> Iterator[str]:
    for entries in lists:
        if isinstance(entries, list):
            yield from (e for e in cast("list[object]", entries) if isinstance(e, str))
