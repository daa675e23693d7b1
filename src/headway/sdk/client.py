"""`headway.Client`: reading what Headway knows, and asking for a task to stop. Answers are the API's JSON.

What the server refuses is raised as the error of `headway.domain.errors` that its problem type names.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from headway.domain import errors, limits
from headway.domain.ids import uuid7
from headway.sdk import events
from headway.sdk.config import discover
from headway.sdk.transport import ANSWER_TIMEOUT_S, Answer, Refused, Transport, Unreachable

API = "/api/v1"
PAGE = 200  # the most the server gives at once
POLL_S = 1.0

Json = dict[str, Any]


class Client:
    """A way to read from the server. Threads may share it."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        timeout: float = ANSWER_TIMEOUT_S,
    ) -> None:
        """Find the server as the rest of the SDK does; nothing is connected yet.

        Args:
            url: of the server; found in the environment, `headway.toml` or the data folder when left out.
            api_key: of a user of the server; found likewise.
            data_dir: folder in which `headway up` keeps `credentials.json`.
            timeout: seconds to wait for an answer.

        Raises:
            Unreachable: Nothing names a server.
        """
        given = {
            "url": url,
            "api_key": api_key,
            "data_dir": None if data_dir is None else os.fspath(data_dir),
        }
        config = discover(given, os.environ, os.getcwd())
        if config.url is None:
            raise Unreachable("no Headway server is known: set HEADWAY_URL, or start one with `headway up`")
        self._transport = Transport(config.url, config.api_key, timeout_s=timeout)

    def close(self) -> None:
        """Closes the connections that are kept for the next request."""
        self._transport.close()

    def me(self) -> Json:
        """Whom the API key belongs to."""
        return self._get("/me")

    def get_task(self, task_id: str) -> Json:
        """The task as it is now.

        Raises:
            NotFound: There is none, or you may not see it.
        """
        return self._get(f"/tasks/{quote(task_id, safe='')}")

    def get_status(self, task_id: str) -> Json:
        """State, duration, estimate of the end and the last log entries of a task.

        Raises:
            NotFound: There is none, or you may not see it.
        """
        return self._get(f"/status/{quote(task_id, safe='')}")

    def list_tasks(self, /, limit: int | None = None, **filters: Any) -> list[Json]:
        """Tasks, newest first.

        Args:
            limit: how many at most; all of them when left out.
            **filters: status, project, agent, agent_id, user, type, label, parent (each one value or a list
                of which one has to match), q (words of the name), created_after and the like, order.

        Raises:
            InvalidInput: A filter is not one.
        """
        return list(self._items("/tasks", limit, filters))

    def get_project_tasks(self, /, project: str, limit: int | None = None, **filters: Any) -> list[Json]:
        """The tasks of a project (slug or id), newest first; takes what `list_tasks` takes."""
        return self.list_tasks(limit, project=project, **filters)

    def get_user_tasks(
        self, /, user: str | None = None, limit: int | None = None, **filters: Any
    ) -> list[Json]:
        """The tasks of a user (yourself when left out), newest first; takes what `list_tasks` takes."""
        return self.list_tasks(limit, user=user or self.me()["user_id"], **filters)

    def list_projects(self, /, limit: int | None = None, **filters: Any) -> list[Json]:
        """The projects you may see."""
        return list(self._items("/projects", limit, filters))

    def get_project(self, project: str) -> Json:
        """A project by slug or id.

        Raises:
            NotFound: There is none, or you may not see it.
        """
        return self._get(f"/projects/{quote(project, safe='')}")

    def calculate_project_progress(self, project: str) -> Json:
        """How far a project is: the share of its tasks that are completed, and their weighted progress.

        Raises:
            NotFound: There is none, or you may not see it.
        """
        return self._get(f"/projects/{quote(project, safe='')}/progress")

    def get_runs(self, task_id: str, limit: int | None = None) -> list[Json]:
        """The attempts at a task.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        return list(self._items(f"/tasks/{quote(task_id, safe='')}/runs", limit, {}))

    def get_logs(
        self,
        task_id: str,
        *,
        after: int | None = None,
        level: str | list[str] | None = None,
        q: str | None = None,
        limit: int | None = None,
    ) -> list[Json]:
        """The log of a task, oldest first.

        Args:
            task_id: of the task.
            after: only entries after this `entry_seq`.
            level: only entries of this level, or of these.
            q: only entries with these words.
            limit: how many at most; all of them when left out.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        filters = {"after": after, "level": level, "q": q}
        return list(self._items(f"/tasks/{quote(task_id, safe='')}/logs", limit, filters))

    def get_timeline(self, task_id: str, limit: int | None = None) -> list[Json]:
        """Everything that happened to a task, progress included, oldest first.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        return list(self._items(f"/tasks/{quote(task_id, safe='')}/timeline", limit, {}))

    def get_llm_calls(self, task_id: str, limit: int | None = None) -> list[Json]:
        """The calls of language models of a task.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        return list(self._items(f"/tasks/{quote(task_id, safe='')}/llm-calls", limit, {}))

    def get_metrics(self, task_id: str, limit: int | None = None) -> list[Json]:
        """The measured numbers of a task.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        return list(self._items(f"/tasks/{quote(task_id, safe='')}/metrics", limit, {}))

    def get_artifacts(self, task_id: str, limit: int | None = None) -> list[Json]:
        """What a task produced.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        return list(self._items(f"/tasks/{quote(task_id, safe='')}/artifacts", limit, {}))

    def cancel(self, task_id: str, reason: str) -> Json:
        """Asks for a task to stop; it is cancelled once the work has stopped.

        Raises:
            NotFound: There is no such task, or you may not see it.
            NotAllowed: You may not change it.
            Conflict: It has ended.
        """
        return self._ask("POST", f"/tasks/{quote(task_id, safe='')}/cancel", {"reason": reason})

    def retry(self, task_id: str) -> Json:
        """Runs an operation again.

        Raises:
            NotFound: There is no such task, or you may not see it.
            NotRestartable: Only the process that did the work can do it again.
        """
        return self._ask("POST", f"/tasks/{quote(task_id, safe='')}/retry", {})

    def wait(self, task_id: str, timeout: float | None = None) -> Json:
        """The task once it has ended.

        Args:
            task_id: of the task.
            timeout: seconds to wait at most; for ever when left out.

        Raises:
            TimeoutError: It had not ended by then.
            NotFound: There is no such task, or you may not see it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            task = self.get_task(task_id)
            if task["status"] in limits.FINAL_STATUSES:
                return task
            left = POLL_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"task {task_id} is {task['status']} after {timeout} seconds")
            time.sleep(min(POLL_S / 4, left))

    def watch(self, task_id: str) -> Iterator[Json]:
        """The task as it is now and after each change, until it has ended.

        Raises:
            NotFound: There is no such task, or you may not see it.
        """
        # The cursor is taken before the first look, so that nothing falls between the two.
        cursor = str(self._get("/changes", limit=1)["cursor"])
        task = self.get_task(task_id)
        yield task
        if task["status"] in limits.FINAL_STATUSES:
            return
        for event in self.stream(cursor):
            if event.name != "resync" and not _mentions(event, task_id):
                continue
            task, before = self.get_task(task_id), task
            if task != before:
                yield task
            if task["status"] in limits.FINAL_STATUSES:
                return

    def stream(self, after: str | None = None) -> Iterator[events.Event]:
        """The change feed as it happens: `tasks`, `overview`, `attention` and `resync` events, for ever.

        Args:
            after: the cursor of an earlier event; the present when left out.

        Raises:
            NotAuthenticated: The API key is not accepted.
            Unreachable: No connection could be made.
        """
        try:
            yield from events.follow(self._transport, after)
        except Refused as refusal:
            raise problem(refusal.answer) from None

    def changes(self, after: str | None = None, limit: int = PAGE) -> Json:
        """One page of the change feed: the tasks that changed after a cursor, and the next cursor."""
        return self._get("/changes", after=after, limit=limit)

    def _get(self, path: str, **params: Any) -> Json:
        return self._ask("GET", path + _query(params))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        headers = {} if method == "GET" else {"Idempotency-Key": uuid7()}
        content = None if body is None else json.dumps(body).encode()
        answer = self._transport.request(method, API + path, content, headers)
        if answer.status >= 300:
            raise problem(answer)
        return answer.json()

    def _items(self, path: str, limit: int | None, filters: Mapping[str, Any]) -> Iterator[Json]:
        cursor, left = None, limit
        while left is None or left > 0:
            wanted = PAGE if left is None else min(left, PAGE)
            page = self._get(path, **filters, limit=wanted, cursor=cursor)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return
            left = None if left is None else left - len(page["items"])


def problem(answer: Answer) -> errors.HeadwayError:
    """The error that an answer of the server stands for (RFC 9457)."""
    told = answer.json()
    slug = str(told.get("type", "")).rpartition("/")[2]
    kind = _kinds().get(slug) or _STATUSES.get(answer.status, errors.HeadwayError)
    detail = str(told.get("detail") or told.get("title") or f"the server answered {answer.status}")
    concerned = {name: value for name, value in told.items() if name not in ("type", "title", "detail")}
    error = kind.__new__(kind)  # some errors take other arguments than those that can be told here
    errors.HeadwayError.__init__(error, detail, **concerned)
    return error


_STATUSES: dict[int, type[errors.HeadwayError]] = {
    400: errors.InvalidInput,
    401: errors.NotAuthenticated,
    403: errors.NotAllowed,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.BatchTooLarge,
    422: errors.InvalidInput,
    429: errors.Overloaded,
    503: errors.Unavailable,
}


def _kinds() -> dict[str, type[errors.HeadwayError]]:
    found: dict[str, type[errors.HeadwayError]] = {}
    waiting: list[type[errors.HeadwayError]] = [errors.HeadwayError]
    while waiting:
        kind = waiting.pop()
        found[kind.slug] = kind
        waiting += kind.__subclasses__()
    return found


def _query(params: Mapping[str, Any]) -> str:
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in params.items()
        if value is not None and value != []
    }
    return f"?{urlencode(given, doseq=True)}" if given else ""


def _mentions(event: events.Event, task_id: str) -> bool:
    """Whether a `tasks` event carries this task."""
    data = event.data
    tasks: Any = data.get("tasks", data.get("items", [])) if isinstance(data, dict) else data
    return event.name == "tasks" and any(
        isinstance(task, dict) and task_id in (task.get("id"), task.get("task_id")) for task in tasks
    )
