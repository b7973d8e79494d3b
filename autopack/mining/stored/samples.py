"""A few texts of each signature, to be shown: redacted, bounded, and of different runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from autopack.mining.stored.sign_errors import telling_text
from autopack.process.informative_excerpt import select
from autopack.secrecy.credentials import MASK, SHAPES
from autopack.secrecy.redaction import Redactor
from autopack.store.tables.rollups import error_logs

_SAMPLES = 3
_BYTES = 2_000
_AT_ONCE = 200

_Attempt = tuple[str, str, int]


def samples_of(
    conn: sa.Connection, failed: Mapping[str, Sequence[_Attempt]], redactor: Redactor
) -> dict[str, tuple[str, ...]]:
    """Return up to three samples of each signature, from different runs where there are such."""
    wanted = {signature: _spread(attempts) for signature, attempts in failed.items()}
    texts = _texts(conn, [attempt for attempts in wanted.values() for attempt in attempts])
    return {
        signature: tuple(
            dict.fromkeys(
                shown(texts[attempt], redactor) for attempt in attempts if attempt in texts
            )
        )
        for signature, attempts in wanted.items()
    }


def shown(text: str, redactor: Redactor) -> str:
    """Return the informative part of a failure text, without secrets."""
    return SHAPES.sub(MASK, redactor.text(select(text, _BYTES)))


def _spread(attempts: Sequence[_Attempt]) -> list[_Attempt]:
    by_run = {run_id: (run_id, phase_id, attempt) for run_id, phase_id, attempt in attempts}
    first = list(by_run.values())[:_SAMPLES]
    return first + [one for one in attempts if one not in first][: _SAMPLES - len(first)]


def _texts(conn: sa.Connection, attempts: Sequence[_Attempt]) -> dict[_Attempt, str]:
    columns = error_logs.c
    key = sa.tuple_(columns.run_id, columns.phase_id, columns.attempt)
    found: dict[_Attempt, str] = {}
    for start in range(0, len(attempts), _AT_ONCE):
        query = sa.select(
            columns.run_id,
            columns.phase_id,
            columns.attempt,
            columns.error_type,
            columns.message,
            columns.output,
        ).where(key.in_(attempts[start : start + _AT_ONCE]))
        for run_id, phase_id, attempt, error_type, message, output in conn.execute(query):
            found[run_id, phase_id, attempt] = telling_text(error_type, message, output)[0]
    return found
