"""The events that flows emit, found where they are emitted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from support.documents import ROOT
from tasks.reporting import ABOUT

_EMITTERS = ("emit", "emit_experiment", "_announce")
# What `_announce` adds to an event of a run.
_OF_A_RUN = ("reason",)


def page() -> str:
    """The events."""
    rows: dict[str, set[str]] = {}
    for name, payload in _emitted():
        rows.setdefault(name, set()).update(payload)
    lines = [f"| `autopack.{name}` | {', '.join(sorted(rows[name]))} |" for name in sorted(rows)]
    return (
        "# Events\n\n"
        "What flows emit in Prefect, for automations. The resource is `autopack.run.<run_id>`,"
        " and every payload has the `run_id`; of an experiment they are"
        " `autopack.experiment.<test_id>` and `test_id`.\n\n"
        "| event | further payload |\n|---|---|\n" + "\n".join(lines) + "\n"
    )


def _emitted() -> Iterator[tuple[str, set[str]]]:
    for folder in ("flows", "tasks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    yield from _of_call(node, node.func.id)


def _of_call(call: ast.Call, function: str) -> Iterator[tuple[str, set[str]]]:
    if function not in _EMITTERS:
        return
    names = {keyword.arg for keyword in call.keywords if keyword.arg}
    if function != "emit_experiment":
        names |= set(ABOUT)
    if function == "_announce":
        names |= set(_OF_A_RUN)
    payload = {f"`{name}`" for name in names}
    for argument in call.args:
        for part in ast.walk(argument):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and "." in part.value:
                yield part.value, payload
