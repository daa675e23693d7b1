"""Runs migrations on the connection it is handed; there is no offline mode."""

from alembic import context

from headway.store.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="hw_alembic_version",
)
context.run_migrations()
