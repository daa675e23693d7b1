"""The migrations and the tables the code knows are the same thing."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from headway.domain.errors import SchemaOutdated
from headway.store.opening import migrate, open_store
from headway.store.sql.engine import Database
from headway.store.sql.tables import metadata


def test_the_migrations_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    migrate(database_url)
    database = Database(database_url)

    with database.reader.connect() as db:
        context = MigrationContext.configure(db, opts={"version_table": "hw_alembic_version"})
        difference = compare_metadata(context, metadata)
        tables = set(inspect(db).get_table_names())
    database.writer.dispose()
    database.reader.dispose()

    assert difference == []
    assert tables == {*metadata.tables, "hw_alembic_version"}
    assert all(name.startswith("hw_") for name in tables)


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    assert migrate(database_url) == ["0001"]
    assert migrate(database_url) == []


async def test_an_empty_database_is_refused_with_the_command_to_run(database_url: str) -> None:
    store = open_store(database_url)

    with pytest.raises(SchemaOutdated, match="headway migrate"):
        await store.ledger.open()
    await store.ledger.close()
