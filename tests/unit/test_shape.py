"""The shape of the house: short modules, small folders, few parameters, a name for one idea."""

from __future__ import annotations

import ast
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from statistics import median

ROOT = Path(import_module("autopack").__file__ or "").parent.parent
FILES = [
    path
    for layer in ("autopack", "blocks", "tasks", "flows", "deployments")
    for path in sorted((ROOT / layer).rglob("*.py"))
    if (ROOT / "deployments" / "demo") not in path.parents
]

LONGEST = 400
MOST_MODULES = 20
MOST_PARAMETERS = 7
SAME_IDEA = {
    "agent": "the agent of a folder, and what all of them are",
    "usage": "what the agent of a folder tells of its spend",
    "toolchain": "the toolchain of a folder, and what all of them are",
}
"""Names that several folders of the domain share, since they mean the same in each."""

MANY = 21
"""Functions with more parameters than that; flows have flat ones, which Prefect's form shows."""
FULL = {
    "autopack/store/migrations/versions": "one a revision",
}
"""Folders with more modules than that, and why."""


def _length(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_half_of_all_modules_are_short_and_none_is_long() -> None:
    assert median(map(_length, FILES)) <= 100
    assert {_name(path): _length(path) for path in FILES if _length(path) > LONGEST} == {}


def test_a_folder_with_many_modules_has_rooms() -> None:
    folders = defaultdict(list)
    for path in FILES:
        if path.name != "__init__.py":
            folders[_name(path.parent)].append(path.name)
    with_rooms = {Path(name).parent.as_posix() for name in folders}
    full = {name for name, files in folders.items() if len(files) > MOST_MODULES}
    assert full - with_rooms - FULL.keys() == set()


def test_two_modules_of_one_name_mean_the_same() -> None:
    named = defaultdict(list)
    for path in FILES:
        if path.is_relative_to(ROOT / "autopack") and not path.stem.startswith("__"):
            named[path.stem].append(_name(path))
    twice = {name: paths for name, paths in named.items() if len(paths) > 1}
    assert {name: paths for name, paths in twice.items() if name not in SAME_IDEA} == {}


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([one for one in given if one.arg not in ("self", "cls")])


def test_few_functions_have_many_parameters() -> None:
    many = [
        f"{_name(path)} {node.name} {_parameters(node)}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _parameters(node) > MOST_PARAMETERS
    ]
    assert len(many) <= MANY, "\n".join(many)
