"""One HTTP exchange with the server at a time, with the standard library and over kept connections.

Redirects are not followed: they would carry the key elsewhere. What an answer means is up to the caller.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from headway.domain.errors import Unavailable
from headway.sdk import loading

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
GZIP_FROM_BYTES = 2_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_DROPPED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


class Unreachable(Unavailable):
    """No answer came from the server."""

    slug = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body's JSON object; an empty one when there is none."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


class Transport:
    """A way to one server with one key. Threads may share it; each exchange has a connection of its own."""

    def __init__(self, url: str, api_key: str | None, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Keep where to go; nothing is connected yet."""
        self.url = url.rstrip("/")
        self._parts = urlsplit(self.url)
        self._timeout_s = timeout_s
        self._idle: list[http.client.HTTPConnection] = []
        self._headers = {"Accept": "application/json", "User-Agent": "headway-python"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"

    def __del__(self) -> None:
        self.close()

    @property
    def loopback(self) -> bool:
        """Whether the server is on this machine, where compression costs more than it saves."""
        return self._parts.hostname in _LOOPBACK

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Sends one request and reads the whole answer.

        Args:
            method: of HTTP.
            path: below the server's address, with its query.
            body: JSON, compressed on the way when that pays.
            headers: besides the usual ones.
            timeout_s: for the answer; the transport's own when left out.

        Raises:
            Unreachable: No answer came.
        """
        sent = {**self._headers, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
            if len(body) >= GZIP_FROM_BYTES and not self.loopback:
                body, sent["Content-Encoding"] = _gzip(body), "gzip"
        while True:
            connection, kept = self._connection(timeout_s)
            try:
                return self._exchange(connection, method, path, body, sent)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if kept and isinstance(error, _DROPPED):
                    continue  # the server closed an idle connection; nothing was said on it
                raise Unreachable(f"{self.url}: {error or type(error).__name__}") from error

    def stream(self, path: str, headers: Mapping[str, str], silence_s: float) -> Iterator[bytes]:
        """The lines of an endless answer as they come.

        Args:
            path: below the server's address, with its query.
            headers: besides the usual ones.
            silence_s: after which the connection counts as lost.

        Raises:
            Unreachable: The connection could not be made or was lost.
            Refused: The server answered with something else than a stream.
        """
        connection = self._connect(silence_s)
        try:
            connection.request("GET", self._parts.path + path, headers={**self._headers, **headers})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise Refused(_answer(response))
            while line := response.readline():
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self.url}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def close(self) -> None:
        """Closes the connections that wait for their next use."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        connection.request(method, self._parts.path + path, body, dict(headers))
        response = connection.getresponse()
        answer = _answer(response)
        if response.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def _connection(self, timeout_s: float | None) -> tuple[http.client.HTTPConnection, bool]:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._connect(timeout_s or self._timeout_s), False
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s or self._timeout_s)
        return connection, True

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        connection = _open(self._parts, min(CONNECT_TIMEOUT_S, timeout_s))
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self.url}: {error or type(error).__name__}") from error
        connection.sock.settimeout(timeout_s)
        return connection


class Refused(Exception):
    """The server answered, but not with what was asked for."""

    def __init__(self, answer: Answer) -> None:
        """Keep the answer."""
        super().__init__(f"the server answered {answer.status}")
        self.answer = answer


def _answer(response: http.client.HTTPResponse) -> Answer:
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(status=response.status, headers=headers, body=body)


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=31)  # 31: with gzip's header
    return compressor.compress(body) + compressor.flush()


def _open(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or "localhost"
    proxy = _proxy(parts.scheme, host)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if proxy is None:
            return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
        connection = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port, timeout=timeout_s, context=context
        )
        connection.set_tunnel(host, parts.port)
        return connection
    if proxy is None:
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    plain = http.client.HTTPConnection(proxy.hostname or "", proxy.port, timeout=timeout_s)
    plain.set_tunnel(host, parts.port or 80)
    return plain


def _proxy(scheme: str, host: str) -> SplitResult | None:
    """The proxy that the environment names for this host, if any."""
    if host in _LOOPBACK or not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    with loading.turn:
        from urllib.request import getproxies, proxy_bypass  # slow to load, and few environments name a proxy

    address = getproxies().get(scheme)
    if not address or proxy_bypass(host):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")
