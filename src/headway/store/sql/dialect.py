"""The few differences between SQLite and PostgreSQL: bulk rows, locking, upserts and which errors mean what.

Statements here are written out because they run thousands of times a second; all else goes through SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect as SqlAlchemyDialect

from headway.store.sql.columns import POSTGRES_ENCODERS, SQLITE_ENCODERS, Id, id_bytes

_CHUNK = 400  # ids in one SQLite statement
_FEW = 40  # rows
_WITH_BYTES = ("hw_artifact", "hw_meta")  # tables whose rows JSON cannot carry
_ADVANCE = "UPDATE hw_head SET change_seq = change_seq + {mark} WHERE tenant_id = {mark} RETURNING change_seq"


class Dialect(Protocol):
    """What the ledger needs done differently on each database."""

    name: str
    for_update: bool  # whether rows must be locked one by one

    def insert(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert new rows as fast as the database can."""

    def insert_missing(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert the rows whose key is not there yet."""

    def update(
        self,
        db: Connection,
        table: Table,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Set columns of existing rows; each row holds the keys, then the columns."""

    def add(
        self,
        db: Connection,
        table: Table,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Add amounts to counters, making rows that are missing."""

    def select_by_ids(
        self,
        db: Connection,
        table: Table,
        columns: Sequence[str],
        tenant_id: str,
        ids: Sequence[str],
        lock: bool,
        key: str = "id",
    ) -> list[tuple[Any, ...]]:
        """Rows by an id column in its order, with native values, locked where asked."""

    def advance(self, db: Connection, tenant_id: str, count: int) -> int:
        """Lock the tenant's head and move its change number on; the newest number."""

    def together(self, db: Connection, rows: int) -> AbstractContextManager[Any]:
        """Within it, this dialect's own statements about so many rows need not wait for each other's answers."""


def _placeholder_list(count: int, mark: str) -> str:
    return ", ".join([mark] * count)


def encode_columns(
    table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]], encoders: dict[type[Any], Any]
) -> Iterable[Sequence[Any]]:
    """Rows with each value as the driver wants it, worked out column by column."""
    wanted = [
        (index, encoders[type(table.c[name].type)])
        for index, name in enumerate(columns)
        if type(table.c[name].type) in encoders
    ]
    if not wanted or not rows:
        return rows
    by_column: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, encode in wanted:
        values = by_column[index]
        if encode is id_bytes:  # a few ids stand in very many rows
            encoded = {value: None if value is None else encode(value) for value in set(values)}
            by_column[index] = [encoded[value] for value in values]
        else:
            by_column[index] = [None if value is None else encode(value) for value in values]
    return zip(*by_column, strict=True)


