"""A Headway that was away longer than a lease times nobody out for it; who is really lost is noticed later."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headway import Client
from headway.domain.ids import uuid7
from headway.sdk.transport import Transport
from tests.crash.reckoning import audit
from tests.crash.server import Server

LEASE_S = 3.0
OUTAGE_S = 3.5


class Reporter:
    """A producer that reports one task."""

    def __init__(self) -> None:
        self.task_id = uuid7()
        self._producer = uuid7()
        self._seq = 0

    def report(self, server: Server, *facts: dict[str, Any]) -> dict[str, Any]:
        """What the server answers to these facts, as one batch."""
        numbered = [
            {"seq": self._seq + place, "task_id": self.task_id, "run": 1, **fact}
            for place, fact in enumerate(facts, 1)
        ]
        body = json.dumps({"producer": self._producer, "facts": numbered}).encode()
        transport = Transport(server.url, server.api_key)
        answer = transport.request("POST", "/api/v1/facts", body)
        transport.close()
        assert answer.status == 200, answer.body
        self._seq += len(facts)
        return answer.json()


def fact(kind: str, **values: Any) -> dict[str, Any]:
    """A fact of this moment."""
    return {"kind": kind, "at": datetime.now(UTC).isoformat(), **values}


def let_pass(seconds: float) -> None:
    """Real time goes by: it is what leases are counted in."""
    threading.Event().wait(seconds)


@pytest.mark.crash
@pytest.mark.slow
def test_an_outage_longer_than_a_lease_times_nobody_out(sqlite_url: str, tmp_path: Path) -> None:
    busy, lost = Reporter(), Reporter()
    with Server(tmp_path / "data", sqlite_url, lease_seconds=str(LEASE_S)) as server:
        for reporter in (busy, lost):
            reporter.report(
                server, fact("created", name="work"), fact("started"), fact("progress", progress=10.0)
            )

        server.kill()
        spooled = [fact("progress", progress=80.0)]
        let_pass(OUTAGE_S)
        spooled.append(fact("completed", result={"rows": 3}))
        server.start()
        back_at = datetime.now(UTC)
        reader = Client(server.url, server.api_key)

        assert [reader.get_task(reporter.task_id)["status"] for reporter in (busy, lost)] == ["running"] * 2
        assert busy.report(server, *spooled)["refused"] == []
        ended = reader.get_task(busy.task_id)
        assert (ended["status"], ended["result"]) == ("completed", {"rows": 3})
        assert datetime.fromisoformat(ended["finished_at"]) < back_at, (
            "it ended when it ended, not when it was told"
        )

        given_up = reader.wait(lost.task_id, timeout=60)
        assert (given_up["status"], given_up["inferred"]) == ("timeout", True)

        lost.report(server, fact("failed", error={"message": "the disk was full"}))
        known = reader.get_task(lost.task_id)
        assert (known["status"], known["inferred"]) == ("failed", False)
        assert known["error"]["message"] == "the disk was full"
        reader.close()
        server.stop()

    assert audit(sqlite_url) == []
