"""`autopack patterns`: the known failures, and which of them an error is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from autopack.model.counted import counted
from autopack.model.errors import BadInput, NotFound
from autopack.model.locations import is_folder
from autopack.repair.lifecycle.detector import EVERYWHERE
from autopack.repair.lifecycle.standings import as_json as as_row
from autopack.repair.lifecycle.standings import standings
from autopack.repair.patterns import Evidence, FailurePattern, matches
from autopack.repair.patterns.pattern_registry import patterns as known_patterns
from autopack.settings import Settings
from autopack.store.database.engine import Database
from autopack.toolchains.detect import detect
from deployments.cli.patterns.loading import loaded_patterns, location_of
from deployments.cli.shared.output import After, AsJson, Limit, out, print_json
from deployments.cli.shared.paging import page_of, say_more

Off = Annotated[tuple[str, ...], Parameter(help="A pattern to skip; may be repeated.", negative="")]


def list_patterns(
    *,
    off: Off = (),
    repo: Annotated[
        Path | None, Parameter(help="Also the patterns that this repository declares.")
    ] = None,
    limit: Limit = 1000,
    after: After = None,
    as_json: AsJson = False,
) -> int:
    """List failure patterns.

    What each recognises, what it may do, and how precise it is.
    """
    place = EVERYWHERE if repo is None else location_of(repo)
    found = _chosen(off, repo)
    db = Database.open(Settings.from_environment().database_url)
    rows = [as_row(one) for one in standings(db, found, repository=place)]
    rows = [row for row in rows if row["pattern_id"] not in off]
    rows, cursor = page_of(rows, _name, limit, after)
    if as_json:
        print_json({"patterns": rows, "next_cursor": cursor})
        return 0
    for row in rows:
        out.print(
            f"{row['pattern_id']:24} version {row['version']}, {_state(row)}: {_seen(row)}",
            soft_wrap=True,
        )
        out.print(f"    {row['summary'] or 'not loaded here'}", soft_wrap=True)
    say_more(cursor)
    return 0


def _name(row: dict[str, Any]) -> str:
    """Return what tells a row from the others: one pattern may stand for several places."""
    place = row["repository"]
    return f"{row['pattern_id']} {row['version']}{f' {place}' if place else ''}"


def _state(row: dict[str, Any]) -> str:
    place = f" in {row['repository']}" if row["repository"] else ""
    return f"{row['state'] or 'new'}{place}"


def _seen(row: dict[str, Any]) -> str:
    """Return how often a pattern looked and matched, and how precise it is."""
    backtest = row["backtest"]
    tested = f"; back-test: {backtest['hits']} of {backtest['texts']} texts" if backtest else ""
    if not row["looks"]:
        return f"never looked at{tested}"
    if row["precision"] is None:
        precision = "precision unknown"
    else:
        precision = (
            f"precision {row['precision']:.2f}"
            f" ({row['precision_lo']:.2f} to {row['precision_hi']:.2f})"
        )
    last = f", last hit {row['last_hit'][:10]}" if row["last_hit"] else ""
    return (
        f"{counted(row['looks'], 'look')}, {counted(row['hits'], 'hit')}, {row['judged']:,} judged,"
        f" {precision}{last}{tested}"
    )


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
    """Show which pattern matches an error.

    Whatever the answer, nothing is changed.
    """
    if repo is not None and not is_folder(repo):
        raise BadInput(f"{repo} is not a folder", field="repo", hint="name a project folder")
    evidence = Evidence(
        read_file(file),
        root=repo,
        changed=changed,
        scope=scope or None,
        detected=detect(repo) if repo else (),
    )
    found = matches(evidence, _chosen(off, repo))
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


def _chosen(off: tuple[str, ...], repo: Path | None = None) -> tuple[FailurePattern, ...]:
    """Return the patterns that neither the environment nor ``off`` switches off."""
    on = loaded_patterns(repo)
    named = {pattern.pattern_id for pattern in on}
    known_patterns(off=[name for name in off if name not in named])
    return tuple(pattern for pattern in on if pattern.pattern_id not in off)


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
