"""`autopack patterns`: the known failures, and which of them an error is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autopack.model.errors import BadInput, NotFound
from autopack.repair.patterns import Evidence, FailurePattern, matches
from autopack.repair.patterns.pattern_registry import enabled_patterns
from autopack.repair.patterns.pattern_registry import patterns as known_patterns
from autopack.settings import process_environment
from autopack.toolchains.detect import detect
from deployments.cli.shared.output import AsJson, out, print_json

Off = Annotated[tuple[str, ...], Parameter(help="A pattern to skip; may be repeated.", negative="")]


def list_patterns(*, off: Off = (), as_json: AsJson = False) -> int:
    """List the failures that are recognised and met without a model, best priority first."""
    found = _chosen(off)
    if as_json:
        rows = [
            {"pattern_id": each.pattern_id, "priority": each.priority, "summary": each.summary}
            for each in found
        ]
        print_json({"patterns": rows})
        return 0
    for each in found:
        out.print(f"{each.priority}  {each.pattern_id:24}{each.summary}")
    return 0


def match(
    file: Annotated[Path, Parameter(help="What the failed command printed.")],
    *,
    repo: Annotated[Path | None, Parameter(help="The repository it failed in.")] = None,
    changed: Annotated[
        tuple[str, ...], Parameter(help="A file that was changed; may be repeated.", negative="")
    ] = (),
    scope: Annotated[
        tuple[str, ...], Parameter(help="A path that may be changed; may be repeated.", negative="")
    ] = (),
    off: Off = (),
    as_json: AsJson = False,
) -> int:
    """Say which known failure an error is, if any; whatever the answer, nothing is changed."""
    if repo is not None and not repo.is_dir():
        raise BadInput(f"{repo} is not a folder", field="repo", hint="name a project folder")
    evidence = Evidence(
        read_file(file),
        root=repo,
        changed=changed,
        scope=scope or None,
        detected=detect(repo) if repo else (),
    )
    found = matches(evidence, _chosen(off))
    if as_json:
        print_json(
            {
                "pattern_id": found[0].pattern_id if found else None,
                "matches": [
                    {
                        "pattern_id": each.pattern_id,
                        "priority": each.priority,
                        "captured": dict(each.captured),
                    }
                    for each in found
                ],
            }
        )
        return 0
    for each in found:
        captured = ", ".join(f"{name}: {value}" for name, value in each.captured.items())
        out.print(f"{each.priority}  {each.pattern_id:24}{captured}")
    if not found:
        out.print("no known failure")
    return 0


def _chosen(off: tuple[str, ...]) -> tuple[FailurePattern, ...]:
    """Return the patterns that neither the environment nor ``off`` switches off."""
    on = {pattern.pattern_id for pattern in enabled_patterns(process_environment())}
    return tuple(pattern for pattern in known_patterns(off=off) if pattern.pattern_id in on)


def read_file(file: Path) -> str:
    """Return the text of a log, of stdin for ``-``; bytes that are not UTF-8 are shown as such.

    Raises NotFound and BadInput naming ``file``.
    """
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read().decode("utf-8", errors="replace")
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise NotFound(
            f"{file}: no such file", field="file", hint="give the path of a log"
        ) from error
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}", field="file") from error
