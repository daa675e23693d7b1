"""Copies rows of template tasks inside the database, table by table; `bulk` says which copies and counts them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex

from benchmarks.databases import connect
from headway.store.sql import tables
from headway.store.sql.columns import Moment, id_bytes

if TYPE_CHECKING:
    from benchmarks.bulk import Copy

# Each table with the column that names the task.
COPIED: tuple[tuple[Table, str], ...] = (
    (tables.task, "id"),
    (tables.task_state, "id"),
    (tables.run, "task_id"),
    (tables.entry, "task_id"),
    (tables.llm_call, "task_id"),
    (tables.term, "id"),
)
_STAGE = "hw_bench_copy"
_STEP = 50_000


class Loading(Protocol):
    """One load into an open database."""

    def stage(self, copies: Iterable[Copy]) -> None:
        """Write down which copies are to be made."""

    def expand(self, base_seq: int) -> None:
        """Make the rows of all staged copies, and the indexes; change numbers go on from `base_seq`."""


@contextmanager
def loading(url: str, *, logged: bool) -> Iterator[Loading]:
    """A load into the database at a URL."""
    if url.startswith("sqlite"):
        db = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        try:
            yield _SqliteLoading(db)
        finally:
            db.close()
    else:
        with connect(url) as connection:
            connection.autocommit = True
            yield _PostgresLoading(connection, logged)


def analyze(url: str) -> None:
    """Let the database know how its tables look now, as PostgreSQL's autovacuum would in time."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(url).database or "", isolation_level=None)) as db:
            db.execute("ANALYZE")
        return
    with connect(url) as connection:
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")


def _insert(table: Table, key: str, *, moved: str, changed: str, name: str) -> str:
    """The statement that copies a table's template rows once for each staged copy."""
    made = {
        key: "c.id",
        "change_seq": changed,
        "parent_id": "c.parent",
        "name": name,
    }
    shown = [
        made.get(column.name)
        or (moved.format(f"t.{column.name}") if isinstance(column.type, Moment) else f"t.{column.name}")
        for column in table.columns
    ]
    named = ", ".join(column.name for column in table.columns)
    return (
        f"INSERT INTO {table.name} ({named}) SELECT {', '.join(shown)}"
        f" FROM {_STAGE} c JOIN template_{table.name} t ON t.{key} = c.template"
    )


def _words(moved: str) -> str:
    """The statement that makes each copy findable by the rare word of its name."""
    created = moved.format("t.created_at")
    return (
        f"INSERT INTO hw_term (tenant_id, term, created_at, id) SELECT t.tenant_id, 'w:' || c.word, {created}, c.id"
        f" FROM {_STAGE} c JOIN template_hw_task t ON t.id = c.template"
    )


def _step(what: str, began: float) -> None:
    print(f"  {what}: {time.perf_counter() - began:.1f} s", flush=True)


