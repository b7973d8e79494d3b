"""How the tests of a Python project are run: pytest, unittest or Django's runner, or not at all."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from autopack.toolchains.manifests import (
    Table,
    matches,
    read_ini,
    read_toml,
    strings,
    table,
    text,
)
from autopack.toolchains.python.requirements import Declared
from autopack.toolchains.toolchain import Command
from autopack.toolchains.tree import (
    Tree,
    Unreadable,
    inside,
    join,
)

PYTEST: Command = ("python", "-m", "pytest", "-q")
"""As a module it is always the one of the environment, and finds modules at the project's top."""

_READ_AT_MOST = 60
_OWN_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Runner:
    """The test command, why it was chosen, and whether it needs pytest."""

    command: Command
    reason: str
    needs_pytest: bool


def find_runner(
    tree: Tree, path: str, declared: Declared, members: tuple[str, ...]
) -> Runner | None:
    """Return the runner for the project in ``path``; None when nothing says there are tests."""
    config, where = _pytest_config(tree, path, declared.pyproject)
    other = next(filter(None, map(_other_runner, declared.test_commands)), None)
    if other is not None and where is None:
        return Runner(other, "what tox, nox or hatch runs", needs_pytest=False)
    files = list(find_test_modules(tree, path, members))
    if where is None and tree.has(path, "manage.py") and declared.asks_for("django"):
        return Runner(("python", "manage.py", "test"), "manage.py", needs_pytest=False)
    if not files:
        if where is None or not _finds_more(config):
            return None
        return Runner(PYTEST, where, needs_pytest=True)
    if where is not None or declared.asks_for("pytest"):
        return Runner(PYTEST, where or "pytest is a dependency", needs_pytest=True)
    unittest = _unittest(tree, path, files)
    if unittest is not None:
        return Runner(unittest, f"{inside(files[0], path)}: unittest", needs_pytest=False)
    return Runner(PYTEST, inside(files[0], path), needs_pytest=True)


def _other_runner(command: Command) -> Command | None:
    """Return the command, when it is Python's and runs tests in another way than pytest."""
    program, *rest = command
    if program == "coverage" and rest[:1] == ["run"]:
        rest = [word for word in rest[1:] if not word.startswith("--")]
        program = "python"
    if program not in ("python", "python3", "{envpython}") or not rest:
        return None
    if rest[:2] == ["-m", "unittest"]:
        return ("python", *rest)
    script = next((word for word in rest if word.endswith(".py")), None)
    tests = script is not None and re.search(r"(?:^|/)(?:run_?tests?|tests?)\w*\.py$", script)
    return ("python", *rest) if tests and not rest[0].startswith("-m") else None


def find_test_modules(tree: Tree, path: str, members: tuple[str, ...] = ()) -> Iterator[str]:
    """Test modules of the project, not those of other projects in its folders."""
    others: list[str] = []
    for folder in tree.below(path):
        if folder.path != path:
            if any(folder.path.startswith(f"{other}/") for other in others):
                continue
            foreign = any(name in folder.files for name in _OWN_MANIFESTS)
            if foreign and not matches(inside(folder.path, path), members):
                others.append(folder.path)
                continue
        for name in sorted(folder.files):
            if name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py")):
                yield join(folder.path, name)


def _pytest_config(tree: Tree, path: str, pyproject: Table) -> tuple[Table, str | None]:
    """pytest's settings and the file they are in; a conftest.py alone counts as one."""
    for name in ("pytest.toml", ".pytest.toml"):
        if tree.has(path, name):
            return table(read_toml(tree, path, name).data, "pytest"), name
    for name, section in (("pytest.ini", "pytest"), (".pytest.ini", "pytest")):
        if tree.has(path, name):
            return table(read_ini(tree, path, name).data, section), name
    settings = table(pyproject, "tool", "pytest")
    if settings:
        return table(settings, "ini_options") or settings, "pyproject.toml: [tool.pytest]"
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        if tree.has(path, name):
            data = read_ini(tree, path, name).data
            if section in data:
                return table(data, section), f"{name}: [{section}]"
    for folder in tree.below(path):
        if "conftest.py" in folder.files:
            return {}, f"{inside(join(folder.path, 'conftest.py'), path)}"
    return {}, None


def _finds_more(config: Table) -> bool:
    """Return whether the settings make pytest collect what has no usual test file name."""
    options = text(config.get("addopts")) or " ".join(strings(config.get("addopts")))
    return "python_files" in config or "doctest" in options


def _unittest(tree: Tree, path: str, files: list[str]) -> Command | None:
    """Return the discovery command, when every test file is unittest's and all lie in one
    folder.
    """
    if not all(_is_unittest(tree, file) for file in files[:_READ_AT_MOST]):
        return None
    folders = {posixpath.dirname(file) or "." for file in files}
    suffixed = {file.endswith("_test.py") for file in files}
    if len(folders) > 1 or len(suffixed) > 1:
        return None
    folder = folders.pop()
    command = ["python", "-m", "unittest", "discover"]
    if folder != path:
        command += ["-s", inside(folder, path)]
        # In a package the modules may import each other relatively, which needs the top.
        if tree.has(folder, "__init__.py"):
            command += ["-t", "."]
    return tuple([*command, "-p", "*_test.py"] if suffixed.pop() else command)


def _is_unittest(tree: Tree, file: str) -> bool:
    """Return whether a test module defines test cases, and nothing only pytest would run."""
    try:
        module = ast.parse(tree.read(file))
    except (Unreadable, SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    imported: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    functions = any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
        for node in module.body
    )
    bare = any(
        isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not node.bases
        for node in module.body
    )
    return "unittest" in imported and "pytest" not in imported and not functions and not bare
