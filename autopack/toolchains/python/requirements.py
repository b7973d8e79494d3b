"""What a Python project says it needs, from every kind of manifest, in pip's words."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from autopack.toolchains.manifests import (
    NOTHING,
    Table,
    read_ini,
    read_toml,
    strings,
    table,
    text,
)
from autopack.toolchains.python.environments import read_environments
from autopack.toolchains.python.poetry_notation import from_poetry
from autopack.toolchains.tree import Tree, Unreadable, join

WANTED = ("dev", "test", "testing", "tests")
"""Extras and dependency groups that a run needs; others (docs, lint) are left out."""

_PACKAGING = ("setuptools", "distutils", "skbuild", "numpy.distutils", "pkg_resources", "pbr")

_REQUIREMENT_FILES = (
    "requirements.txt",
    *(f"requirements-{name}.txt" for name in WANTED),
    *(f"requirements_{name}.txt" for name in WANTED),
    *(f"{name}-requirements.txt" for name in WANTED),
    *(f"{name}_requirements.txt" for name in WANTED),
    *(f"requirements/{name}.txt" for name in ("base", "requirements", *WANTED)),
    *(f"{name}/requirements.txt" for name in ("test", "tests")),
)


@dataclass(frozen=True)
class Declared:
    """The manifests of one folder and what they ask for.

    ``requirements`` are the project's own dependencies, ``extra_requirements`` those of the
    wanted extras, ``group_requirements`` those of the wanted groups, all in pip's notation.
    ``test_commands`` are what tox, nox and hatch run.
    ``hashed_files`` are requirement files that pin hashes and must be installed by themselves.
    """

    pyproject: Table
    manifests: tuple[str, ...]
    problems: tuple[str, ...]
    installable: bool
    requirements: tuple[str, ...]
    extras: tuple[str, ...]
    extra_requirements: tuple[str, ...]
    groups: tuple[str, ...]
    group_requirements: tuple[str, ...]
    files: tuple[str, ...]
    hashed_files: tuple[str, ...]
    names: frozenset[str]
    test_commands: tuple[tuple[str, ...], ...] = ()

    def asks_for(self, package: str) -> bool:
        """Return whether ``package`` (its normalised name) is among what will be installed."""
        return package in self.names


def read_declared(tree: Tree, path: str) -> Declared:
    """Everything the folder ``path`` declares; empty when it has no Python manifest."""
    present = [
        name
        for name in ("pyproject.toml", "setup.py", "setup.cfg", "Pipfile")
        if tree.has(path, name)
    ]
    pyproject = read_toml(tree, path, "pyproject.toml") if "pyproject.toml" in present else None
    config = read_ini(tree, path, "setup.cfg") if "setup.cfg" in present else None
    script, script_problem = NOTHING, None
    if "setup.py" in present:
        script, script_problem, calls_setup = _setup_script(tree, path)
        if not calls_setup and script_problem is None:
            present.remove("setup.py")  # a script of that name, and no manifest
    pipfile = read_toml(tree, path, "Pipfile") if "Pipfile" in present else None
    data = pyproject.data if pyproject else NOTHING
    settings = config.data if config else NOTHING
    pip_env = pipfile.data if pipfile else NOTHING

    own = [*_project(data), *_ini_lines(table(settings, "options"))]
    own += strings(script.get("install_requires"))
    own += from_poetry(table(data, "tool", "poetry", "dependencies"))
    own += from_poetry(table(pip_env, "packages"))
    extras = _extras(data, settings, script)
    groups = _groups(data)
    if pipfile:
        groups["dev"] = [*groups.get("dev", ()), *from_poetry(table(pip_env, "dev-packages"))]
    managed = read_environments(tree, path, data)
    files = [name for name in _REQUIREMENT_FILES if _has_file(tree, path, name)]
    files += [n for n in managed.files if n not in files and _has_file(tree, path, n)]
    in_files, hashed, included = _requirement_files(tree, path, files)

    parsed = [pyproject, config, pipfile]
    problems = [one.problem for one in parsed if one and one.problem]
    problems += [script_problem] if script_problem else []
    extra_lines = [line for name in sorted(extras) for line in extras[name]]
    group_lines = [line for name in sorted(groups) for line in groups[name]]
    tests_require = (*strings(script.get("tests_require")), *managed.requirements)
    return Declared(
        pyproject=data,
        manifests=tuple(dict.fromkeys((*present, *included, *managed.manifests))),
        test_commands=managed.commands,
        problems=tuple(problems),
        installable=_installable(data, settings, present),
        requirements=tuple(dict.fromkeys(own)),
        extras=tuple(sorted(extras)),
        extra_requirements=tuple(dict.fromkeys(extra_lines)),
        groups=tuple(sorted(groups)),
        group_requirements=tuple(dict.fromkeys((*group_lines, *tests_require))),
        files=tuple(name for name in files if name not in hashed),
        hashed_files=tuple(hashed),
        names=_names([*own, *extra_lines, *group_lines, *tests_require, *in_files]),
    )


def _installable(data: Table, config: Table, present: list[str]) -> bool:
    """Return whether ``pip install -e .`` makes sense and changes what the tests see."""
    described = (
        "setup.py" in present
        or bool(table(config, "metadata").get("name"))
        or "project" in data
        or bool(table(data, "tool", "poetry").get("name"))
    )
    if table(data, "tool", "poetry").get("package-mode") is False:
        return False
    if table(data, "tool", "uv").get("package") is not None:
        return described and table(data, "tool", "uv").get("package") is True
    # A [project] without a build system is a list of dependencies, not a package; only its
    # scripts would need an installation.
    builds = "build-system" in data or "setup.py" in present or "metadata" in config
    return described and (builds or bool(table(data, "project", "scripts")))


def _project(data: Table) -> tuple[str, ...]:
    return strings(table(data, "project").get("dependencies"))


def _extras(data: Table, config: Table, script: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in table(data, "project", "optional-dependencies").items():
        found.setdefault(name, []).extend(strings(value))
    for name, value in table(config, "options.extras_require").items():
        found.setdefault(name, []).extend(_lines(value))
    for name, value in table(script, "extras_require").items():
        found.setdefault(name, []).extend(strings(value))
    for name, value in table(data, "tool", "poetry", "extras").items():
        found.setdefault(name, []).extend(strings(value))
    return {name: lines for name, lines in found.items() if name.lower() in WANTED}


def _groups(data: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    declared = table(data, "dependency-groups")
    for name in declared:
        if name.lower() in WANTED:
            found[name] = _group(declared, name, frozenset())
    for name, group in table(data, "tool", "poetry", "group").items():
        if name.lower() in WANTED:
            found.setdefault(name, []).extend(from_poetry(table(group, "dependencies")))
    legacy = [
        *from_poetry(table(data, "tool", "poetry", "dev-dependencies")),
        *strings(table(data, "tool", "uv").get("dev-dependencies")),
    ]
    if legacy:
        found.setdefault("dev", []).extend(legacy)
    return found


def _group(declared: Table, name: str, seen: frozenset[str]) -> list[str]:
    """Return a dependency group with its ``include-group`` entries unfolded."""
    value = declared.get(name)
    if name in seen or not isinstance(value, list):
        return []
    lines: list[str] = []
    for item in cast(list[object], value):
        if isinstance(item, str):
            lines.append(item)
        elif included := text(table(item).get("include-group")):
            lines += _group(declared, included, seen | {name})
    return lines


def _ini_lines(options: Table) -> list[str]:
    return [*_lines(options.get("install_requires")), *_lines(options.get("tests_require"))]


def _lines(value: object) -> list[str]:
    lines = text(value).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _setup_script(tree: Tree, path: str) -> tuple[Table, str | None, bool]:
    """Return the literal keyword arguments of ``setup()``, read without running the script, what is
    wrong with it, and whether it calls ``setup`` at all."""
    try:
        module = ast.parse(tree.read(join(path, "setup.py")))
        return _setup_arguments(module), None, _calls_setup(module)
    except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = f"setup.py: cannot be parsed ({str(error) or type(error).__name__})"
        return NOTHING, problem, False


def _calls_setup(module: ast.Module) -> bool:
    """Return whether ``setup()`` of a packaging library is called, under that name or another's."""
    imports = any(
        (isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGING))
        or (isinstance(node, ast.Import) and any(n.name.startswith(_PACKAGING) for n in node.names))
        for node in ast.walk(module)
    )
    calls = any(
        isinstance(node, ast.Call) and _called(node.func) == "setup" for node in ast.walk(module)
    )
    return calls or imports


