"""A receiver on loopback, and the SDK of this process pointed at it with a spool of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.sdk import api, notices
from headway.sdk.outbox import Outbox
from tests.sdk.receiver import KEY, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that keeps the contract of facts."""
    server = Receiver()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def fresh_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test hears every warning."""
    monkeypatch.setattr(notices, "_told", set())


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own configuration is seen."""
    for name in ("URL", "API_KEY", "PROJECT", "AGENT", "TASK_ID", "DISABLED", "SPOOL_DIR", "SPOOL_BYTES"):
        monkeypatch.delenv(f"HEADWAY_{name}", raising=False)
    monkeypatch.setenv("HEADWAY_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def outbox(receiver: Receiver, tmp_path: Path) -> Iterator[Outbox]:
    """The outbox that `headway.task` and the others use."""
    api.configure(url=receiver.url, api_key=KEY, spool_dir=tmp_path / "spool")
    box = api.outbox()
    yield box
    for handle in list(box.open.values()):
        handle.cancel("the test is over")
    box.end()
    api._outbox = None
