"""The tests' own PostgreSQL: it must come up on a machine that has no server running."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import psycopg
import pytest

from tests.postgres import BINARIES_PACKAGE, OWN, OwnServer, fresh_database, postgres_server


def test_a_server_of_our_own_starts_and_takes_databases() -> None:
    with (
        postgres_server(OWN) as admin_url,
        fresh_database(admin_url) as url,
        psycopg.connect(url) as connection,
    ):
        row = connection.execute(
            "SELECT current_database(), current_setting('server_version_num')::int"
        ).fetchone()

    assert row is not None
    assert row[0] == url.rpartition("/")[2]
    assert row[1] >= 140_000


def test_the_packaged_binaries_survive_a_crash() -> None:
    package = importlib.util.find_spec(BINARIES_PACKAGE)
    if package is None or package.origin is None:
        pytest.skip(f"there is no {BINARIES_PACKAGE} for this kind of machine")
    server = OwnServer(Path(package.origin).parent / "pginstall" / "bin")
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (1)")
        server.stop("immediate")

        server.start()

        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchall() == [(1,)]
        server.stop()
    finally:
        server.remove()


def test_a_fresh_database_is_gone_afterwards(postgres_admin_url: str) -> None:
    with fresh_database(postgres_admin_url) as url:
        name = url.rpartition("/")[2]

    with psycopg.connect(postgres_admin_url) as connection:
        left = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchall()

    assert left == []
