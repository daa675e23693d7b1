"""What keeps other web pages out: host names, origins, cookies, single-use sign-in links; keys made and revoked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from headway.domain.ids import uuid7
from tests.interfaces.serving import RunningServer, Tenant, problem, run_task, served


@pytest.fixture
def server(sqlite_server: RunningServer) -> RunningServer:
    """One kind of database is enough here: nothing below depends on it."""
    return sqlite_server


@contextmanager
def signed_in(tenant: Tenant) -> Iterator[httpx.Client]:
    """A browser that followed a fresh sign-in link."""
    with tenant.client() as client:
        link = client.post("/auth/sign-in-links").json()["sign_in_url"]
    with httpx.Client(base_url=tenant.server.url) as browser:
        answer = browser.get(link)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield browser


@pytest.mark.parametrize("host", ["localhost:8400", "127.0.0.1", "[::1]:8400", "app.localhost"])
def test_loopback_names_are_answered(tenant: Tenant, host: str) -> None:
    with tenant.client() as client:
        assert client.get("/me", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"]
)
def test_other_names_are_not_answered(tenant: Tenant, host: str) -> None:
    with tenant.client() as client:
        for method, path in (("GET", "/me"), ("POST", "/facts")):
            answer = client.request(method, path, headers={"Host": host})
            assert problem(answer)[:3] == (403, "foreign-request", "Host")


def test_probes_are_answered_under_any_name(server: RunningServer) -> None:
    answers = [httpx.get(server.url + path, headers={"Host": "10.0.0.7"}) for path in ("/healthz", "/readyz")]

    assert [answer.status_code for answer in answers] == [200, 200]


def test_listed_names_are_answered(tmp_path: Path) -> None:
    with served(
        tmp_path, f"sqlite:///{tmp_path}/a.sqlite3", allowed_hosts="headway.example.com,*.corp.example"
    ) as server:
        tenant = server.tenant()
        with tenant.client() as client:
            codes = [
                client.get("/me", headers={"Host": host}).status_code
                for host in ("headway.example.com", "a.corp.example:80", "corp.example", "other.example.com")
            ]

    assert codes == [200, 200, 403, 403]


def test_a_browser_signs_in_once_and_the_token_leaves_its_address(
    tenant: Tenant, server: RunningServer
) -> None:
    with tenant.client() as client:
        link = client.post("/auth/sign-in-links").json()["sign_in_url"]

    first, second = httpx.get(link), httpx.get(link)

    cookie = first.headers["set-cookie"]
    port = server.url.rpartition(":")[2]
    assert first.status_code == 303
    assert cookie.startswith(f"headway_{port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert first.headers["referrer-policy"] == "no-referrer"
    assert second.status_code == 401
    assert "set-cookie" not in second.headers


def test_the_token_of_a_link_is_never_logged(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, logger="headway.access"),
        signed_in(tenant),
    ):
        pass

    lines = [
        record.getMessage() for record in caplog.records if record.name.startswith(("headway", "uvicorn"))
    ]
    assert [line for line in lines if "/sign-in" in line]
    assert [line for line in lines if "token" in line] == []


def test_a_signed_in_browser_reads_and_changes_from_its_own_page_only(
    tenant: Tenant, server: RunningServer
) -> None:
    with signed_in(tenant) as browser:
        same = {"Origin": server.url}
        codes = {
            "read": browser.get("/api/v1/me").status_code,
            "same origin": browser.post("/api/v1/tasks", json={"name": "a"}, headers=same).status_code,
            "fetch metadata": browser.post(
                "/api/v1/tasks", json={"name": "a"}, headers={"Sec-Fetch-Site": "same-origin"}
            ).status_code,
            "no origin": browser.post("/api/v1/tasks", json={"name": "a"}).status_code,
            "facts, no origin": browser.post("/api/v1/facts", json={}).status_code,
            "other port": browser.post(
                "/api/v1/tasks", json={"name": "a"}, headers={"Origin": "http://127.0.0.1:1"}
            ).status_code,
            "other page": browser.post(
                "/api/v1/tasks", json={"name": "a"}, headers={"Origin": "https://evil.example"}
            ).status_code,
            "null": browser.post("/api/v1/tasks", json={"name": "a"}, headers={"Origin": "null"}).status_code,
        }  # fmt: skip

    assert codes == {
        "read": 200,
        "same origin": 201,
        "fetch metadata": 201,
        "no origin": 403,
        "facts, no origin": 403,
        "other port": 403,
        "other page": 403,
        "null": 403,
    }


def test_no_other_page_may_read(tenant: Tenant) -> None:
    with tenant.client() as client:
        answer = client.get("/me", headers={"Origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


def test_a_listed_page_may_read(tmp_path: Path) -> None:
    origin = "https://app.example.com"
    database_url = f"sqlite:///{tmp_path}/a.sqlite3"
    with (
        served(tmp_path, database_url, cors_origins=origin) as server,
        server.tenant().client() as client,
    ):
        answer = client.get("/me", headers={"Origin": origin})

    assert answer.headers["access-control-allow-origin"] == origin


def test_signing_out_ends_the_session(tenant: Tenant, server: RunningServer) -> None:
    with signed_in(tenant) as browser:
        cookies = dict(browser.cookies)
        assert browser.post("/api/v1/auth/logout", headers={"Origin": server.url}).status_code == 204

        answer = httpx.get(f"{server.url}/api/v1/me", cookies=cookies)

    assert problem(answer)[:2] == (401, "not-authenticated")


def test_a_revoked_key_works_no_more_at_once(tenant: Tenant) -> None:
    made = tenant.key(name="for the importer")
    with tenant.client(made["api_key"]) as client, tenant.client() as owner:
        before = client.get("/me").status_code
        owner.delete(f"/keys/{made['id']}")
        after = [problem(client.get("/me"))[:2], problem(client.post("/facts", json={}))[:2]]

    assert before == 200
    assert after == [(401, "not-authenticated")] * 2


def test_keys_are_shown_once_and_never_wider_than_who_makes_them(tenant: Tenant) -> None:
    viewer, member = tenant.key(role="viewer"), tenant.member()[1]
    with tenant.client() as owner, tenant.client(member) as other, tenant.client(viewer["api_key"]) as looker:
        listed = owner.get("/keys").json()["items"]
        wider = other.post("/keys", json={"name": "a", "role": "owner"})
        own = other.post("/keys", json={"name": "a"}).json()
        widened = looker.post("/keys", json={"name": "a"})
        link = looker.post("/auth/sign-in-links")
        foreign = other.delete(f"/keys/{viewer['id']}")

    assert viewer["api_key"].startswith("hw_")
    assert len(viewer["api_key"]) == 46
    assert viewer["api_key"] not in str(listed)
    assert problem(wider)[:2] == (403, "not-allowed")
    assert own["role"] == "member"
    assert problem(widened)[:2] == (403, "not-allowed")
    assert problem(link)[:2] == (403, "not-allowed")
    assert problem(foreign)[:2] == (404, "not-found")


def test_hostile_texts_come_back_as_the_texts_they_are(tenant: Tenant) -> None:
    name = "<script>alert(1)</script> \u202e \x1b[31m '; DROP TABLE hw_task; --"
    with tenant.client() as client:
        task_id = run_task(client, name=name)
        answer = client.get(f"/tasks/{task_id}")

    assert answer.json()["name"] == name
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/page.css", "/page/icon.svg"])
def test_the_page_needs_no_other_host_and_no_inline_script(server: RunningServer, path: str) -> None:
    answer = httpx.get(server.url + path)

    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "https://" not in answer.text
    assert "innerHTML" not in answer.text


@pytest.mark.parametrize(
    "path", ["/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]
)
def test_the_documentation_comes_from_this_server_alone(server: RunningServer, path: str) -> None:
    answer = httpx.get(server.url + path)

    assert answer.status_code == 200
    if path == "/docs":
        assert "http" not in answer.text
        assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_parts_that_the_page_does_not_have_are_not_found(server: RunningServer) -> None:
    for path in (
        "/page/page.html",
        "/page/..%2f__init__.py",
        "/docs/..%2f..%2f__init__.py",
        f"/page/{uuid7()}",
    ):
        assert httpx.get(server.url + path).status_code == 404
