"""From the headers of a request to its actor: an API key, or the cookie of a signed-in browser."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.types import Scope

from headway.domain.access import Actor
from headway.domain.errors import NotAuthenticated
from headway.interfaces.rest.body import headers_of
from headway.services.identity import IdentityService

_BEARER = b"bearer "


def bearer_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The API key that a request carries."""
    sent = headers.get(b"authorization")
    if sent is None:
        return None
    if sent[: len(_BEARER)].lower() != _BEARER:
        raise NotAuthenticated("the Authorization header must be `Bearer` and an API key")
    return sent[len(_BEARER) :].strip().decode("latin-1")


def cookie_name(scope: Scope) -> str:
    """The name of the session cookie; browsers share cookies between the ports of a host, so it carries the port."""
    server = scope.get("server")
    return f"headway_{server[1] if server else 0}"


def session_of(scope: Scope, headers: Mapping[bytes, bytes]) -> str | None:
    """The token of the browser session that a request carries."""
    sent = headers.get(b"cookie")
    if sent is None:
        return None
    try:
        found = SimpleCookie(sent.decode("latin-1")).get(cookie_name(scope))
    except CookieError:
        return None
    return found.value if found is not None else None


async def actor_of(scope: Scope, identity: IdentityService) -> Actor:
    """Whom a request speaks for.

    Raises:
        NotAuthenticated: It carries no credential, or one that does not hold (any more).
    """
    headers = headers_of(scope)
    key = bearer_of(headers)
    if key is not None:
        return identity.known_actor(key) or await identity.actor_of_key(key)
    token = session_of(scope, headers)
    if token is None:
        raise NotAuthenticated
    return await identity.actor_of_session(token)
