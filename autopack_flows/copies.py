"""Copies of our packages below this one, for processes in which a project's packages hide them.

A copy is loaded from the same files as `autopack_flows.flows` and so on; what its modules import
from a package that is copied, they import from its copy. So `flows` stays the project's, whichever
of the two is imported first.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_HERE = __name__.rpartition(".")[0]
_ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("flows", "tasks", "blocks")
"""Our packages with names that others use, too; each imports only itself and those after it."""


def name_of(package: str) -> str:
    """Return the name by which one of our packages is imported in this process."""
    return f"{_HERE}.{package}" if package in _copied else package


def install() -> None:
    """Have copies found, and find out which are needed here."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
    hidden = [number for number, package in enumerate(PACKAGES) if not _is_ours(package)]
    # Whatever imports a package that is hidden has to import its copy.
    _copied.update(PACKAGES[: hidden[-1] + 1] if hidden else ())


_copied: set[str] = set()


def _is_ours(package: str) -> bool:
    """Return whether the name leads to our package in this process."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # something else was put in its place
        return False
    origin = None if spec is None else spec.origin
    return origin is not None and Path(origin).resolve() == _ROOT / package / "__init__.py"


class _Finder(MetaPathFinder):
    """Finds `autopack_flows.flows.run` in `flows/run.py`."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        above, _, below = fullname.partition(".")
        if above != _HERE or below.partition(".")[0] not in PACKAGES:
            return None
        place = _ROOT.joinpath(*below.split("."))
        is_package = place.is_dir()
        file = place / "__init__.py" if is_package else place.with_suffix(".py")
        if not file.is_file():
            return None
        spec = spec_from_file_location(fullname, file, loader=_Loader(fullname, str(file)))
        if is_package and spec is not None:
            # No folder in which Python's own finder would see the modules as they are.
            spec.submodule_search_locations = []
        return spec


class _Loader(SourceFileLoader):
    """Loads a module with its imports led to the copies; nothing is cached beside the original."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data: Any, path: Any, **more: Any) -> CodeType:
        tree = _Imports().visit(ast.parse(data, path))
        return compile(tree, path, "exec", dont_inherit=True)


class _Imports(ast.NodeTransformer):
    """Leads ``from flows.run import …`` to the copy; ours are imported in no other way."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        package = (node.module or "").partition(".")[0]
        if node.level == 0 and package in _copied:
            node.module = f"{_HERE}.{node.module}"
        return node
