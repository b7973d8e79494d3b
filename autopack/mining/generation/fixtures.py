"""The texts that detectors are tested with, of the stored errors and of runs that pass."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from autopack.mining.generation.derive import Fixtures
from autopack.mining.stored.recurring import Recurring
from autopack.mining.stored.sign_errors import telling_text
from autopack.repair.signatures.signature import SIGNATURE_VERSION, sign
from autopack.secrecy.credentials import MASK, SHAPES
from autopack.secrecy.redaction import Redactor
from autopack.store.columns import storable
from autopack.store.database.engine import Database
from autopack.store.tables.mining import mined_errors
from autopack.store.tables.rollups import error_logs

MOST_POSITIVES = 20
MOST_NEGATIVES = 100
_LONGEST = 20_000
PASSING = (
    "============================= test session starts ==============================\n"
    "collected 3 items\n\ntests/test_a.py ...                         [100%]\n\n"
    "============================== 3 passed in 0.12s ===============================\n",
    "test_error_is_raised (tests.test_a.Test.test_error_is_raised) ... ok\n\n"
    "----------------------------------------------------------------------\n"
    "Ran 1 test in 0.001s\n\nOK\n",
    "ok  \tgithub.com/acme/shop\t0.004s\n",
    "running 2 tests\ntest tests::fails_on_error ... ok\ntest tests::works ... ok\n\n"
    "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
    "PASS src/a.test.js\n  ✓ throws an error when the file is missing (2 ms)\n\n"
    "Tests:       1 passed, 1 total\nTime:        0.5 s\n",
    "All checks passed!\n",
    "Success: no issues found in 12 source files\n",
    "added 214 packages, and audited 215 packages in 3s\n\nfound 0 vulnerabilities\n",
    "[INFO] Tests run: 12, Failures: 0, Errors: 0, Skipped: 0\n[INFO] BUILD SUCCESS\n",
    "BUILD SUCCESSFUL in 4s\n7 actionable tasks: 7 executed\n",
)


def fixtures_of(
    db: Database, found: Recurring, others: Sequence[Recurring], redactor: Redactor
) -> Fixtures:
    """Return the texts of a signature, and those of other signatures and of passing runs."""
    with db.read() as conn:
        own = _texts(conn, [found.signature], MOST_POSITIVES)
        names = [each.signature for each in others if each.signature != found.signature]
        several = MOST_NEGATIVES // max(len(names), 1) + 1
        other = [text for name in names[:MOST_NEGATIVES] for text in _texts(conn, [name], several)]
    shown = [_shown(text, redactor) for text in own]
    positives = [text for text in shown if sign(text).signature == found.signature]
    negatives = [_shown(text, redactor) for text in other[:MOST_NEGATIVES]]
    return Fixtures(tuple(dict.fromkeys(positives)), tuple(dict.fromkeys((*negatives, *PASSING))))


def _shown(text: str, redactor: Redactor) -> str:
    """Return the text without secrets, bounded; what no file may hold is replaced."""
    bounded = (
        text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}\n{text[-_LONGEST // 2 :]}"
    )
    return SHAPES.sub(MASK, redactor.text(storable(bounded)))


def _texts(conn: sa.Connection, signatures: Sequence[str], most: int) -> list[str]:
    """Return the first texts of signatures, one of a run before a second of it."""
    log = error_logs.c
    query = (
        sa.select(log.run_id, log.error_type, log.message, log.output)
        .where(
            mined_errors.c.signature.in_(signatures),
            mined_errors.c.signature_version == SIGNATURE_VERSION,
            mined_errors.c.run_id == log.run_id,
            mined_errors.c.phase_id == log.phase_id,
            mined_errors.c.attempt == log.attempt,
        )
        .order_by(log.created_at, log.run_id, log.phase_id, log.attempt)
        .limit(most)
    )
    return [telling_text(row.error_type, row.message, row.output)[0] for row in conn.execute(query)]
