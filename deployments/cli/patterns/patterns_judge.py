"""`autopack patterns hits|judge|promote|demote|retire|history`: what patterns saw and may do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from cyclopts import Parameter

from autopack.model.errors import BadInput, NotFound, Refused
from autopack.model.pages import check_limit
from autopack.repair.lifecycle.detector import EVERYWHERE, Detector, detector_of, is_built_in
from autopack.repair.lifecycle.transitions import (
    advance,
    by_person,
    latest,
)
from autopack.repair.lifecycle.transitions import history as moves_of
from autopack.settings import Settings
from autopack.store.columns import storable
from autopack.store.database.engine import Database
from autopack.store.pattern_hits import HitRow, Verdict, get_hit, get_hits, judge_hit
from autopack.store.reading import row_number
from deployments.cli.patterns.loading import loaded_patterns, location_of
from deployments.cli.shared.output import After, AsJson, Limit, out, plain_table, print_json
from deployments.cli.shared.paging import page_of, say_more

_VERDICTS: dict[str, Verdict] = {"right": "right", "wrong": "wrong"}
_LONGEST_WHY = 2_000
_NUMBERS = "use a number that hits show"

Pattern = Annotated[str, Parameter(help="The pattern's id, as `patterns list` shows it.")]
Why = Annotated[str, Parameter(name="--why", help="The reason, which is kept.")]
Repo = Annotated[
    Path | None,
    Parameter(name="--repo", help="Only for this repository; else everywhere."),
]


def hits(
    pattern: Annotated[str | None, Parameter(help="Only those of this pattern.")] = None,
    *,
    unjudged: Annotated[
        bool, Parameter(name="--unjudged", negative="", help="Only those without a verdict.")
    ] = False,
    limit: Limit = 1000,
    after: After = None,
    as_json: AsJson = False,
) -> int:
    """List what patterns recognised in runs.

    The newest first, with what that was worth.
    """
    check_limit(limit)
    before = None if after is None else row_number(after, "after", hint=_NUMBERS)
    db = _database()
    found = get_hits(db, pattern_id=pattern, unjudged=unjudged, limit=limit + 1, before=before)
    cursor = str(found[limit - 1].id) if len(found) > limit else None
    rows = [_view(hit) for hit in found[:limit]]
    if pattern is not None and not rows:
        _detector(db, pattern, None, EVERYWHERE)  # a name that nobody knows is told
    if as_json:
        print_json({"hits": rows, "next_cursor": cursor})
        return 0
    if not rows:
        out.print("no hits")
        return 0
    table = plain_table("hit", "pattern", "state", "run", "phase", "attempt", "verdict", "by")
    for row in rows:
        table.add_row(
            str(row["hit"]),
            row["pattern_id"],
            row["state"],
            row["run_id"],
            row["phase_id"],
            str(row["attempt"]),
            row["verdict"] or "none",
            row["judged_by"] or "",
        )
    out.print(table)
    say_more(cursor)
    return 0


def judge(
    hit: Annotated[str, Parameter(help="The number of a hit, as `patterns hits` shows it.")],
    verdict: Annotated[str, Parameter(help="right or wrong")],
    *,
    why: Annotated[str, Parameter(name="--why", help="The reason, which is kept.")] = "",
    as_json: AsJson = False,
) -> int:
    """Say that a hit was right or wrong.

    The state of its pattern moves as its hits say.
    """
    number = row_number(hit, "hit", hint=_NUMBERS)
    said = _VERDICTS.get(verdict)
    if said is None:
        raise BadInput(f"invalid verdict: {verdict!r}", field="verdict", hint="say right or wrong")
    reason = _reason(why) if why else "no reason given"
    db = _database()

    def write(conn: sa.Connection) -> HitRow:
        row = get_hit(conn, number)
        judge_hit(conn, number, said, by="person", why=reason)
        advance(conn, row.pattern_id, row.digest)
        return get_hit(conn, number)

    row = db.transact(write)
    states = {
        place or None: one.to_state
        for (name, digest, place), one in latest(db).items()
        if (name, digest) == (row.pattern_id, row.digest)
    }
    state = states.get(None) or states.get(row.repository)
    if as_json:
        print_json({**_view(row), "state_now": state})
        return 0
    now = f"; it is in state {state}" if state else ""
    out.print(f"hit {number} of {row.pattern_id} was {said}{now}")
    return 0


def promote(pattern: Pattern, *, why: Why, repo: Repo = None, as_json: AsJson = False) -> int:
    """Promote a pattern by one step.

    Whatever its hits say.
    """
    return _move(pattern, "promote", why, repo, as_json=as_json)


def demote(pattern: Pattern, *, why: Why, repo: Repo = None, as_json: AsJson = False) -> int:
    """Demote a pattern by one step.

    It stays there until a person moves it up.
    """
    return _move(pattern, "demote", why, repo, as_json=as_json)


def retire(pattern: Pattern, *, why: Why, repo: Repo = None, as_json: AsJson = False) -> int:
    """Retire a pattern.

    Its failure is no longer looked for.
    """
    return _move(pattern, "retire", why, repo, as_json=as_json)


def history(
    pattern: Pattern, *, limit: Limit = 1000, after: After = None, as_json: AsJson = False
) -> int:
    """Show how a pattern came to its state.

    Every move from state to state, with its evidence.
    """
    db = _database()
    found = moves_of(db, pattern)
    if not found:
        _detector(db, pattern, None, EVERYWHERE)  # a name that nobody knows is told
    numbered, cursor = page_of([*enumerate(found, 1)], lambda one: str(one[0]), limit, after)
    shown = [one for _, one in numbered]
    rows = [
        {
            "pattern_id": one.pattern_id,
            "version": one.version,
            "digest": one.digest,
            "repository": one.repository or None,
            "from": one.from_state,
            "to": one.to_state,
            "cause": one.cause,
            "why": one.why,
            "evidence": dict(one.evidence),
            "at": one.created_at.isoformat(),
        }
        for one in shown
    ]
    if as_json:
        print_json({"pattern_id": pattern, "transitions": rows, "next_cursor": cursor})
        return 0
    for one in shown:
        place = f" in {one.repository}" if one.repository else ""
        out.print(
            f"{one.created_at:%Y-%m-%d %H:%M}  version {one.version}{place}:"
            f" {one.from_state or 'new'} → {one.to_state} ({one.cause}: {storable(one.why)})",
            soft_wrap=True,
        )
    say_more(cursor)
    if not found:
        out.print(f"{pattern} has no history")
    return 0


def _move(
    pattern: str,
    direction: Literal["promote", "demote", "retire"],
    why: str,
    repo: Path | None,
    *,
    as_json: bool,
) -> int:
    reason = _reason(why)
    if is_built_in(pattern):
        raise Refused(
            f"{pattern} is built in: it acts from the start",
            field="pattern",
            hint="AUTOPACK_DISABLE_PATTERNS turns it off",
        )
    place = EVERYWHERE if repo is None else location_of(repo)
    db = _database()
    detector, measured_in = _detector(db, pattern, repo, place)
    before, after = db.transact(
        lambda conn: by_person(conn, detector, measured_in, direction, reason)
    )
    if as_json:
        print_json(
            {
                "pattern_id": pattern,
                "version": detector.version,
                "repository": measured_in or None,
                "from": None if before is None else before.value,
                "to": after.value,
                "why": reason,
            }
        )
        return 0
    out.print(f"{pattern} version {detector.version}: {before or 'new'} → {after}")
    return 0


def _detector(db: Database, pattern: str, repo: Path | None, place: str) -> tuple[Detector, str]:
    """Return the detector of this name that is loaded here, else the newest that is stored; and
    where it is measured. Raises NotFound naming ``pattern``.
    """
    for one in loaded_patterns(repo):
        if one.pattern_id == pattern:
            return detector_of(one), place
    stored = [move for (name, _, _), move in latest(db).items() if name == pattern]
    if place:
        stored = [move for move in stored if move.repository in (place, EVERYWHERE)]
    if stored:
        newest = max(stored, key=lambda move: move.created_at)
        return newest.detector, place or newest.repository
    raise NotFound(
        f"there is no pattern {pattern!r}", field="pattern", hint="autopack patterns list"
    )


def _reason(why: str) -> str:
    reason = " ".join(why.split())
    if not reason or len(reason) > _LONGEST_WHY:
        raise BadInput(
            "--why is empty" if not reason else f"--why is longer than {_LONGEST_WHY:,} characters",
            field="--why",
            hint="say why, in a sentence: it is kept",
        )
    return reason


def _database() -> Database:
    return Database.open(Settings.from_environment().database_url)


def _view(hit: HitRow) -> dict[str, Any]:
    return {
        "hit": hit.id,
        "pattern_id": hit.pattern_id,
        "version": hit.version,
        "repository": hit.repository,
        "run_id": hit.run_id,
        "phase_id": hit.phase_id,
        "attempt": hit.attempt,
        "state": hit.state,
        "mitigation": hit.mitigation,
        "captured": dict(hit.captured),
        "arm": hit.arm,
        "share": hit.share,
        "draw": hit.draw,
        "outcome": hit.outcome,
        "verdict": hit.verdict,
        "judged_by": hit.judged_by,
        "why": hit.judged_why,
        "judged_at": None if hit.judged_at is None else hit.judged_at.isoformat(),
        "tried": hit.tried,
        "at": hit.created_at.isoformat(),
    }