class _PostgresLoading:
    def __init__(self, db: psycopg.Connection, logged: bool) -> None:
        self._db = db
        self._logged = logged
        for setting in ("maintenance_work_mem = '1GB'", "work_mem = '256MB'", "synchronous_commit = off"):
            db.execute(f"SET {setting}")  # type: ignore[arg-type]

    def _run(self, statement: str) -> None:
        began = time.perf_counter()
        self._db.execute(statement)  # type: ignore[arg-type]
        if time.perf_counter() - began > 2:
            _step(" ".join(statement.split()[:6]), began)

    def stage(self, copies: Iterable[Copy]) -> None:
        began = time.perf_counter()
        self._run(f"DROP TABLE IF EXISTS {_STAGE}")
        self._run(
            f"CREATE UNLOGGED TABLE {_STAGE} (number bigint, id uuid, template uuid,"
            " shift_s integer, parent uuid, word text)"
        )
        rest = iter(copies)
        with self._db.cursor() as cursor, cursor.copy(f"COPY {_STAGE} FROM STDIN") as copy:
            while part := list(islice(rest, _STEP)):
                copy.write("".join([_line(one) for one in part]))
        self._run(f"ANALYZE {_STAGE}")
        _step("staged", began)

    def expand(self, base_seq: int) -> None:
        moved = "{} + c.shift_s * interval '1 second'"
        for table, _ in COPIED:
            self._run(f"CREATE TEMP TABLE template_{table.name} AS SELECT * FROM {table.name}")
            self._run(f"ANALYZE template_{table.name}")
            self._bare(table)
        for table, key in COPIED:
            self._run(
                _insert(
                    table, key, moved=moved, changed=f"{base_seq} + c.number", name="t.name || ' ' || c.word"
                )
            )
        self._run(_words(moved))
        for table, _ in COPIED:
            self._dress(table)
        self._run(f"DROP TABLE {_STAGE}")

    def _bare(self, table: Table) -> None:
        self._run(f"ALTER TABLE {table.name} SET UNLOGGED")
        self._run(f"ALTER TABLE {table.name} DROP CONSTRAINT {table.name}_pkey")
        for index in table.indexes:
            self._run(f"DROP INDEX {index.name}")

    def _dress(self, table: Table) -> None:
        keys = ", ".join(column.name for column in table.primary_key.columns)
        self._run(f"ALTER TABLE {table.name} ADD CONSTRAINT {table.name}_pkey PRIMARY KEY ({keys})")
        for index in table.indexes:
            self._run(str(CreateIndex(index).compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
        if self._logged:
            self._run(f"ALTER TABLE {table.name} SET LOGGED")


def _line(one: Copy) -> str:
    parent = one.parent or r"\N"
    return f"{one.number}\t{one.id}\t{one.template}\t{one.shift_s}\t{parent}\t{one.word}\n"


class _SqliteLoading:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        for pragma in (
            "wal_checkpoint(TRUNCATE)",
            "journal_mode=OFF",
            "synchronous=OFF",
            "cache_size=-1000000",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("PRAGMA temp_store=MEMORY")

    def _run(self, statement: str) -> None:
        began = time.perf_counter()
        self._db.execute(statement)
        if time.perf_counter() - began > 2:
            _step(" ".join(statement.split()[:6]), began)

    def stage(self, copies: Iterable[Copy]) -> None:
        began = time.perf_counter()
        self._run(
            f"CREATE TABLE {_STAGE} (number INTEGER PRIMARY KEY, id BLOB, template BLOB,"
            " shift_s INTEGER, parent BLOB, word TEXT)"
        )
        self._run("BEGIN")
        self._db.executemany(
            f"INSERT INTO {_STAGE} VALUES (?, ?, ?, ?, ?, ?)", (_values(one) for one in copies)
        )
        self._run("COMMIT")
        _step("staged", began)

    def expand(self, base_seq: int) -> None:
        moved = "{} + c.shift_s * 1000000"
        for table, key in COPIED:
            self._run(f"CREATE TEMP TABLE template_{table.name} AS SELECT * FROM {table.name}")
            self._run(f"CREATE INDEX temp.template_{table.name}_key ON template_{table.name} ({key})")
            for index in table.indexes:
                self._run(f"DROP INDEX {index.name}")
        self._run("BEGIN")
        for table, key in COPIED:
            statement = _insert(
                table, key, moved=moved, changed=f"{base_seq} + c.number", name="t.name || ' ' || c.word"
            )
            order = " ORDER BY t.term, c.number" if table is tables.term else ""
            self._run(statement.replace(" JOIN ", " CROSS JOIN ").replace(" ON ", " WHERE ") + order)
        self._run(
            _words(moved).replace(" JOIN ", " CROSS JOIN ").replace(" ON ", " WHERE ") + " ORDER BY c.word"
        )
        self._run("COMMIT")
        for table, _ in COPIED:
            for index in table.indexes:
                self._run(str(CreateIndex(index).compile(dialect=sqlite.dialect())))  # type: ignore[no-untyped-call]
        self._run(f"DROP TABLE {_STAGE}")
        self._db.execute("PRAGMA journal_mode=WAL").fetchall()


def _values(one: Copy) -> tuple[Any, ...]:
    parent = None if one.parent is None else id_bytes(one.parent)
    return (one.number, id_bytes(one.id), id_bytes(one.template), one.shift_s, parent, one.word)
