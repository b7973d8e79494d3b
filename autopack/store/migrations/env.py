"""Runs the revisions on the connection, and in the transaction, that the caller opened."""

from alembic import context

from autopack.store.tables.partial_indexes import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # off by default for SQLite, which can do it
)
with context.begin_transaction():
    context.run_migrations()
