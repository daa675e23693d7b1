"""The gate before every other room: which hosts and origins may ask, headers of answers, and the access log.

It hands `POST /facts` straight to its endpoint and everything else to the application.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway.interfaces.rest import facts
from headway.interfaces.rest.body import headers_of
from headway.interfaces.rest.problems import ForeignRequest, problem_response

_access = logging.getLogger("headway.access")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz"})  # asked by address, and tell nothing
_LONGEST_LOGGED = 200
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_NOT_KEPT = (b"cache-control", b"no-store")


class Gate:
    """ASGI middleware before all others."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        facts_endpoint: ASGIApp,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
    ) -> None:
        """Guard an app.

        Args:
            app: What is behind the gate.
            facts_endpoint: Answers `POST /api/v1/facts`.
            allowed_hosts: Names, besides loopback, the server answers to; `*.example.com` takes every name below.
            allowed_origins: Other web pages that may change something with a browser's cookie.
        """
        self._app = app
        self._facts = facts_endpoint
        self._hosts = tuple(host.lower() for host in allowed_hosts)
        self._origins = frozenset(allowed_origins)
        self._known_hosts: dict[bytes, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        answer = _Answer(scope, send)
        refused = self._refused(scope)
        try:
            if refused is not None:
                await problem_response(refused)(scope, receive, answer.send)
            elif scope["path"] == facts.PATH and scope["method"] == "POST":
                await self._facts(
                    scope, receive, send if not _access.isEnabledFor(logging.DEBUG) else answer.send
                )
            else:
                await self._app(scope, receive, answer.send)
        finally:
            _log(scope, answer.status, time.perf_counter() - begun)

    def _refused(self, scope: Scope) -> ForeignRequest | None:
        headers = headers_of(scope)
        host = headers.get(b"host", b"")
        if not self._answers_to(host) and scope["path"] not in _PROBES:
            return ForeignRequest(
                "this server does not answer to the name in Host; list it in HEADWAY_ALLOWED_HOSTS",
                field="Host",
            )
        if scope["method"] not in _SAFE_METHODS and b"cookie" in headers and b"authorization" not in headers:
            return self._foreign_origin(headers, host)
        return None

    def _answers_to(self, host: bytes) -> bool:
        known = self._known_hosts.get(host)
        if known is None:
            known = self._is_own(_name_of(host.decode("latin-1")))
            if len(self._known_hosts) < 1_000:
                self._known_hosts[host] = known
        return known

    def _is_own(self, name: str) -> bool:
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            if ipaddress.ip_address(name).is_loopback:
                return True
        except ValueError:
            pass
        return any(
            name == host or (host.startswith("*.") and name.endswith(host[1:])) for host in self._hosts
        )

    def _foreign_origin(self, headers: Mapping[bytes, bytes], host: bytes) -> ForeignRequest | None:
        """Browsers add the cookie also when another page asks; its origin gives that away."""
        origin = headers.get(b"origin")
        if origin is None:
            own = headers.get(b"sec-fetch-site") == b"same-origin"
        else:
            text = origin.decode("latin-1")
            own = text in self._origins or urlsplit(text).netloc.lower() == host.decode("latin-1").lower()
        if own:
            return None
        return ForeignRequest(
            "a browser may change something only from a page of this server", field="Origin"
        )


class _Answer:
    """Sees what is answered and adds the headers every answer has."""

    __slots__ = ("_private", "_send", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._private = scope["path"].startswith("/api")
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[Any] = list(message.get("headers") or ())
            headers += _HEADERS
            if self._private and not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NOT_KEPT)
            message = {**message, "headers": headers}
        await self._send(message)


def _name_of(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _log(scope: Scope, status: int, took_s: float) -> None:
    """One line for each request: never its query, which may hold a token or a cursor."""
    busy = scope["path"] == facts.PATH
    level = logging.DEBUG if busy else logging.INFO
    if _access.isEnabledFor(level):
        path = scope["path"][:_LONGEST_LOGGED]
        _access.log(level, "%s %r %s %.1f ms", scope["method"], path, status or "-", took_s * 1000)
