"""The live stream over real HTTP: what it tells, how it resumes, and that the slow and the many hurt nobody."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headway.domain.ids import uuid7
from headway.interfaces.live import channels, stream
from headway.services import feed
from tests.interfaces.live.watching import tasks_of, watching
from tests.interfaces.serving import RunningServer, Tenant, fact, run_task, send, served
from tests.postgres import fresh_database


def test_a_change_is_told_as_the_task_is_now(tenant: Tenant) -> None:
    with tenant.client() as client, watching(tenant) as watcher:
        first = watcher.next()
        task_id = run_task(client, "started", name="<b>Import</b>", input={"a": 1}, metadata={"b": 2})
        told = tasks_of(watcher.until_told(task_id)[-1])[0]
        listed = client.get("/tasks").json()["items"][0]

    assert watcher.answer.headers["content-type"].startswith("text/event-stream")
    assert watcher.answer.headers["x-accel-buffering"] == "no"
    assert (first.name, first.data["running"]) == ("overview", 0)
    assert {**told, "duration_seconds": None} == {**listed, "duration_seconds": None}
    assert told["name"] == "<b>Import</b>"
    assert not {"input", "metadata", "result", "error"} & set(told)


def test_counters_are_told_when_they_change(tenant: Tenant) -> None:
    with tenant.client() as client, watching(tenant) as watcher:
        run_task(client, "started")
        run_task(client, "started", "completed")
        seen = watcher.until(lambda event: event.name == "overview" and event.data["completed"] == 1)

    assert (seen[-1].data["running"], seen[-1].data["completed"], seen[-1].data["failed"]) == (1, 1, 0)


def test_a_deleted_task_is_told(tenant: Tenant) -> None:
    with tenant.client() as client:
        task_id = run_task(client, "started", "completed")
        with watching(tenant) as watcher:
            watcher.next()
            client.delete(f"/tasks/{task_id}")
            seen = watcher.until(lambda event: event.name == "tasks" and event.data["deleted"] != [])

    assert seen[-1].data["deleted"] == [task_id]


@pytest.mark.parametrize("by_header", [True, False])
def test_a_lost_stream_resumes_without_missing_a_change(tenant: Tenant, by_header: bool) -> None:
    with tenant.client() as client:
        with watching(tenant) as watcher:
            first = run_task(client)
            cursor = watcher.until_told(first)[-1].cursor
        missed = [run_task(client) for _ in range(300)]
        how = {"headers": {"Last-Event-ID": cursor}} if by_header else {"params": {"after": cursor}}
        with watching(tenant, **how) as watcher:
            seen = watcher.until_told(missed[-1])

    told = [task["id"] for event in seen for task in tasks_of(event)]
    assert sorted(told) == sorted(missed)


def test_a_task_that_changed_often_is_told_once_at_its_newest(tenant: Tenant) -> None:
    with tenant.client() as client:
        cursor = client.get("/changes").json()["cursor"]
        task_id = uuid7()
        send(client, fact("created", task_id, 1, name="a"))
        for number in range(1, 50):
            client.patch(f"/tasks/{task_id}", json={"progress": number})
        with watching(tenant, params={"after": cursor}) as watcher:
            seen = watcher.until_told(task_id)

    assert [task["progress"] for event in seen for task in tasks_of(event)] == [49]


def test_a_cursor_from_before_a_change_of_access_is_answered_with_resync(tenant: Tenant) -> None:
    with tenant.client() as client:
        cursor = client.get("/changes").json()["cursor"]
    _raise_access_epoch(tenant)

    with watching(tenant, tenant.key()["api_key"], params={"after": cursor}) as watcher:
        seen = watcher.until(lambda event: event.name == "resync")
        with tenant.client() as client:
            task_id = run_task(client)
        after = watcher.until_told(task_id)

    assert seen[-1].cursor != cursor
    assert after[-1].name == "tasks"


def _raise_access_epoch(tenant: Tenant) -> None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    url = make_url(tenant.server.settings.database_url)
    engine = create_engine(
        url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url
    )
    with engine.begin() as db:
        db.execute(text("UPDATE hw_user SET access_epoch = access_epoch + 1 WHERE email = 'owner@localhost'"))
    engine.dispose()


def test_each_sees_only_what_is_visible_to_them(server: RunningServer) -> None:
    tenant, stranger = server.tenant(), server.tenant()
    _, member = tenant.member()
    with (
        tenant.client() as owner,
        tenant.client(member) as other,
        stranger.client() as foreign,
        watching(tenant) as all_of_it,
        watching(tenant, member) as own,
        watching(stranger) as elsewhere,
    ):
        theirs = run_task(owner)
        mine = run_task(other)
        afar = run_task(foreign)
        seen = {
            "owner": all_of_it.until_told(mine),
            "member": own.until_told(mine),
            "stranger": elsewhere.until_told(afar),
        }

    told = {who: {task["id"] for event in events for task in tasks_of(event)} for who, events in seen.items()}
    assert told == {"owner": {theirs, mine}, "member": {mine}, "stranger": {afar}}


def test_a_commit_of_another_process_is_told(tmp_path: Path, postgres_admin_url: str) -> None:
    with (
        fresh_database(postgres_admin_url) as url,
        served(tmp_path, url) as watched,
        served(tmp_path, url) as other,
    ):
        tenant = watched.tenant()
        elsewhere = Tenant(server=other, id=tenant.id, user_id=tenant.user_id, api_key=tenant.api_key)
        with watching(tenant) as watcher, elsewhere.client() as client:
            watcher.next()
            task_id = run_task(client)
            seen = watcher.until_told(task_id)

    assert seen[-1].name == "tasks"


def test_silence_is_filled_with_heartbeats(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.1)

    with watching(tenant) as watcher:
        seen = [watcher.next() for _ in range(3)]

    assert [event.name for event in seen] == ["overview", "heartbeat", "heartbeat"]


def test_a_stream_ends_soon_after_its_key_is_revoked(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(stream, "ACCESS_S", 0.2)
    made = tenant.key()

    with tenant.client() as owner, watching(tenant, made["api_key"]) as watcher:
        watcher.next()
        owner.delete(f"/keys/{made['id']}")
        rest = watcher.rest()

    assert {event.name for event in rest} <= {"heartbeat"}


def test_a_stopping_server_ends_its_streams(tmp_path: Path) -> None:
    with served(tmp_path, f"sqlite:///{tmp_path}/a.sqlite3") as server, watching(server.tenant()) as watcher:
        watcher.next()
        server.ask_to_stop()
        rest = watcher.rest()

    assert rest == []


def test_what_changes_faster_than_it_can_be_told_is_a_resync(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "PAGE", 10)
    monkeypatch.setattr(channels, "PAGES_AT_ONCE", 2)
    with tenant.client() as client, watching(tenant) as watcher:
        watcher.next()
        many = [fact("created", uuid7(), seq, name="a") for seq in range(1, 201)]
        send(client, *many)
        seen = watcher.until(lambda event: event.name == "resync")
        task_id = run_task(client)
        after = watcher.until_told(task_id)

    assert seen[-1].cursor is not None
    assert after[-1].data["tasks"][-1]["id"] == task_id


def test_a_client_that_fell_behind_reads_on_in_the_feed(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "KEPT_BYTES", 1)  # a channel keeps its newest frame alone
    with tenant.client() as client, watching(tenant) as slow, watching(tenant) as quick:
        slow.next()
        ids = []
        for _ in range(20):
            ids.append(run_task(client, name="x" * 255))
            quick.until_told(ids[-1])
        seen = slow.until_told(ids[-1])

    assert {task["id"] for event in seen for task in tasks_of(event)} == set(ids)


def test_many_clients_that_read_nothing_do_not_hold_up_the_others(tenant: Tenant) -> None:
    place = urlsplit(tenant.server.url)
    request = (
        f"GET /api/v1/stream HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {tenant.api_key}\r\n\r\n"
    ).encode()
    silent = [socket.create_connection((place.hostname, place.port)) for _ in range(200)]
    try:
        for connection in silent:
            connection.sendall(request)
        with tenant.client() as client, watching(tenant) as watcher:
            watcher.next()
            for _ in range(20):
                task_id = run_task(client, *["log"] * 50)
                watcher.until_told(task_id)
            total = client.get("/tasks?count=true&limit=1").json()["total"]
    finally:
        for connection in silent:
            connection.close()

    assert total == 20


def test_listeners_are_woken_by_their_own_tenant_alone() -> None:
    listening = feed.Feed(ledger=None)  # type: ignore[arg-type]  nothing is polled here
    with (
        listening.listen("mine") as mine,
        listening.listen("mine") as too,
        listening.listen("theirs") as theirs,
    ):
        listening.wake("mine")

        assert [listener._event.is_set() for listener in (mine, too, theirs)] == [True, True, False]
