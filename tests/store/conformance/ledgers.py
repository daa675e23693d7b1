"""The ledgers that the suite runs on, and the few things a test must do behind their back.

A further ledger joins by an entry in LEDGERS; no test names one.
"""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from sqlalchemy import event

from headway.store.opening import migrate, open_store
from headway.store.port import Store
from tests.store.conformance.reading_cost import postgres_rows_read, sqlite_steps


class LedgerKind(Protocol):
    """One kind of ledger."""

    name: str

    @contextmanager
    def template(self, folder: Path, admin_url: Callable[[], str]) -> Iterator[str]:
        """Yields the URL of a ledger with its schema and without a row, of which copies are made."""

    @contextmanager
    def copy(self, url: str, folder: Path) -> Iterator[str]:
        """Yields the URL of a ledger with the same rows; nobody may be connected to the other."""

    def execute(self, url: str, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Change or read rows behind the ledger's back; `?` stands for a value, ids as `uuid_of` gives them."""

    def uuid_of(self, identity: str) -> Any:
        """An id as the rows hold it."""

    def before_commit(self, store: Store, act: Callable[[], None]) -> None:
        """Have something happen right before each commit of an opened store."""

    def settle(self, url: str) -> None:
        """Let the ledger do what it otherwise does in the background, so that costs can be compared."""

    def reading_cost(self, store: Store, read: Callable[[], None]) -> int:
        """How much the ledger had to look at while `read` ran: rows, or steps that follow from rows."""


class Sqlite:
    """A file."""

    name = "sqlite"

    @contextmanager
    def template(self, folder: Path, admin_url: Callable[[], str]) -> Iterator[str]:
        url = _sqlite_url(folder)
        migrate(url)
        yield url

    @contextmanager
    def copy(self, url: str, folder: Path) -> Iterator[str]:
        copied = _sqlite_url(folder)
        shutil.copyfile(_path(url), _path(copied))
        yield copied

    def execute(self, url: str, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(_path(url))) as db, db:
            return db.execute(statement, values).fetchall()

    def uuid_of(self, identity: str) -> Any:
        return bytes.fromhex(identity.replace("-", ""))

    def before_commit(self, store: Store, act: Callable[[], None]) -> None:
        event.listen(_database(store).writer, "commit", lambda _: act())

    def settle(self, url: str) -> None:
        """SQLite does nothing in the background."""

    def reading_cost(self, store: Store, read: Callable[[], None]) -> int:
        return sqlite_steps(_database(store).reader, read)


class Postgres:
    """A database of the tests' server."""

    name = "postgresql"

    @contextmanager
    def template(self, folder: Path, admin_url: Callable[[], str]) -> Iterator[str]:
        with _postgres_database(admin_url()) as url:
            migrate(url)
            yield url

    @contextmanager
    def copy(self, url: str, folder: Path) -> Iterator[str]:
        with _postgres_database(url, template=urlsplit(url).path.strip("/")) as copied:
            yield copied

    def execute(self, url: str, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(url) as db:
            cursor = db.execute(statement.replace("?", "%s"), list(values))  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def uuid_of(self, identity: str) -> Any:
        return identity

    def before_commit(self, store: Store, act: Callable[[], None]) -> None:
        event.listen(_database(store).writer, "commit", lambda _: act())

    def settle(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("VACUUM ANALYZE")

    def reading_cost(self, store: Store, read: Callable[[], None]) -> int:
        return postgres_rows_read(_database(store).reader, read)


LEDGERS: dict[str, LedgerKind] = {kind.name: kind for kind in (Sqlite(), Postgres())}


def _database(store: Store) -> Any:
    return store.ledger._database  # type: ignore[attr-defined]


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{(folder / f'{secrets.token_hex(6)}.sqlite3').as_posix()}"


def _path(url: str) -> str:
    return url.removeprefix("sqlite:///")


@contextmanager
def _postgres_database(url: str, template: str = "template1") -> Iterator[str]:
    """A throw-away database on the server of a URL, which is gone afterwards."""
    name = f"hw_test_{secrets.token_hex(6)}"
    server = urlunsplit(urlsplit(url)._replace(path="/postgres"))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(make)
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(drop)


__all__ = ["LEDGERS", "LedgerKind", "open_store"]
