"""One server on each kind of database for all tests of the stream; each test gets a tenant of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interfaces.serving import RunningServer, Tenant, served
from tests.postgres import fresh_database


@pytest.fixture(scope="session")
def sqlite_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("live")
    with served(folder, f"sqlite:///{(folder / 'headway.sqlite3').as_posix()}") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_live(
    tmp_path_factory: pytest.TempPathFactory, postgres_admin_url: str
) -> Iterator[RunningServer]:
    with fresh_database(postgres_admin_url) as url, served(tmp_path_factory.mktemp("live"), url) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> RunningServer:
    """A running server on each kind of database in turn."""
    found: RunningServer = request.getfixturevalue(
        {"sqlite": "sqlite_live", "postgresql": "postgres_live"}[request.param]
    )
    return found


@pytest.fixture
def tenant(server: RunningServer) -> Tenant:
    """A new tenant."""
    return server.tenant()
