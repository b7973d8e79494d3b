"""A database that was upgraded is the one the tables describe."""

import random
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.usage import usage_event

from autopack.ledger.events.usage_events import token_totals
from autopack.ledger.sums import ROLLUPS, unexplained
from autopack.model.errors import DatabaseRefused
from autopack.store import Database
from autopack.store.database import connecting, schema
from autopack.store.database.engine import insert_new
from autopack.store.tables import budget_reservations, llm_usage_events
from autopack.store.tables.partial_indexes import metadata
from autopack.store.tables.rollups import ATTEMPT_NOT_KEPT, usage_archive

CALL = usage_event(event_key="1", total_tokens=7, cost=Decimal("0.25"))


@pytest.fixture
def upgraded(empty_database_url):
    db = Database.open(empty_database_url, check_schema=False)
    db.upgrade()
    yield db
    db.close()


def described(conn):
    """What comparing metadata leaves out: checks, and the names of keys."""
    inspector = sa.inspect(conn)
    return {
        table: (
            sorted((c["name"], c["sqltext"]) for c in inspector.get_check_constraints(table)),
            sorted(f["name"] for f in inspector.get_foreign_keys(table)),
            inspector.get_pk_constraint(table)["name"],
        )
        for table in metadata.tables
    }


def test_an_upgraded_database_equals_the_metadata(upgraded):
    with upgraded.read() as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_an_upgraded_database_has_the_constraints_of_a_created_one(upgraded):
    with upgraded.read() as conn:
        migrated = described(conn)

    def recreate(conn):
        conn.exec_driver_sql("DROP VIEW consolidated_tokens")
        metadata.drop_all(conn)
        metadata.create_all(conn)
        return described(conn)

    assert migrated == upgraded.transact(recreate)


def test_upgrading_again_changes_nothing(upgraded):
    upgraded.upgrade()
    assert upgraded.schema_version() == upgraded.head_version()


def test_the_version_needed_is_the_last_revision():
    scripts = ScriptDirectory(str(schema._MIGRATIONS))
    assert schema.head_version() == scripts.get_current_head()
    assert schema.known_versions() == [r.revision for r in scripts.walk_revisions()][::-1]


def test_a_database_before_its_first_upgrade_has_no_version(empty_database_url):
    assert Database.open(empty_database_url, check_schema=False).schema_version() is None


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_the_path_of_the_code_may_hold_a_percent_sign(empty_database_url, tmp_path, monkeypatch):
    odd = tmp_path / "100%(here)s"
    odd.symlink_to(schema._MIGRATIONS)
    monkeypatch.setattr(schema, "_MIGRATIONS", odd)
    db = Database.open(empty_database_url)
    assert db.schema_version() == db.head_version()


def interrupted_upgrade(url, number):
    script = Path(__file__).with_name("interrupted_upgrade.py")
    return subprocess.run(
        [sys.executable, script, url, str(number)],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_an_upgrade_that_was_killed_half_way_is_done_by_the_next_one(empty_database_url, request):
    kills = 30 if request.config.getoption("--full") else 3
    for number in random.Random(7).sample(range(5, 60), kills):
        killed = interrupted_upgrade(empty_database_url, number)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert Database.open(empty_database_url, check_schema=False).schema_version() is None
    assert interrupted_upgrade(empty_database_url, 0).returncode == 0
    db = Database.open(empty_database_url)
    assert db.schema_version() == db.head_version()


def upgrade_to(db, revision):
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS))

    def migrate(conn):
        config.attributes["connection"] = conn
        command.upgrade(config, revision)

    db.transact(migrate)


def record_as_before(db, *calls):
    """What code wrote that knew neither of sums nor of functions."""
    later = ("cache_write_1h_tokens", "exactness", "simulated")
    rows = [
        {name: value for name, value in vars(call).items() if name not in later}
        | {"created_at": datetime(2026, 1, 1, tzinfo=UTC)}
        for call in calls
    ]
    table = sa.table(
        "llm_usage_events", *(sa.column(name, llm_usage_events.c[name].type) for name in rows[0])
    )
    db.transact(lambda conn: conn.execute(insert_new(conn, table).values(rows)))  # pyright: ignore[reportArgumentType]


