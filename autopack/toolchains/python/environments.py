"""What tox, nox and hatch install for tests, and how they run them; nothing of it is executed."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from autopack.toolchains.manifests import (
    Table,
    read_ini,
    read_toml,
    strings,
    table,
    text,
)
from autopack.toolchains.toolchain import Command
from autopack.toolchains.tree import Tree, Unreadable, join

_TEST_NAMES = re.compile(
    r"^(?:tests?|testing|unit|unit[-_]?tests?|py\d*|pytest|default|dev)\b", re.I
)
_POSARGS = re.compile(r"\{posargs(?::((?:[^{}]|\{[^{}]*\})*))?\}|\{args(?::([^{}]*))?\}")


@dataclass(frozen=True)
class Environments:
    """Requirements and requirement files that tests need besides, and the commands that test."""

    requirements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    manifests: tuple[str, ...] = ()


def read_environments(tree: Tree, path: str, pyproject: Table) -> Environments:
    """Return what the environment managers of the folder ``path`` say of its tests."""
    found = [*_tox(tree, path, pyproject), *_nox(tree, path), *_hatch(tree, path, pyproject)]
    return Environments(
        requirements=tuple(dict.fromkeys(r for one in found for r in one.requirements)),
        files=tuple(dict.fromkeys(f for one in found for f in one.files)),
        commands=tuple(dict.fromkeys(c for one in found for c in one.commands)),
        manifests=tuple(dict.fromkeys(m for one in found for m in one.manifests)),
    )


def _tox(tree: Tree, path: str, pyproject: Table) -> Iterator[Environments]:
    if tree.has(path, "tox.ini"):
        data, name = read_ini(tree, path, "tox.ini").data, "tox.ini"
        yield _tox_environment(table(data, "testenv"), name)
    legacy = text(table(pyproject, "tool", "tox").get("legacy_tox_ini"))
    if legacy:
        yield _tox_environment(table(_ini(legacy), "testenv"), "pyproject.toml")
    native = read_toml(tree, path, "tox.toml").data if tree.has(path, "tox.toml") else None
    where = "tox.toml" if native else "pyproject.toml"
    base = table(native or table(pyproject, "tool", "tox"), "env_run_base")
    if base:
        commands = [strings(each) for each in _list(base.get("commands"))]
        words = [[w for w in each if not w.startswith("{")] for each in commands]
        yield Environments(
            *_told_apart(strings(base.get("deps"))),
            tuple(tuple(each) for each in words if each),
            (where,),
        )


def _tox_environment(section: Table, manifest: str) -> Environments:
    lines = [line for line in _lines(section.get("deps")) if "{" not in line]
    # "py311: pytest" holds for one factor only; what is for all of them has no colon.
    wanted = [line for line in lines if not re.match(r"^[\w,!-]+:\s", line)]
    return Environments(
        *_told_apart(wanted), tuple(_commands(_lines(section.get("commands")))), (manifest,)
    )


def _nox(tree: Tree, path: str) -> Iterator[Environments]:
    if not tree.has(path, "noxfile.py"):
        return
    try:
        module = ast.parse(tree.read(join(path, "noxfile.py")))
    except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and _TEST_NAMES.match(node.name):
            yield _nox_session(node)


def _nox_session(function: ast.FunctionDef) -> Environments:
    wanted: list[str] = []
    commands: list[Command] = []
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        words = [
            arg.value
            for arg in node.args
            if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        if node.func.attr == "install":
            wanted += _joined(words)
        elif node.func.attr == "run" and words:
            commands.append(tuple(words))
    return Environments(*_told_apart(wanted), tuple(commands), ("noxfile.py",))


def _joined(words: list[str]) -> list[str]:
    """``-r file`` as one entry, as in a requirements file."""
    entries: list[str] = []
    for word in words:
        if entries and entries[-1] in ("-r", "-e", "--requirement", "--editable"):
            entries[-1] += f" {word}"
        else:
            entries.append(word)
    return entries


def _hatch(tree: Tree, path: str, pyproject: Table) -> Iterator[Environments]:
    own = read_toml(tree, path, "hatch.toml").data if tree.has(path, "hatch.toml") else None
    where = "hatch.toml" if own else "pyproject.toml"
    environments = table(own, "envs") if own else table(pyproject, "tool", "hatch", "envs")
    for name in environments:
        if not _TEST_NAMES.match(name):
            continue
        one = table(environments, name)
        wanted = (*strings(one.get("dependencies")), *strings(one.get("extra-dependencies")))
        scripts = table(one, "scripts")
        lines: list[str] = []
        for script in scripts:
            if _TEST_NAMES.match(script):
                value = scripts[script]
                lines += strings(value) or ([text(value)] if text(value) else [])
        yield Environments(*_told_apart(wanted), tuple(_commands(lines)), (where,))


def _told_apart(wanted: tuple[str, ...] | list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Requirements, and requirement files; what names the project itself is omitted."""
    requirements: list[str] = []
    files: list[str] = []
    for line in wanted:
        file = re.match(r"^(?:-r|--requirement)[\s=]*(\S+)$", line)
        if file:
            files.append(file[1].replace("{toxinidir}/", ""))
        elif re.match(r"^[A-Za-z0-9]", line):
            requirements.append(line)
    return tuple(requirements), tuple(files)


def _commands(lines: list[str]) -> Iterator[Command]:
    for line in lines:
        plain = _POSARGS.sub(lambda found: found[1] or found[2] or "", line.lstrip("- "))
        if "{" in plain or "&&" in plain or "|" in plain:
            continue
        try:
            words = shlex.split(plain)
        except ValueError:
            continue
        if words:
            yield tuple(words)


def _lines(value: object) -> list[str]:
    joined = text(value).replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _ini(source: str) -> Table:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(source)
    except configparser.Error:
        return {}
    return {section: dict(parser[section]) for section in parser.sections()}
