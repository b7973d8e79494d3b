"""Which files of a repository import which: by their text, and roughly for what is not Python."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+\(?([\w, \t*]*)|import[ \t]+([\w., \t]+))",
    re.MULTILINE,
)
_SCRIPT = re.compile(r"""(?:from|import|require\()\s*['"](\.{1,2}/[^'"\n]+)['"]""")
_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx")


def imported_names(path: str, text: str) -> list[str]:
    """Return what a file imports: ``a.b`` for a module, ``/a/b`` for a place in the repository."""
    if path.endswith((".py", ".pyi")):
        return sorted(set(_python_names(path, text)))
    if path.endswith(_SCRIPTS):
        folder = posixpath.dirname(path)
        found = (posixpath.normpath(posixpath.join(folder, one)) for one in _SCRIPT.findall(text))
        return sorted({f"/{place}" for place in found if not place.startswith("..")})
    return []


def _python_names(path: str, text: str) -> Iterable[str]:
    for origin, names, modules in _PYTHON.findall(text):
        if modules:
            yield from (one.split()[0] for one in modules.split(",") if one.strip())
            continue
        module = origin.lstrip(".")
        if level := len(origin) - len(module):
            parts = path.split("/")[:-level]
            module = "/" + "/".join([*parts, *filter(None, module.split("."))])
        dot = "/" if level else "."
        yield module
        for name in names.split(","):
            if words := name.split():
                yield module.rstrip("/") + dot + words[0]


def edges(paths: Sequence[str], imports: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return who imports whom, as pairs of numbers in ``paths``."""
    known = _by_name(paths)
    found = {
        (number, target)
        for number, names in enumerate(imports)
        for name in names
        if (target := known.get(name)) is not None and target != number
    }
    return sorted(found)


def _by_name(paths: Sequence[str]) -> Mapping[str, int]:
    known: dict[str, int] = {}
    for number, path in enumerate(paths):
        stem = path.rpartition(".")[0] or path
        names = [stem]
        if stem.endswith(("/__init__", "/index")):
            names.append(stem.rpartition("/")[0])
        for name in names:
            known.setdefault(f"/{name}", number)
            if path.endswith((".py", ".pyi")):
                known.setdefault(name.replace("/", "."), number)
                # A package in src/, lib/ or the folder of one project among several.
                known.setdefault(name.partition("/")[2].replace("/", ".") or name, number)
    return known
