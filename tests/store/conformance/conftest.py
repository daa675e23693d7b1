"""Every test of this folder runs on each ledger, as a tenant of its own or on a ledger of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from inspect import signature
from pathlib import Path

import pytest
import pytest_asyncio

from headway.store.opening import open_store
from headway.store.port import Store
from tests.domain.building import LEASE
from tests.store.conformance.ledgers import LEDGERS, LedgerKind
from tests.store.conformance.scene import Scene, new_scene


@pytest.fixture(scope="session", params=sorted(LEDGERS))
def kind(request: pytest.FixtureRequest) -> LedgerKind:
    return LEDGERS[request.param]


@pytest.fixture(scope="session")
def template_url(
    kind: LedgerKind, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    def admin_url() -> str:
        url: str = request.getfixturevalue("postgres_admin_url")
        return url

    with kind.template(tmp_path_factory.mktemp("template"), admin_url) as url:
        yield url


@pytest.fixture
def copy(kind: LedgerKind, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes a ledger with the rows of another one, as restoring a backup does."""
    with ExitStack() as copies:
        yield lambda url: copies.enter_context(kind.copy(url, tmp_path))


@pytest.fixture(scope="session")
def shared_url(
    kind: LedgerKind, template_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with kind.copy(template_url, tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture
def url(
    request: pytest.FixtureRequest, copy: Callable[[str], str], template_url: str, shared_url: str
) -> str:
    """A ledger without a row for a test that asks for its URL or for copies, else one that tests share."""
    own = {"url", "copy"} & signature(request.function).parameters.keys()
    return copy(template_url) if own else shared_url


@pytest_asyncio.fixture
async def opened(url: str) -> AsyncIterator[Callable[..., Store]]:
    """Opens ledgers, by default the test's own, and closes them after the test."""
    stores: list[Store] = []

    async def open_one(which: str = url) -> Store:
        store = open_store(which, lease=LEASE, readers=2)
        stores.append(store)
        await store.ledger.open()
        return store

    yield open_one
    for store in stores:
        await store.ledger.close()


@pytest_asyncio.fixture
async def store(opened: Callable[..., Store]) -> Store:
    return await opened()


@pytest_asyncio.fixture
async def scene(store: Store) -> Scene:
    """A tenant on the test's ledger."""
    return await new_scene(store)
