"""The drawing and the table of packages in docs/architecture.md, made from the imports."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterable
from importlib import import_module

import grimp

from support.documents import ROOT
from support.reference.declared import cell

PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- From here on, the page is written by `just reference` from the imports. -->\n"

Arrow = tuple[str, str]


def page() -> str:
    """Return the whole page: what people wrote, and the plan of today's imports behind it."""
    kept, found, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert found, f"{PAGE.name} lacks the line {BEGIN!r}"
    return f"{kept}{BEGIN}\n{drawing()}\n{table()}"


def drawing() -> str:
    """Return the imports between packages as a mermaid flowchart, those that follow left out."""
    lines = [f"    {importer} --> {imported}" for importer, imported in arrows()]
    return "## Drawing\n\n```mermaid\nflowchart TD\n" + "\n".join(lines) + "\n```\n"


def arrows() -> list[Arrow]:
    """Return who imports whom, from the top down, without what follows from other arrows."""
    order = packages()
    direct = _direct(order)
    below = {name: _reached(name, direct) for name in order}
    return [
        (importer, imported)
        for importer in order
        for imported in order
        if (importer, imported) in direct
        and not any(
            imported in below[between] for one, between in direct if one == importer != between
        )
    ]


def packages() -> list[str]:
    """Return the layers, then the packages of the domain, from the top down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {one["id"]: one["layers"] for one in project["tool"]["importlinter"]["contracts"]
                 if "layers" in one}  # fmt: skip
    above = [layer for layer in contracts["layers"] if layer != "autopack"]
    # A spelling of earlier versions is no part of the house.
    return above + [name for name in contracts["packages"] if name != "modelserver"]


def table() -> str:
    """Return what each package is for: the first line of its docstring, from the top down."""
    rows: list[str] = []
    for name in packages():
        module = name if _is_layer(name) else f"autopack.{name}"
        about = (inspect.getdoc(import_module(module)) or "").split("\n")[0]
        path = module.replace(".", "/")
        path += "/" if (ROOT / path).is_dir() else ".py"
        rows.append(f"| `{path}` | {cell(about.replace('``', '`'))} |")
    return (
        "## Packages, from the top down\n\n| package | holds |\n|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def _is_layer(name: str) -> bool:
    return (ROOT / name / "__init__.py").exists()


def _direct(order: Iterable[str]) -> set[Arrow]:
    layers = [name for name in order if _is_layer(name)]
    graph = grimp.build_graph("autopack", *layers, cache_dir=None)
    found: set[Arrow] = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            found.add((_package(module), _package(imported)))
    return {arrow for arrow in found if arrow[0] != arrow[1] and set(arrow) <= set(order)}


def _package(module: str) -> str:
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "autopack" else first


def _reached(name: str, direct: set[Arrow]) -> set[str]:
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        for importer, imported in direct:
            if importer == one and imported not in reached:
                reached.add(imported)
                waiting.append(imported)
    return reached
