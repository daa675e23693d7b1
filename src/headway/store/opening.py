"""Opens the store a URL names."""

from __future__ import annotations

from datetime import timedelta

from headway.domain.errors import InvalidInput
from headway.store.port import Store


def open_store(url: str, *, lease: timedelta = timedelta(seconds=90), readers: int = 4) -> Store:
    """The store at `sqlite:///path` or `postgresql://…`; nothing is connected before `ledger.open()`.

    Args:
        url: Where the rows are.
        lease: How long an open run of a heartbeating producer lives without word from it.
        readers: Connections for reading.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme in ("sqlite", "postgresql", "postgres"):
        from headway.store.sql.store import open_sql_store

        return open_sql_store(url, lease=lease, readers=readers)
    raise InvalidInput(
        f"no ledger for {scheme!r}: use sqlite:///path or postgresql://…", field="HEADWAY_DATABASE_URL"
    )


def migrate(url: str) -> list[str]:
    """Bring the schema at a URL up to date; the revisions that were applied, oldest first."""
    from headway.store.sql.migrate import upgrade

    return upgrade(url)


def is_empty(url: str) -> bool:
    """Whether the database at a URL has no schema of Headway's yet."""
    from headway.store.sql.migrate import is_empty as without_schema

    return without_schema(url)
