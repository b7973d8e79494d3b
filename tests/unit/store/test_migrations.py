"""A database that was upgraded is the one the tables describe."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from autopack.store import Database, schema
from autopack.store.tables import metadata


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
