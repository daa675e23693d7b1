"""Throw-away databases of both kinds. PostgreSQL is a given server, the one of this machine, or one of our own."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.postgres import LOCAL_URL, NoPostgres, OwnServer, answers, binary_folders

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
KINDS = {"sqlite": SQLITE, "postgresql": POSTGRES}


class _DurableServer(OwnServer):
    """A server of our own that waits for the disk, unlike the one for tests."""

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "--wait", "--log", log, "--options", options)


@contextmanager
def _server() -> Iterator[str]:
    given = os.environ.get("HEADWAY_TEST_POSTGRES")
    if given and given != "own":
        yield given
    elif given != "own" and answers(LOCAL_URL):
        yield LOCAL_URL
    else:
        folder = next((found for found in binary_folders() if (found / "initdb").exists()), None)
        if folder is None:
            raise NoPostgres("no PostgreSQL answers, and none is installed")
        server = _DurableServer(folder)
        server.start()
        try:
            yield server.url
        finally:
            server.stop("fast")
            server.remove()


@contextmanager
def fresh(kind: str, *, keep: bool = False) -> Iterator[str]:
    """The URL of an empty database of a kind ("sqlite" or "postgresql"), gone afterwards unless kept."""
    with _sqlite(keep) if kind == "sqlite" else _postgres(keep) as url:
        yield url
        if keep:
            print(f"kept: {url}")


@contextmanager
def _sqlite(keep: bool) -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="hw_bench_")
    try:
        yield f"sqlite:///{(Path(folder) / 'headway.sqlite3').as_posix()}"
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgres(keep: bool) -> Iterator[str]:
    name = f"hw_bench_{secrets.token_hex(6)}"
    with _server() as admin:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_url(admin).set(database=name).render_as_string(hide_password=False)
        finally:
            if not keep:
                with psycopg.connect(admin, autocommit=True) as connection:
                    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                    connection.execute(drop.format(sql.Identifier(name)))


def connect(url: str) -> psycopg.Connection:
    """A psycopg connection to a PostgreSQL URL, in UTC."""
    return psycopg.connect(url, options="-c timezone=UTC")
