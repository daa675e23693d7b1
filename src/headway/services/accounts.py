"""Tenants, API keys, sign-in links and sessions: making them and taking them back.

Secrets are shown once and kept as SHA-256. Who a credential speaks for is found in `identity`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headway.domain.access import Actor, Role
from headway.domain.checks import Rule
from headway.domain.errors import NotAllowed, NotAuthenticated, NotFound
from headway.domain.forms import checked
from headway.domain.limits import NAME_LENGTH
from headway.services.identity import IdentityService, hash_of
from headway.store.port import Accounts, ApiKey, User

SIGN_IN_FOR = timedelta(minutes=10)
SESSION_FOR = timedelta(days=30)
LONGEST_KEY_DAYS = 36_500
KEY_PREFIX = "hw_"
FIRST_OWNER = "owner@localhost"
_RANKS = (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)
_NAME = Rule("text", low=1, high=NAME_LENGTH, required=True)
TENANT_RULES = {"name": _NAME, "owner_email": _NAME}
KEY_RULES = {
    "name": _NAME,
    "role": Rule("choice", choices=tuple(role.value for role in _RANKS)),
    "expires_days": Rule("integer", low=1, high=LONGEST_KEY_DAYS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedKey:
    """A new API key; the only moment its text is known."""

    api_key: str
    kept: ApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A signed-in browser."""

    token: str
    user: User
    expires_at: datetime


def mint_secret() -> str:
    """43 random characters that are safe in URLs (256 bits)."""
    return secrets.token_urlsafe(32)


class AccountsService:
    """What can be done to tenants, keys and sessions."""

    def __init__(self, accounts: Accounts, identity: IdentityService) -> None:
        """Keep accounts here, and tell `identity` of what no longer holds."""
        self._accounts = accounts
        self._identity = identity

    async def create_tenant(self, *, name: str, owner_email: str = FIRST_OWNER) -> tuple[User, MintedKey]:
        """A new tenant: its owner, and a key that speaks for the owner."""
        checked({"name": name, "owner_email": owner_email}, TENANT_RULES)
        now = datetime.now(UTC)
        owner = await self._accounts.create_tenant(name=name, owner_email=owner_email, now=now)
        return owner, await self._mint(owner, "owner", None, None, now)

    async def list_tenants(self) -> list[tuple[str, str]]:
        """(id, name) of every tenant of this store, oldest first; for whoever runs the server."""
        return await self._accounts.list_tenants()

    async def owner(self) -> User | None:
        """The owner of the oldest tenant, or None on an empty store."""
        return await self._accounts.first_owner()

    async def owner_actor(self) -> Actor:
        """The owner of the oldest tenant as an actor, for whoever runs the server.

        Raises:
            NotFound: There is no tenant yet.
        """
        user = await self._accounts.first_owner()
        if user is None:
            raise NotFound("there is no tenant yet: start with `headway up` or `headway tenant create`")
        return Actor(tenant_id=user.tenant_id, user_id=user.id, role=Role.OWNER, email=user.email)

    async def create_key(
        self, actor: Actor, *, name: str, role: str | None = None, expires_days: int | None = None
    ) -> MintedKey:
        """A new key that speaks for the actor, at most with the actor's role.

        Raises:
            InvalidFact: A field breaks its rule.
            NotAllowed: The role is above the actor's own.
        """
        checked({"name": name, "role": role, "expires_days": expires_days}, KEY_RULES)
        if role is not None and _RANKS.index(Role(role)) > _RANKS.index(actor.role):
            raise NotAllowed(f"a key cannot be {role}: you are {actor.role}")
        now = datetime.now(UTC)
        expires_at = None if expires_days is None else now + timedelta(days=expires_days)
        narrowed = role or (None if actor.role is Role.OWNER else actor.role.value)
        return await self._mint(await self._user(actor), name, narrowed, expires_at, now)

    async def list_keys(self, actor: Actor) -> list[ApiKey]:
        """The keys of the tenant; others than owner and admin see their own."""
        keys = await self._accounts.list_keys(actor.tenant_id)
        return [key for key in keys if actor.may_see(key.user_id, None)]

    async def revoke_key(self, actor: Actor, key_id: str) -> None:
        """A key works no more.

        Raises:
            NotFound: There is none that the actor may see.
        """
        if key_id not in {key.id for key in await self.list_keys(actor)}:
            raise NotFound
        actor.require_write()
        await self._accounts.revoke_key(actor.tenant_id, key_id, datetime.now(UTC))
        self._identity.forget()

    async def create_sign_in(self, actor: Actor) -> str:
        """A token with which a browser can sign in as the actor, once, within ten minutes.

        Raises:
            NotAllowed: The actor's key is narrower than its user, which a session could not be.
        """
        user = await self._user(actor)
        if user.role != actor.role:
            raise NotAllowed("a key that is narrower than its user cannot make sign-in links")
        token, now = mint_secret(), datetime.now(UTC)
        await self._accounts.add_session(
            user=user, token_hash=hash_of(token), kind="sign_in", expires_at=now + SIGN_IN_FOR, now=now
        )
        return token

    async def sign_in(self, token: str) -> Session:
        """A browser session for a sign-in token, which is used up by this.

        Raises:
            NotAuthenticated: The token is unknown, used or older than ten minutes.
        """
        now = datetime.now(UTC)
        user = await self._accounts.take_sign_in(hash_of(token), now)
        if user is None:
            raise NotAuthenticated("this sign-in link was used before or is older than ten minutes")
        session = Session(token=mint_secret(), user=user, expires_at=now + SESSION_FOR)
        await self._accounts.add_session(
            user=user,
            token_hash=hash_of(session.token),
            kind="session",
            expires_at=session.expires_at,
            now=now,
        )
        return session

    async def sign_out(self, token: str) -> None:
        """The browser session is over."""
        await self._accounts.end_session(hash_of(token))

    async def _user(self, actor: Actor) -> User:
        user = await self._accounts.get_user(actor.tenant_id, actor.user_id)
        if user is None:
            raise NotAuthenticated
        return user

    async def _mint(
        self, user: User, name: str, role: str | None, expires_at: datetime | None, now: datetime
    ) -> MintedKey:
        api_key = KEY_PREFIX + mint_secret()
        kept = await self._accounts.add_key(
            user=user, name=name, key_hash=hash_of(api_key), role=role, expires_at=expires_at, now=now
        )
        return MintedKey(api_key=api_key, kept=kept)