def test_calls_from_before_the_sums_are_in_the_sums(empty_database_url):
    db = Database.open(empty_database_url, check_schema=False)
    upgrade_to(db, "0001")
    record_as_before(db, CALL, replace(CALL, event_key="2", cost=None))
    db.upgrade()
    totals = token_totals(db, "r")
    assert (totals.total, totals.events, totals.cost) == (14, 2, None)
    with db.read() as conn:
        assert [conn.execute(unexplained(table, db.dialect)).all() for table in ROLLUPS] == [[], []]


def test_reservations_of_builds_and_what_was_archived_are_kept(empty_database_url):
    db = Database.open(empty_database_url, check_schema=False)
    upgrade_to(db, "0018")
    engine = connecting.create_engine(db._url, busy_seconds=5, foreign_keys=False)
    with engine.begin() as conn:
        if conn.dialect.name == "postgresql":
            # Their attempts do not matter here.
            conn.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for row in (
            "'r', 'one', 1, 7, '0.25', 1.5, 5, '0.125', '2026-01-01 00:00:00.500000+00', NULL",
            "'r', 'one', 2, 9, NULL, 2.5, NULL, NULL, '2026-01-01 00:00:00.500000+00', NULL",
        ):
            conn.exec_driver_sql(f"INSERT INTO budget_reservations VALUES ({row})")
        # The first one's calls were archived, but for one that came late.
        sums = ", ".join("8" for _ in range(11))
        conn.exec_driver_sql(
            "INSERT INTO usage_archive VALUES"
            f" ('r', 'one', '2026-01-01', 'm', 'builder', 'base', false, {sums})"
        )
    engine.dispose()
    late = replace(CALL, event_key="9", total_tokens=2, cost=Decimal("0.025"), phase_id="one")
    record_as_before(db, late)
    db.upgrade()
    with db.read() as conn:
        rows = conn.execute(sa.select(budget_reservations).order_by("attempt")).all()
        (archived,) = conn.execute(sa.select(usage_archive)).mappings()
    assert (archived["attempt"], archived["total_tokens"]) == (ATTEMPT_NOT_KEPT, 8)
    assert [(row.archived_tokens, row.archived_cost) for row in rows] == [
        (3, Decimal("0.1")),
        (None, None),
    ]
    assert [tuple(row)[:9] for row in rows] == [
        ("r", "one", 1, "builder", 1, 7, Decimal("0.25"), 1.5, 5),
        ("r", "one", 2, "builder", 1, 9, None, 2.5, None),
    ]
    assert rows[0].spent_cost == Decimal("0.125")


def test_every_migration_names_the_oldest_code_it_supports(upgraded):
    scripts = ScriptDirectory(str(schema._MIGRATIONS))
    named = [getattr(one.module, "oldest_code", one.revision) for one in scripts.walk_revisions()]
    with upgraded.read() as conn:
        assert schema.oldest_code(conn) == max(named)


def test_code_of_the_release_before_works_on_the_new_schema(upgraded, monkeypatch):
    """It records as it always did, and the sums are right without its knowing of them."""
    with upgraded.read() as conn:
        oldest = schema.oldest_code(conn)
    known = [version for version in schema.known_versions() if version <= oldest]  # pyright: ignore[reportOperatorIssue]
    monkeypatch.setattr(schema, "known_versions", lambda: known)
    older = Database.open(upgraded._url.render_as_string(hide_password=False))
    record_as_before(older, CALL)
    record_as_before(older, CALL)
    older.upgrade()
    assert token_totals(older, "r").total == 7
    older.close()


def test_only_code_older_than_that_refuses_a_newer_database(upgraded, monkeypatch):
    upgraded.transact(
        lambda conn: conn.exec_driver_sql("UPDATE schema_compatibility SET oldest_code = '0002'")
    )
    monkeypatch.setattr(schema, "known_versions", lambda: ["0001"])
    with pytest.raises(DatabaseRefused, match="newer than this Autopack"):
        Database.open(upgraded._url.render_as_string(hide_password=False))
