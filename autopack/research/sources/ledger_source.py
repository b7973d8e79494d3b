"""The ledger as a source: what earlier attempts failed with, and what was done until one passed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autopack.model.errors import AutopackError
from autopack.model.states import AttemptState
from autopack.research.locator import Elsewhere
from autopack.research.rank import Rank
from autopack.research.sources.passages import Text, best_passages
from autopack.research.sources.source_protocol import (
    FailureKind,
    Passage,
    Query,
    SourceFacts,
    SourceFailure,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

    from autopack.store.database.engine import Database

MOST_ATTEMPTS = 500
"""So many failed attempts are looked at, the newest."""
_MOST_OUTPUT = 6_000
_MOST_LINE = 1_000
_PATHS = 50


@dataclass(frozen=True)
class _Failed:
    """A failed attempt, the first after it that passed, and the mitigations between them."""

    row: Any
    passed: Any | None
    mitigations: Sequence[Any]

    @classmethod
    def of(cls, row: Any, passed: Sequence[Any], mitigations: Sequence[Any]) -> _Failed:
        phase = (row["run_id"], row["phase_id"])
        later = [
            each
            for each in passed
            if (each["run_id"], each["phase_id"]) == phase and each["attempt"] > row["attempt"]
        ]
        own = [
            each
            for each in mitigations
            if (each["run_id"], each["phase_id"], each["attempt"]) == (*phase, row["attempt"])
        ]
        return cls(row, later[0] if later else None, own)


class LedgerSource:
    """Failed attempts at a repository, by its location; at every one where that is None."""

    name = "ledger"

    def __init__(self, database: Database, location: str | None) -> None:
        self._database = database
        self._location = location
        self.failures: list[SourceFailure] = []

    def search(self, query: Query) -> Sequence[Passage]:
        """Return what was told of the failures that fit best, first those on the query's files."""
        return best_passages(self.name, query, [self._text(one) for one in self._failed()])

    def read(self, locator: str) -> bytes:
        """Return what is told of one failed attempt, by all that is known of it now."""
        for one in self._failed(locator.removeprefix("ledger:")):
            return _told(one).encode("utf-8", "replace")
        raise SourceFailure(self.name, FailureKind.NOT_FOUND, f"there is no {locator}")

    def _text(self, one: _Failed) -> Text:
        row = one.row
        paths = " ".join(_strings(row["changed_paths"])[:_PATHS])
        return Text(
            str(Elsewhere("ledger", f"{row['run_id']}/{row['phase_id']}/{row['attempt']}")),
            paths,
            _told(one).encode("utf-8", "replace"),
            SourceFacts(is_primary=True, rank=Rank.PROSE, origin="ledger"),
        )

    def _failed(self, key: str | None = None) -> list[_Failed]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._database.read() as conn:
                failed = conn.execute(_failures(self._location, key)).mappings().all()
                runs = sorted({row["run_id"] for row in failed})
                passed = conn.execute(_passed(runs)).mappings().all()
                done = conn.execute(_mitigations(runs)).mappings().all()
        except (AutopackError, SQLAlchemyError) as error:
            raise SourceFailure(self.name, FailureKind.UNREADABLE, str(error)) from error
        return [_Failed.of(row, passed, done) for row in failed]


def _failures(location: str | None, key: str | None) -> sa.Select[Any]:
    import sqlalchemy as sa

    from autopack.store.tables import attempts, runs
    from autopack.store.tables.rollups import error_logs

    query = (
        sa.select(attempts, error_logs.c.error_type, error_logs.c.pattern_id, runs.c.goal)
        .join(runs, runs.c.run_id == attempts.c.run_id)
        .outerjoin(
            error_logs,
            sa.and_(
                error_logs.c.run_id == attempts.c.run_id,
                error_logs.c.phase_id == attempts.c.phase_id,
                error_logs.c.attempt == attempts.c.attempt,
            ),
        )
        .where(attempts.c.state == AttemptState.FAILED)
        .order_by(
            attempts.c.started_at.desc(),
            attempts.c.run_id,
            attempts.c.phase_id,
            attempts.c.attempt.desc(),
        )
        .limit(MOST_ATTEMPTS)
    )
    if location is not None:
        query = query.where(runs.c.repo == location)
    if key is not None:
        run_id, _, rest = key.partition("/")
        phase_id, _, attempt = rest.rpartition("/")
        query = query.where(
            attempts.c.run_id == run_id,
            attempts.c.phase_id == phase_id,
            attempts.c.attempt == (int(attempt) if attempt.isdecimal() else -1),
        )
    return query


def _passed(runs: Sequence[str]) -> sa.Select[Any]:
    import sqlalchemy as sa

    from autopack.store.tables import attempts

    return (
        sa.select(attempts)
        .where(attempts.c.run_id.in_(runs), attempts.c.state == AttemptState.PASSED)
        .order_by(attempts.c.run_id, attempts.c.phase_id, attempts.c.attempt)
    )


def _mitigations(runs: Sequence[str]) -> sa.Select[Any]:
    import sqlalchemy as sa

    from autopack.store.tables import mitigations

    return sa.select(mitigations).where(mitigations.c.run_id.in_(runs)).order_by(mitigations.c.id)


def _told(one: _Failed) -> str:
    """Return what is known of a failed attempt, a fact a line, and then what it printed."""
    row = one.row
    lines = [
        f"Attempt {row['attempt']} at phase {row['phase_id']} of run {row['run_id']} failed:"
        f" {row['failure_cause'] or row['error_type'] or 'for a reason that was not noted'}.",
        f"The run's goal: {_line(row['goal'])}",
    ]
    if row["failure_message"]:
        lines.append(f"The failure: {_line(row['failure_message'])}")
    if row["pattern_id"]:
        lines.append(f"The known failure that it was: {row['pattern_id']}.")
    lines += _changed(row)
    for each in one.mitigations:
        came = "it was fixed" if each["fixed"] else "it was not fixed"
        actions = "; ".join(_strings(each["actions_taken"])) or "nothing"
        lines.append(f"Mitigation {each['pattern_id']}: {_line(actions)}: {came}.")
    passed = one.passed
    if passed is None:
        lines.append("No later attempt at this phase passed.")
    else:
        lines.append(f"Attempt {passed['attempt']} passed after that.")
        if passed["hint"]:
            lines.append(f"It had been told: {_line(passed['hint'])}")
        if passed["summary"]:
            lines.append(f"It said: {_line(passed['summary'])}")
        lines += _changed(passed)
    if row["failure_output"]:
        lines += ["", "What it printed:", "", row["failure_output"][-_MOST_OUTPUT:]]
    return "\n".join(lines) + "\n"


def _changed(row: Any) -> list[str]:
    paths = _strings(row["changed_paths"])[:_PATHS]
    return [f"It changed: {', '.join(paths)}"] if paths else []


def _strings(value: Any) -> list[str]:
    return [each if isinstance(each, str) else json.dumps(each) for each in value or ()]


def _line(text: str) -> str:
    return " ".join(str(text).split())[:_MOST_LINE]
