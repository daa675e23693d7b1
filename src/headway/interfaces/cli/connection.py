"""The commands' way to a running server: HTTP through the SDK's transport, answers or the errors they mean.

What an exit code is for an error is decided in `main`; what an answer looks like, in each command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlencode

import typer

from headway.domain.errors import NotFound
from headway.domain.ids import canonical
from headway.sdk.client import problem
from headway.sdk.config import Config, discover
from headway.sdk.transport import Transport, Unreachable

API = "/api/v1"
PAGE = 200  # the most the server gives at once
DATA_DIR = typer.Option(None, "--data-dir", help="Folder of the Headway on this machine.", show_default=False)
AS_JSON = typer.Option(False, "--json", help="Print JSON for programs.")

Params = Mapping[str, str | int | float | bool | Sequence[str] | None]


class Server:
    """A running server and the key to it; with `with`, its connections are closed afterwards."""

    def __init__(self, url: str, api_key: str | None) -> None:
        """Keep where it is; nothing is connected yet."""
        self.url = url
        self.api_key = api_key
        self.transport = Transport(url, api_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.transport.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at a path below the API; parameters that are None are left out, lists repeated."""
        return self.ask("GET", path + query(params))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to a POST below the API."""
        return self.ask("POST", path, body or {})

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to one request below the API, None when it has no body.

        Raises:
            Unreachable: No server answered.
            HeadwayError: The server refused; the error is the one its problem type names.
        """
        content = None if body is None else json.dumps(body).encode()
        answer = self.transport.request(method, API + path, content)
        if answer.status >= 300:
            raise problem(answer)
        return json.loads(answer.body) if answer.body else None

    def pages(self, path: str, *, limit: int | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """The pages of a list, one after the other, until `limit` items were given (None: all of them)."""
        cursor, left = params.pop("cursor", None), limit
        while True:
            wanted = PAGE if left is None else min(left, PAGE)
            page = self.get(path, limit=wanted, cursor=cursor, **params)
            yield page
            cursor = page.get("next_cursor")
            left = None if left is None else left - len(page["items"])
            if not cursor or (left is not None and left <= 0):
                return

    def items(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        for page in self.pages(path, **params):
            yield from page["items"]


def configuration(data_dir: str | None) -> Config:
    """Where this process finds its server, as the SDK would."""
    return discover({"data_dir": data_dir}, os.environ, os.getcwd())


def connect(data_dir: str | None = None) -> Server:
    """The server this process is meant to use.

    Raises:
        Unreachable: Nothing names a server.
    """
    config = configuration(data_dir)
    if config.url is None:
        raise Unreachable(f"no server is known: {config.data_dir} has no credentials.json")
    return Server(config.url, config.api_key)


def checked_id(text: str) -> str:
    """The id in its one spelling.

    Raises:
        NotFound: It is not an id, so nothing can be behind it.
    """
    found = canonical(text)
    if found is None:
        raise NotFound(f"{text!r} is not an id: ids are UUIDs, as the lists show them")
    return found


def query(params: Params) -> str:
    """The query string of parameters, empty when there are none."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in params.items()
        if value is not None and value != () and value != []
    }
    return f"?{urlencode(given, doseq=True)}" if given else ""
