"""Connections: who may write, who reads, in which thread, and what a driver's error means for the caller.

SQLite has one writer that always starts BEGIN IMMEDIATE; PostgreSQL has a pool. Callers are async, drivers are
not: each piece of work runs as one function in a thread, so a transaction never waits for the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from headway.domain.errors import DataRefused, InvalidInput, StoreUnavailable
from headway.store.sql.dialect import Dialect, PostgresDialect, SqliteDialect

T = TypeVar("T")
_log = logging.getLogger(__name__)
_TRIES = 8  # of a transaction that lost a race
_WAL_BYTES = 64_000_000
_CHECK_WAL_EVERY = 64  # commits
_UNENCODABLE = (OverflowError, UnicodeError)  # a number or text that no driver can hand over
_UNIQUE = "23505"  # two first touches of one row; the next try finds it


class Database:
    """One opened database with its threads."""

    def __init__(self, url: str, *, readers: int = 4) -> None:
        """Prepare the connections to `sqlite:///path` or `postgresql://…`; none is made yet."""
        parsed = make_url(url)
        self.url = url
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.path = parsed.database if self.is_sqlite else None
        self.dialect: Dialect = SqliteDialect() if self.is_sqlite else PostgresDialect()
        self._commits = 0
        writers = 1 if self.is_sqlite else 2
        self._write_threads = ThreadPoolExecutor(writers, thread_name_prefix="headway-write")
        self._read_threads = ThreadPoolExecutor(readers, thread_name_prefix="headway-read")
        if self.is_sqlite:
            if not self.path or self.path == ":memory:":
                raise InvalidInput(
                    "SQLite needs a file: sqlite:///path/to/headway.db", field="HEADWAY_DATABASE_URL"
                )
            self.writer = sqlite_engine(url, size=1, immediate=True)
            self.reader = sqlite_engine(url, size=readers, immediate=False)
        else:
            self.writer = postgres_engine(url, size=writers)
            self.reader = postgres_engine(url, size=readers, options="-c plan_cache_mode=force_custom_plan")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work in one writing transaction; lost races are tried again.

        Raises:
            DataRefused: The database refuses a value of the work.
            StoreUnavailable: The database cannot be reached or stays locked.
        """
        return await asyncio.get_running_loop().run_in_executor(self._write_threads, self._write, work)

    async def read(self, work: Callable[[Connection], T], *, steady: bool = False) -> T:
        """Run work in one reading transaction; `steady` gives all its statements the same snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._read, work, steady)

    def _write(self, work: Callable[[Connection], T]) -> T:
        for attempt in range(_TRIES):
            try:
                with self.writer.connect() as db:
                    result = _transact(db, work)
                self._after_commit()
                return result
            except (DBAPIError, sqlite3.Error, PoolTimeout, *_UNENCODABLE, driver_error()) as error:
                failure = meaning_of(error)
                if not isinstance(failure, _LostRace) or attempt == _TRIES - 1:
                    raise (failure.given_up() if isinstance(failure, _LostRace) else failure) from error
                time.sleep(random.uniform(0, 0.01) * 2**attempt)
        raise AssertionError("unreachable")

    def _read(self, work: Callable[[Connection], T], steady: bool) -> T:
        try:
            with self.reader.connect() as db:
                if steady and not self.is_sqlite:
                    db = db.execution_options(isolation_level="REPEATABLE READ")
                return _transact(db, work)
        except (DBAPIError, sqlite3.Error, PoolTimeout, *_UNENCODABLE, driver_error()) as error:
            failure = meaning_of(error)
            raise (failure.given_up() if isinstance(failure, _LostRace) else failure) from error

    def _after_commit(self) -> None:
        """Truncate a SQLite WAL that has grown: readers never outlive a page, so this soon succeeds."""
        if not self.is_sqlite:
            return
        self._commits += 1
        if self._commits % _CHECK_WAL_EVERY:
            return
        try:
            large = os.path.getsize(f"{self.path}-wal") > _WAL_BYTES
        except OSError:
            return
        if large:
            with self.writer.connect() as db:
                raw: Any = db.connection.driver_connection
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Finish running work and close every connection."""
        await asyncio.to_thread(self._write_threads.shutdown)
        await asyncio.to_thread(self._read_threads.shutdown)
        self.writer.dispose()
        self.reader.dispose()


def _transact(db: Connection, work: Callable[[Connection], T]) -> T:
    try:
        with db.begin():
            return work(db)
    except BaseException:
        raw: Any = db.connection.driver_connection if not db.invalidated and not db.closed else None
        if raw is not None and getattr(raw, "closed", False) is True:
            db.invalidate()
        raise


def sqlite_engine(url: str, *, size: int, immediate: bool) -> Engine:
    """An engine whose transactions start as asked and whose commits are durable."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        connect_args={
            "check_same_thread": False,
            "isolation_level": None,
            "timeout": 15,
            "cached_statements": 512,
        },
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=15000",
            "cache_size=-32000",
            "temp_store=MEMORY",
            "wal_autocheckpoint=4000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(db: Connection) -> None:
        db.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def postgres_engine(url: str, *, size: int, options: str = "") -> Engine:
    """A pool of psycopg connections in UTC that give up a lock after ten seconds.

    Readers plan each query for its values: a generic plan does not know a rare word from a common one, and took
    500 instead of 5 ms among ten million tasks. What writers do looks up keys, for which one plan is good.
    """
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(
        parsed,
        pool_size=size,
        max_overflow=2,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"options": f"-c timezone=UTC -c lock_timeout=10000 {options}", "connect_timeout": 5},
    )


def driver_error() -> type[BaseException]:
    """The base of psycopg's errors, or of sqlite3's where psycopg is not installed."""
    try:
        import psycopg
    except ImportError:
        return sqlite3.Error
    return psycopg.Error


class _LostRace(Exception):
    """Another transaction was faster; the same work may succeed now."""

    def given_up(self) -> StoreUnavailable:
        """The error once trying again has not helped."""
        return StoreUnavailable(f"the database stayed locked: {self}", retry_after_s=1)


def meaning_of(error: BaseException) -> StoreUnavailable | DataRefused | _LostRace:
    """What a driver's error means: the value, the moment or the connection is at fault."""
    original: BaseException = getattr(error, "orig", None) or error
    first_line = str(original).partition("\n")[0]
    if isinstance(
        original, (*_UNENCODABLE, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError)
    ):
        return DataRefused(f"the database refuses a value: {first_line}")
    if isinstance(original, sqlite3.OperationalError):
        busy = "locked" in first_line or "busy" in first_line
        return (
            _LostRace(first_line)
            if busy
            else StoreUnavailable(f"the database failed: {first_line}", retry_after_s=2)
        )
    state: str = getattr(original, "sqlstate", None) or ""
    if state == _UNIQUE or state[:2] in ("40", "55"):
        return _LostRace(first_line)
    unsent = not state and type(original).__name__ in (
        "DataError",
        "ProgrammingError",
    )  # the driver refuses it
    if unsent or state[:2] in ("22", "23", "54"):  # 54: too large for an index
        return DataRefused(f"the database refuses a value: {first_line}")
    _log.warning("the database is not available: %s", first_line)
    return StoreUnavailable(f"the database is not available: {first_line}", retry_after_s=2)
