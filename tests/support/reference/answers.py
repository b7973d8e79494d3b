"""The keys of every command's JSON, taken from what the commands answer about a run that failed."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from autopack.experiments.shapes.analysis_schema import SCHEMA_FILE
from deployments.cli import run_command
from support.documents import ROOT
from support.failed_run import fail, home_in, make

_PAIRS = ROOT / "examples" / "analyse-pairs" / "pairs.csv"
_ERROR = "ModuleNotFoundError: No module named 'requests'\n"
_NOTES = "# Ordinals\n\n- Make `ordinal` in a right for 111\n\nValidation:\nnpm test\n"

# Whose answers are shown, and how the command is typed where the run is `failed`.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "run, resume and show": ("show", "failed"),
    "runs": ("runs",),
    "tokens": ("tokens", "failed"),
    "metrics": ("metrics", "failed"),
    "usage": ("usage", "--include-simulated"),
    "budget set and budget show": ("budget", "set", "spring", "--tokens", "1000"),
    "toolchain": ("toolchain", "project/repository"),
    "plan check": ("plan", "check", "project/plan.yaml"),
    "plan normalise": ("plan", "normalise", "notes.md", "--repo", "project/repository"),
    "patterns list": ("patterns", "list"),
    "patterns match": ("patterns", "match", "error.log", "--repo", "project/repository"),
    "usage parse": ("usage", "parse", "pi", "session.jsonl"),
    "health": ("health",),
    "db identity": ("db", "identity"),
    "db check": ("db", "check"),
    "db retain": ("db", "retain", "--older-than", "90d", "--dry-run"),
    "ab power": ("ab", "power", "--pilot", str(_PAIRS)),
    "any command that fails": ("show", "nobody"),
}

# Mappings whose keys are names, not the contract's words.
_NAMES = {"rows": "table", "kill_switches": "feature", "captured": "name"}
_KINDS: Mapping[type, str] = {str: "text", bool: "true or false", int: "number", float: "number"}


def page() -> str:
    """The JSON of commands."""
    parts = [
        "# JSON\n\n"
        "With `--json` a command prints exactly one JSON object on standard output. Numbers are"
        " numbers, times are ISO 8601 in UTC, and what is unknown is null, never 0. Keys are only"
        " ever added. `[]` stands for each entry of a list, `<name>` for a name of yours. A key"
        " without a value was null in the run that this page was made from: a run of two phases,"
        " the second of which failed.\n\n"
        "`ab run` and `ab analyse` print the report, whose keys are in"
        f" `{SCHEMA_FILE.relative_to(ROOT).as_posix()}`."
    ]
    for title, answer in answers().items():
        rows = [f"| `{path}` | {kind} |" for path, kind in _paths(answer)]
        parts.append(f"## {title}\n\n| key | value |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts)


def keys() -> set[str]:
    """Return the path of every key that some command answers, the report's included."""
    found = {path for answer in answers().values() for path, _ in _paths(answer)}
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    shapes = [schema, *schema["$defs"].values()]
    return found | {name for shape in shapes for name in shape.get("properties", ())}


@cache
def answers() -> Mapping[str, Any]:
    """Return what each command answers in a fresh home with a run that failed."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder)
        patch.chdir(home)
        patch.delenv("AUTOPACK_SANDBOX", raising=False)
        project = make(home / "project")
        fail(project, home_in(home, patch))
        (home / "notes.md").write_text(_NOTES, encoding="utf-8")
        (home / "error.log").write_text(_ERROR, encoding="utf-8")
        (home / "session.jsonl").write_text(json.dumps(_ANSWERED) + "\n", encoding="utf-8")
        return {title: _answer(words) for title, words in COMMANDS.items()}


_ANSWERED = {
    "type": "message_end",
    "message": {
        "role": "assistant",
        "provider": "anthropic",
        "model": "claude-sonnet-4-5",
        "usage": {"input": 900, "output": 120, "cacheRead": 50, "cacheWrite": 30},
        "stopReason": "stop",
    },
}


def _answer(words: tuple[str, ...]) -> Any:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        run_command([*words, "--json"])
    return json.loads(said.getvalue())


def _paths(value: object, at: str = "") -> Iterator[tuple[str, str]]:
    """Each key below ``value`` with the kind of its value, in the order of the answer."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, object]", value).items():
            path = f"{at}.{key}" if at else key
            yield path, _kind(inner)
            if isinstance(inner, dict) and inner and key in _NAMES:
                first = next(iter(cast("dict[str, object]", inner).values()))
                yield f"{path}.<{_NAMES[key]}>", _kind(first)
            else:
                yield from _paths(inner, path)
    elif isinstance(value, list):
        seen: dict[str, str] = {}
        for inner in cast("list[object]", value):
            for path, kind in _paths(inner, f"{at}[]"):
                seen[path] = seen.get(path) or kind
        yield from seen.items()


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, list) else _KINDS.get(type(value), "")