def _setup_arguments(module: ast.Module) -> Table:
    known: dict[str, object] = {}
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known[node.targets[0].id] = _literal(node.value, known)
    return {
        keyword.arg: _literal(keyword.value, known)
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and _called(node.func) == "setup"
        for keyword in node.keywords
        if keyword.arg is not None
    }


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _literal(node: ast.expr | None, known: Mapping[str, object]) -> object:
    """Return the value of constants, lists and dictionaries of them, and of names assigned such."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return known.get(node.id)
        case ast.List() | ast.Tuple():
            return [_literal(item, known) for item in node.elts]
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return {text(_literal(key, known)): _literal(value, known) for key, value in pairs}
        case ast.BinOp(op=ast.Add()):
            left, right = _literal(node.left, known), _literal(node.right, known)
            return [*strings(left), *strings(right)]
        case _:
            return None


def _has_file(tree: Tree, path: str, name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return tree.has(join(path, folder) if folder else path, file)


def _requirement_files(
    tree: Tree, path: str, files: list[str]
) -> tuple[list[str], list[str], list[str]]:
    """Return the requirements in the files, the files with hashes, and all files that were read."""
    lines: list[str] = []
    hashed: list[str] = []
    read: dict[str, None] = {}
    for name in files:
        found = _requirement_lines(tree, join(path, name), read)
        lines += found
        if any("--hash" in line for line in found):
            hashed.append(name)
    return lines, hashed, [posixpath.relpath(name, path) for name in read]


def _requirement_lines(tree: Tree, path: str, read: dict[str, None]) -> list[str]:
    """Return the lines of a requirements file and of those it includes, each file once."""
    path = posixpath.normpath(path)
    folder, _, name = path.rpartition("/")
    if path in read or not tree.has(folder or ".", name):
        return []
    read[path] = None
    try:
        source = tree.read(path)
    except Unreadable:
        # pip says it best, when it installs from the file.
        return []
    lines: list[str] = []
    for raw in source.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        include = re.match(r"(?:-r|--requirement)[\s=]*(\S+)", line)
        if include:
            lines += _requirement_lines(tree, posixpath.join(folder, include[1]), read)
        elif line and not line.startswith("-"):
            lines.append(line)
    return lines


def _names(lines: Iterable[str]) -> frozenset[str]:
    """Return the normalised names of requirements: ``Foo.Bar[x]>=1`` is ``foo-bar``."""
    found: set[str] = set()
    for line in lines:
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
        if name:
            found.add(re.sub(r"[-_.]+", "-", name[0]).lower())
    return frozenset(found)
