"""Credentials to actors: who speaks through an API key or a browser session.

Nothing here decides what an actor may do; making and revoking credentials is in `accounts`.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime

from headway.domain.access import Actor
from headway.domain.errors import NotAuthenticated
from headway.store.port import Accounts

KNOWN_FOR_S = 5.0  # a key revoked by another process works for so long
MOST_KNOWN = 10_000
LONGEST_SECRET = 200


def hash_of(secret: str) -> str:
    """The SHA-256 by which a key or token is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class IdentityService:
    """Finds the actor of a credential, remembering those of keys for some seconds."""

    def __init__(self, accounts: Accounts, *, known_for_s: float = KNOWN_FOR_S) -> None:
        """Ask these accounts; what they say of a key holds for `known_for_s`."""
        self._accounts = accounts
        self._known_for_s = known_for_s
        self._known: dict[str, tuple[float, Actor]] = {}  # key as sent -> (good until, actor)

    def known_actor(self, key: str) -> Actor | None:
        """The actor of a key that was looked up in the last seconds, without waiting for anything."""
        found = self._known.get(key)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    async def actor_of_key(self, key: str) -> Actor:
        """Whom an API key speaks for.

        Raises:
            NotAuthenticated: It is unknown, expired or revoked.
        """
        actor = self.known_actor(key)
        if actor is not None:
            return actor
        if len(key) > LONGEST_SECRET:
            raise NotAuthenticated
        actor = await self._accounts.actor_of_key(hash_of(key), datetime.now(UTC))
        if actor is None:
            self._known.pop(key, None)
            raise NotAuthenticated
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = (time.monotonic() + self._known_for_s, actor)
        return actor

    async def actor_of_session(self, token: str) -> Actor:
        """Whom a browser session speaks for.

        Raises:
            NotAuthenticated: It is unknown or over.
        """
        actor = None
        if len(token) <= LONGEST_SECRET:
            actor = await self._accounts.actor_of_session(hash_of(token), datetime.now(UTC))
        if actor is None:
            raise NotAuthenticated
        return actor

    def forget(self) -> None:
        """The next request with any key asks the accounts again: some key was revoked."""
        self._known.clear()
