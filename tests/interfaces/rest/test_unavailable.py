"""A server that cannot do its work right now says so with 503 and when to come again, and is well again after."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from headway.domain.ids import uuid7
from tests.interfaces.serving import batch, fact, problem, send, served
from tests.postgres import fresh_database, own_server

LARGE = 600_000


def unavailable(answer: httpx.Response, name: str) -> bool:
    return problem(answer)[:2] == (503, name) and int(answer.headers["retry-after"]) >= 1


@pytest.mark.slow
def test_without_its_database_every_request_is_503_until_it_is_back(tmp_path: Path) -> None:
    task_id, producer = uuid7(), uuid7()
    with own_server() as database, fresh_database(database.url) as url, served(tmp_path, url) as server:
        tenant = server.tenant()
        with tenant.client() as client:
            send(client, fact("created", task_id, 1, name="a"), producer=producer)
            database.stop()
            away = {
                "facts": unavailable(
                    client.post("/facts", json=batch(fact("started", task_id, 2), producer=producer)),
                    "store-unavailable",
                ),
                "read": unavailable(client.get(f"/tasks/{task_id}"), "store-unavailable"),
                "write": unavailable(client.post("/tasks", json={"name": "b"}), "store-unavailable"),
                "ready": unavailable(httpx.get(f"{server.url}/readyz"), "store-unavailable"),
                "alive": httpx.get(f"{server.url}/healthz").status_code == 200,
            }
            database.start()
            ready = httpx.get(f"{server.url}/readyz").status_code
            told = send(client, fact("started", task_id, 2), producer=producer)
            status = client.get(f"/tasks/{task_id}").json()["status"]

    assert away == dict.fromkeys(away, True)
    assert (ready, told["acked_seq"], status) == (200, 2, "running")


def test_more_than_fits_into_memory_at_once_is_503(tmp_path: Path) -> None:
    task_id = uuid7()
    logs = [fact("log", task_id, seq, message="x" * 9_000) for seq in range(1, LARGE // 9_000)]
    body = json.dumps(batch(*logs)).encode()
    with served(
        tmp_path, f"sqlite:///{tmp_path}/a.sqlite3", queue_bytes=1_000_000, batch_bytes=1_000_000
    ) as server:
        tenant = server.tenant()
        place = urlsplit(server.url)
        head = (
            f"POST /api/v1/facts HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {tenant.api_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        with socket.create_connection((place.hostname, place.port)) as slow, tenant.client() as client:
            client.get("/me")
            slow.sendall(head + body[:1000])
            answer = client.post("/facts", content=body, headers={"Content-Type": "application/json"})
            while answer.status_code == 200:  # the slow request may not have been read so far yet
                answer = client.post("/facts", content=body, headers={"Content-Type": "application/json"})
            slow.sendall(body[1000:])
            slow.settimeout(30)
            first = slow.recv(100)
            again = client.post("/facts", content=body, headers={"Content-Type": "application/json"})

    assert unavailable(answer, "overloaded")
    assert first.startswith(b"HTTP/1.1 200")
    assert again.status_code == 200