class SqliteDialect:
    """One writer, chosen by BEGIN IMMEDIATE: nothing needs locking row by row."""

    name = "sqlite"
    for_update = False

    def _many(self, db: Connection, statement: str, table: Table, columns: Sequence[str], rows: Any) -> None:
        raw: Any = db.connection.driver_connection
        raw.executemany(statement, encode_columns(table, columns, rows, SQLITE_ENCODERS))

    def insert(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert with executemany."""
        if rows:
            self._many(db, _sqlite_insert(table.name, tuple(columns)), table, columns, rows)

    def insert_missing(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert with executemany, leaving existing rows alone."""
        if rows:
            statement = _sqlite_insert(table.name, tuple(columns)) + " ON CONFLICT DO NOTHING"
            self._many(db, statement, table, columns, rows)

    def update(
        self,
        db: Connection,
        table: Table,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Update with executemany."""
        if not rows:
            return
        ordered = [*columns, *keys]
        moved = [(*row[len(keys) :], *row[: len(keys)]) for row in rows]
        self._many(db, _sqlite_update(table.name, tuple(keys), tuple(columns)), table, ordered, moved)

    def add(
        self,
        db: Connection,
        table: Table,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Upsert with executemany."""
        if not rows:
            return
        named = (*keys, *columns)
        statement = _sqlite_insert(table.name, named) + _on_conflict_add(
            table.name, tuple(keys), tuple(columns)
        )
        self._many(db, statement, table, named, rows)

    def select_by_ids(
        self,
        db: Connection,
        table: Table,
        columns: Sequence[str],
        tenant_id: str,
        ids: Sequence[str],
        lock: bool,
        key: str = "id",
    ) -> list[tuple[Any, ...]]:
        """Select in chunks; the whole database is locked already."""
        raw: Any = db.connection.driver_connection
        encode = SQLITE_ENCODERS[Id]
        tenant = encode(tenant_id)
        rows: list[tuple[Any, ...]] = []
        for start in range(0, len(ids), _CHUNK):
            part = [encode(identity) for identity in ids[start : start + _CHUNK]]
            statement = _sqlite_select(table.name, tuple(columns), key, len(part))
            rows += raw.execute(statement, (tenant, *part)).fetchall()
        processors = _result_processors(table, tuple(columns), db.dialect)
        return [
            tuple(
                value if process is None else process(value)
                for value, process in zip(row, processors, strict=True)
            )
            for row in rows
        ]

    def advance(self, db: Connection, tenant_id: str, count: int) -> int:
        """Update the head; the writer is alone."""
        raw: Any = db.connection.driver_connection
        statement = _ADVANCE.format(mark="?")
        newest: int = raw.execute(statement, (count, id_bytes(tenant_id))).fetchall()[0][0]
        return newest

    def together(self, db: Connection, rows: int) -> AbstractContextManager[Any]:
        """Nothing to do: the database is in this process."""
        return nullcontext()


class PostgresDialect:
    """Rows are locked one by one, in key order; bulk rows go by COPY, changes as one JSON parameter."""

    name = "postgresql"
    for_update = True

    def insert(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert with COPY; a few rows as one JSON parameter, which saves two round trips."""
        if not rows:
            return
        raw: Any = db.connection.driver_connection
        copies = len(rows) > _FEW and raw.pgconn.pipeline_status == 0
        if not copies and table.name not in _WITH_BYTES:
            self._from_json(db, _postgres_insert(table, tuple(columns)), columns, rows)
            return
        with raw.cursor() as cursor, cursor.copy(_postgres_copy(table.name, tuple(columns))) as copy:
            write = copy.write_row
            for row in encode_columns(table, columns, rows, POSTGRES_ENCODERS):
                write(row)

    def insert_missing(
        self, db: Connection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert from one JSON parameter, leaving existing rows alone."""
        if rows:
            self._from_json(
                db, _postgres_insert(table, tuple(columns)) + " ON CONFLICT DO NOTHING", columns, rows
            )

    def update(
        self,
        db: Connection,
        table: Table,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Update from one JSON parameter."""
        if rows:
            self._from_json(db, _postgres_update(table, tuple(keys), tuple(columns)), (*keys, *columns), rows)

    def add(
        self,
        db: Connection,
        table: Table,
        keys: Sequence[str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        """Upsert from one JSON parameter; the rows come in key order."""
        if not rows:
            return
        named = (*keys, *columns)
        statement = _postgres_insert(table, named) + _on_conflict_add(table.name, tuple(keys), tuple(columns))
        self._from_json(db, statement, named, rows)

    def _from_json(
        self, db: Connection, statement: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        raw: Any = db.connection.driver_connection
        payload = msgspec.json.encode([dict(zip(columns, row, strict=True)) for row in rows]).decode()
        raw.execute(statement, (payload,))

    def select_by_ids(
        self,
        db: Connection,
        table: Table,
        columns: Sequence[str],
        tenant_id: str,
        ids: Sequence[str],
        lock: bool,
        key: str = "id",
    ) -> list[tuple[Any, ...]]:
        """Select with one array parameter."""
        raw: Any = db.connection.driver_connection
        statement = _postgres_select(table, tuple(columns), key, lock)
        rows: list[tuple[Any, ...]] = raw.execute(statement, (tenant_id, list(ids))).fetchall()
        return rows

    def advance(self, db: Connection, tenant_id: str, count: int) -> int:
        """Update the head, which stays locked to the commit."""
        raw: Any = db.connection.driver_connection
        newest: int = raw.execute(_ADVANCE.format(mark="%s"), (count, tenant_id)).fetchone()[0]
        return newest

    def together(self, db: Connection, rows: int) -> AbstractContextManager[Any]:
        """A pipeline for few rows; many go by COPY, which pipelines cannot hold."""
        raw: Any = db.connection.driver_connection
        pipeline: AbstractContextManager[Any] = raw.pipeline() if rows <= _FEW else nullcontext()
        return pipeline


@lru_cache(maxsize=256)
def _sqlite_insert(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({_placeholder_list(len(columns), '?')})"


@lru_cache(maxsize=256)
def _sqlite_update(table: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    sets = ", ".join(f"{column} = ?" for column in columns)
    return f"UPDATE {table} SET {sets} WHERE " + " AND ".join(f"{key} = ?" for key in keys)


@lru_cache(maxsize=2048)
def _sqlite_select(table: str, columns: tuple[str, ...], key: str, count: int) -> str:
    marks = _placeholder_list(count, "?")
    return (
        f"SELECT {', '.join(columns)} FROM {table} WHERE tenant_id = ? AND {key} IN ({marks}) ORDER BY {key}"
    )


@lru_cache(maxsize=256)
def _on_conflict_add(table: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    sets = ", ".join(f'"{column}" = {table}."{column}" + excluded."{column}"' for column in columns)
    return f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"


@lru_cache(maxsize=256)
def _postgres_copy(table: str, columns: tuple[str, ...]) -> str:
    return f"COPY {table} ({', '.join(columns)}) FROM STDIN"


@lru_cache(maxsize=256)
def _record(table: Table, columns: tuple[str, ...]) -> str:
    kind = postgresql.dialect()  # type: ignore[no-untyped-call]
    typed = ", ".join(f"{column} {table.c[column].type.compile(kind)}" for column in columns)
    return f"json_to_recordset(%s::json) AS v({typed})"


@lru_cache(maxsize=256)
def _postgres_insert(table: Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {_record(table, columns)}"


@lru_cache(maxsize=256)
def _postgres_update(table: Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    sets = ", ".join(f"{column} = v.{column}" for column in columns)
    joined = " AND ".join(f"t.{key} = v.{key}" for key in keys)
    return f"UPDATE {table.name} AS t SET {sets} FROM {_record(table, (*keys, *columns))} WHERE {joined}"


@lru_cache(maxsize=256)
def _postgres_select(table: Table, columns: tuple[str, ...], key: str, lock: bool) -> str:
    named = ", ".join(f"{name}::text" if isinstance(table.c[name].type, Id) else name for name in columns)
    suffix = " FOR UPDATE" if lock else ""
    return (
        f"SELECT {named} FROM {table.name} WHERE tenant_id = %s AND {key} = ANY(%s::uuid[])"
        f" ORDER BY {key}{suffix}"
    )


@lru_cache(maxsize=256)
def _result_processors(table: Table, columns: tuple[str, ...], dialect: SqlAlchemyDialect) -> list[Any]:
    return [table.c[name].type.dialect_impl(dialect).result_processor(dialect, None) for name in columns]
