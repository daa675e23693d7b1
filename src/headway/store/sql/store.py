"""Puts the SQL ledger, accounts and projects of one database together."""

from __future__ import annotations

from datetime import timedelta

from headway.store.port import Store
from headway.store.sql.accounts import SqlAccounts
from headway.store.sql.engine import Database
from headway.store.sql.ledger import SqlLedger
from headway.store.sql.projects import SqlProjects


def open_sql_store(url: str, *, lease: timedelta, readers: int) -> Store:
    """The store at a SQL URL; nothing is connected yet."""
    database = Database(url, readers=readers)
    secret: list[bytes] = []
    return Store(
        ledger=SqlLedger(database, secret, lease=lease),
        accounts=SqlAccounts(database),
        projects=SqlProjects(database, secret),
    )
