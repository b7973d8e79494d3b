"""`autopack db`: looking after the application database."""

from __future__ import annotations

from dataclasses import asdict

from autopack.ledger.check import check as find_drift
from autopack.settings import Settings
from autopack.store.database.engine import Database
from deployments.cli.shared.output import AsJson, out, print_json


def upgrade(*, as_json: AsJson = False) -> int:
    """Bring the schema up to date.

    It becomes what this Autopack needs; harmless when it is that already.
    """
    settings = Settings.from_environment()
    db = Database.open(settings.database_url, check_schema=False)
    before = db.schema_version()
    db.upgrade()
    answer = {"database": db.url_masked, "before": before, "after": db.schema_version()}
    if as_json:
        print_json(answer)
    elif before == answer["after"]:
        out.print(f"{db.url_masked} is up to date (schema {before})")
    else:
        out.print(f"{db.url_masked} was upgraded: {before or 'empty'} → {answer['after']}")
    return 0


def check(*, as_json: AsJson = False) -> int:
    """Look for rows that contradict each other.

    Exit code 1 when there are any.
    """
    db = Database.open(Settings.from_environment().database_url)
    drift = find_drift(db)
    if as_json:
        print_json({"database": db.url_masked, "drift": [asdict(row) for row in drift]})
    elif drift:
        for row in drift:
            out.print(str(row))
    else:
        out.print(f"{db.url_masked}: drift 0")
    return 1 if drift else 0
