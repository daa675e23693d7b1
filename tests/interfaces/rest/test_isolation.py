"""Every operation of the OpenAPI document, tried without a credential, with dead ones, and with those of others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from headway.domain.ids import uuid7
from headway.services.accounts import KEY_PREFIX, mint_secret
from headway.services.identity import hash_of
from tests.interfaces.serving import RunningServer, Tenant, batch, fact, problem, send

FACTS = "/api/v1/facts"
OPEN = {"/healthz", "/readyz"}
WRITES_OF_VIEWERS = {"/api/v1/auth/logout", "/api/v1/auth/sign-in-links"}  # of their own browser
BODIES: dict[str, Any] = {
    "/api/v1/tasks": {"name": "a"},
    "/api/v1/tasks/{task_id}": {"progress": 1},
    "/api/v1/tasks/{task_id}/cancel": {"reason": "why"},
    "/api/v1/tasks/{task_id}/logs": {"message": "x"},
    "/api/v1/tasks/{task_id}/llm-calls": {"provider": "p", "model": "m"},
    "/api/v1/tasks/{task_id}/metrics": {"name": "m", "value": 1},
    "/api/v1/tasks/{task_id}/artifacts": {"name": "a"},
    "/api/v1/tasks/{task_id}/runs": {"rounds": 1},
    "/api/v1/projects": {"name": "a"},
    "/api/v1/projects/{project}": {"name": "b"},
    "/api/v1/keys": {"name": "k"},
}


class Treasure:
    """What a tenant has and nobody else may see."""

    def __init__(self, tenant: Tenant) -> None:
        self.word = f"secret{uuid7()[-12:]}"
        self.task_id, self.artifact_id = uuid7(), uuid7()
        with tenant.client() as client:
            send(
                client,
                fact(
                    "created",
                    self.task_id,
                    1,
                    name=self.word,
                    project=self.word,
                    agent=self.word,
                    labels={"a": self.word},
                ),
                fact("started", self.task_id, 2),
                fact("log", self.task_id, 3, message=self.word),
                fact("artifact", self.task_id, 4, id=self.artifact_id, name=self.word, content=self.word),
                fact("metric", self.task_id, 5, name=self.word, value=1),
                fact("llm_call", self.task_id, 6, provider=self.word, model=self.word),
            )
            self.key_id = client.get("/keys").json()["items"][0]["id"]
            self.project_id = client.get(f"/projects/{self.word}").json()["id"]

    def path(self, template: str, *, project: str | None = None) -> str:
        values = {
            "task_id": self.task_id,
            "artifact_id": self.artifact_id,
            "project": project or self.word,
            "key_id": self.key_id,
        }
        return template.format(**values)

    def hidden_from(self, answer: httpx.Response) -> bool:
        known = (self.word, self.task_id, self.artifact_id, self.project_id, self.key_id)
        return not any(each in answer.text for each in known)


def operations(server: RunningServer) -> Iterator[tuple[str, str]]:
    for path, found in server.app.openapi()["paths"].items():
        for method in found:
            if path not in OPEN:
                yield method.upper(), path


def body_of(method: str, path: str, task_id: str) -> Any:
    if path == FACTS:
        return batch(fact("log", task_id, 1, message="x"))
    if path == "/api/v1/tasks/bulk":
        return {"action": "delete", "ids": [task_id], "dry_run": False}
    return BODIES.get(path, {}) if method in ("POST", "PATCH") else None


def ask(
    server: RunningServer, method: str, path: str, treasure: Treasure, key: str | None, **how: Any
) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    body = body_of(method, path, treasure.task_id)
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        with client.stream(method, treasure.path(path, **how), json=body) as answer:
            if answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer._content = next(answer.iter_bytes())
            else:
                answer.read()
        return answer


def dead_keys(server: RunningServer, tenant: Tenant) -> dict[str, str | None]:
    """Credentials that do not hold: none, invented, expired, revoked."""
    accounts, now = server.services.store.accounts, datetime.now(UTC)
    user = server.call(accounts.get_user(tenant.id, tenant.user_id))
    assert user is not None
    expired = KEY_PREFIX + mint_secret()
    kept = {
        "name": "old",
        "role": None,
        "now": now - timedelta(days=2),
        "expires_at": now - timedelta(days=1),
    }
    server.call(accounts.add_key(user=user, key_hash=hash_of(expired), **kept))
    revoked = tenant.key()
    with tenant.client(revoked["api_key"]) as client:
        assert client.get("/me").status_code == 200
        assert client.delete(f"/keys/{revoked['id']}").status_code == 204
    return {
        "none": None,
        "invented": KEY_PREFIX + mint_secret(),
        "expired": expired,
        "revoked": revoked["api_key"],
    }


def test_nothing_answers_without_a_valid_credential(server: RunningServer) -> None:
    tenant = server.tenant()
    treasure, keys = Treasure(tenant), dead_keys(server, tenant)

    wrong = []
    for method, path in operations(server):
        for name, key in keys.items():
            answer = ask(server, method, path, treasure, key)
            if problem(answer)[:2] != (401, "not-authenticated") or not treasure.hidden_from(answer):
                wrong.append((method, path, name, answer.status_code))

    assert wrong == []


@pytest.mark.parametrize("foreigner", ["another tenant", "another member"])
def test_nothing_of_others_is_seen_or_changed(server: RunningServer, foreigner: str) -> None:
    tenant = server.tenant()
    treasure = Treasure(tenant)
    key = server.tenant().api_key if foreigner == "another tenant" else tenant.member()[1]
    with tenant.client() as owner:
        before = owner.get(f"/tasks/{treasure.task_id}").json()

    leaks, unexpected = [], []
    # Facts come last: in a tenant of one's own the same task id is one's own task.
    for method, path in sorted(operations(server), key=lambda operation: operation[1] == FACTS):
        answer = ask(server, method, path, treasure, key)
        if not _echoes_only(path, answer, treasure):
            leaks.append((method, path, answer.text))
        if "{" in path and answer.status_code != 404:
            unexpected.append((method, path, answer.status_code))
        if answer.status_code >= 500:
            unexpected.append((method, path, answer.status_code))

    assert leaks == []
    assert unexpected == []
    with tenant.client() as owner:
        after = owner.get(f"/tasks/{treasure.task_id}").json()
        assert len(owner.get(f"/tasks/{treasure.task_id}/logs").json()["items"]) == 1
    assert {**after, "duration_seconds": None} == {**before, "duration_seconds": None}


def _echoes_only(path: str, answer: httpx.Response, treasure: Treasure) -> bool:
    """Whether the answer shows nothing but what the request itself named."""
    if path == FACTS:
        return treasure.word not in answer.text
    return treasure.hidden_from(answer)


def test_a_viewer_changes_nothing(server: RunningServer) -> None:
    tenant = server.tenant()
    treasure = Treasure(tenant)
    viewer = tenant.key(role="viewer")["api_key"]
    with tenant.client() as owner:
        before = owner.get(f"/tasks/{treasure.task_id}").json()

    wrong = []
    for method, path in operations(server):
        answer = ask(server, method, path, treasure, viewer)
        if method != "GET" and path not in WRITES_OF_VIEWERS and problem(answer)[:2] != (403, "not-allowed"):
            wrong.append((method, path, answer.status_code, answer.text))

    assert wrong == []
    with tenant.client() as owner:
        after = owner.get(f"/tasks/{treasure.task_id}").json()
    assert {**after, "duration_seconds": None} == {**before, "duration_seconds": None}


def test_what_a_member_does_the_owner_sees_and_another_member_does_not(server: RunningServer) -> None:
    tenant = server.tenant()
    (_, mine), (_, other) = tenant.member(), tenant.member()
    task_id = uuid7()
    with tenant.client(mine) as client:
        send(client, fact("created", task_id, 1, name="mine", project="shop"))

    seen = {}
    for name, key in {"owner": tenant.api_key, "self": mine, "other": other}.items():
        with tenant.client(key) as client:
            seen[name] = (
                client.get(f"/tasks/{task_id}").status_code,
                len(client.get("/tasks").json()["items"]),
                client.get("/dashboard/stats").json()["total_tasks"],
                len(client.get("/projects").json()["items"]),
                len(client.get("/agents").json()["items"]),
            )

    assert seen == {"owner": (200, 1, 1, 1, 1), "self": (200, 1, 1, 1, 1), "other": (404, 0, 0, 0, 0)}


def test_a_cursor_of_one_user_is_of_no_use_to_another(server: RunningServer) -> None:
    tenant, stranger = server.tenant(), server.tenant()
    for _ in range(2):
        Treasure(tenant)
        Treasure(stranger)
    with tenant.client() as client, stranger.client() as other:
        cursors = {
            "/tasks": ("cursor", client.get("/tasks?limit=1").json()["next_cursor"]),
            "/runs": ("cursor", client.get("/runs?limit=1").json()["next_cursor"]),
            "/projects": ("cursor", client.get("/projects?limit=1").json()["next_cursor"]),
            "/changes": ("after", client.get("/changes").json()["cursor"]),
            "/stream": ("after", client.get("/changes").json()["cursor"]),
        }
        answers = {path: other.get(path, params={name: cursor}) for path, (name, cursor) in cursors.items()}

    assert {path: problem(answer)[:2] for path, answer in answers.items()} == dict.fromkeys(
        cursors, (400, "invalid-cursor")
    )
