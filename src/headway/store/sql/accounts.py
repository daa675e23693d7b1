"""Tenants, users, keys and browser sessions in SQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from headway.domain.access import Actor, Role
from headway.domain.errors import Conflict
from headway.domain.ids import uuid7
from headway.store.port import ApiKey, User
from headway.store.sql import tables
from headway.store.sql.engine import Database

_U, _K, _N = tables.user.c, tables.api_key.c, tables.session.c
_USED_GRAIN = timedelta(minutes=1)  # how exactly a key's last use is kept
_RANK = (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)


def _user(row: Any) -> User:
    return User(id=row.id, tenant_id=row.tenant_id, email=row.email, role=row.role, created_at=row.created_at)


def _actor(user: Any, narrowed: str | None) -> Actor:
    """The user as an actor; a key's role can only narrow, never widen."""
    role = Role(user.role)
    if narrowed is not None:
        role = min(role, Role(narrowed), key=_RANK.index)
    return Actor(
        tenant_id=user.tenant_id, user_id=user.id, role=role, email=user.email, access_epoch=user.access_epoch
    )


class SqlAccounts:
    """Accounts beside the ledger's tables."""

    def __init__(self, database: Database) -> None:
        """Use this database."""
        self._database = database

    async def create_tenant(self, *, name: str, owner_email: str, now: datetime) -> User:
        """A new tenant with its owner and an empty change feed."""
        tenant_id = uuid7()

        def work(db: Connection) -> User:
            db.execute(insert(tables.tenant).values(id=tenant_id, name=name, created_at=now))
            db.execute(insert(tables.head).values(tenant_id=tenant_id, change_seq=0, horizon=0))
            return _insert_user(db, tenant_id, owner_email, Role.OWNER, now)

        return await self._database.write(work)

    async def first_owner(self) -> User | None:
        """The owner of the oldest tenant."""
        query = select(tables.user).where(_U.role == Role.OWNER.value).order_by(_U.created_at, _U.id).limit(1)
        row = await self._database.read(lambda db: db.execute(query).one_or_none())
        return _user(row) if row is not None else None

    async def list_tenants(self) -> list[tuple[str, str]]:
        """(id, name) of all tenants, oldest first."""
        query = select(tables.tenant.c.id, tables.tenant.c.name).order_by(
            tables.tenant.c.created_at, tables.tenant.c.id
        )
        return await self._database.read(lambda db: [(row[0], row[1]) for row in db.execute(query)])

    async def add_user(self, *, tenant_id: str, email: str, role: str, now: datetime) -> User:
        """A new user; raise Conflict when the address is taken in the tenant."""

        def work(db: Connection) -> User:
            taken = select(_U.id).where(_U.tenant_id == tenant_id, _U.email == email)
            if db.execute(taken).one_or_none() is not None:
                raise Conflict("there is a user with this e-mail address already", field="email")
            return _insert_user(db, tenant_id, email, Role(role), now)

        return await self._database.write(work)

    async def get_user(self, tenant_id: str, user_id: str) -> User | None:
        """One user."""
        query = select(tables.user).where(_U.tenant_id == tenant_id, _U.id == user_id)
        row = await self._database.read(lambda db: db.execute(query).one_or_none())
        return _user(row) if row is not None else None

    async def add_key(
        self,
        *,
        user: User,
        name: str,
        key_hash: str,
        role: str | None,
        expires_at: datetime | None,
        now: datetime,
    ) -> ApiKey:
        """Keep a key by its hash."""
        key = ApiKey(
            id=uuid7(), tenant_id=user.tenant_id, user_id=user.id, name=name, role=role, created_at=now,
            expires_at=expires_at, revoked_at=None, last_used_at=None,
        )  # fmt: skip
        values = {field: getattr(key, field) for field in ApiKey.__slots__}
        await self._database.write(
            lambda db: db.execute(insert(tables.api_key).values(key_hash=key_hash, **values))
        )
        return key

    async def list_keys(self, tenant_id: str) -> list[ApiKey]:
        """Keys of a tenant, newest first."""
        columns = [_K[field] for field in ApiKey.__slots__]
        query = select(*columns).where(_K.tenant_id == tenant_id).order_by(_K.created_at.desc(), _K.id.desc())
        return await self._database.read(lambda db: [ApiKey(**row._mapping) for row in db.execute(query)])

    async def revoke_key(self, tenant_id: str, key_id: str, now: datetime) -> bool:
        """Make a key unusable."""
        this = (_K.tenant_id == tenant_id) & (_K.id == key_id) & _K.revoked_at.is_(None)
        statement = update(tables.api_key).where(this).values(revoked_at=now)
        return await self._database.write(lambda db: db.execute(statement).rowcount > 0)

    async def actor_of_key(self, key_hash: str, now: datetime) -> Actor | None:
        """Whom a key speaks for; its last use is kept to the minute."""
        joined = (_U.tenant_id == _K.tenant_id) & (_U.id == _K.user_id)
        query = (
            select(tables.user, _K.id.label("key_id"), _K.role.label("key_role"), _K.expires_at, _K.revoked_at,
                   _K.last_used_at)
            .join_from(tables.api_key, tables.user, joined)
            .where(_K.key_hash == key_hash)
        )  # fmt: skip
        row = await self._database.read(lambda db: db.execute(query).one_or_none())
        if (
            row is None
            or row.revoked_at is not None
            or (row.expires_at is not None and row.expires_at <= now)
        ):
            return None
        if row.last_used_at is None or now - row.last_used_at > _USED_GRAIN:
            this = (_K.tenant_id == row.tenant_id) & (_K.id == row.key_id)
            statement = update(tables.api_key).where(this).values(last_used_at=now)
            await self._database.write(lambda db: db.execute(statement))
        return _actor(row, row.key_role)

    async def add_session(
        self, *, user: User, token_hash: str, kind: str, expires_at: datetime, now: datetime
    ) -> None:
        """Keep a sign-in token or a session by its hash; expired ones are swept out."""
        statement = insert(tables.session).values(
            token_hash=token_hash, tenant_id=user.tenant_id, user_id=user.id, kind=kind, created_at=now,
            expires_at=expires_at,
        )  # fmt: skip

        def work(db: Connection) -> None:
            db.execute(delete(tables.session).where(_N.expires_at < now))
            db.execute(statement)

        await self._database.write(work)

    async def take_sign_in(self, token_hash: str, now: datetime) -> User | None:
        """Use up a sign-in token."""

        def work(db: Connection) -> User | None:
            this = (_N.token_hash == token_hash) & (_N.kind == "sign_in")
            taken = db.execute(
                delete(tables.session).where(this).returning(_N.tenant_id, _N.user_id, _N.expires_at)
            ).one_or_none()
            if taken is None or taken.expires_at <= now:
                return None
            found = select(tables.user).where(_U.tenant_id == taken.tenant_id, _U.id == taken.user_id)
            row = db.execute(found).one_or_none()
            return _user(row) if row is not None else None

        return await self._database.write(work)

    async def actor_of_session(self, token_hash: str, now: datetime) -> Actor | None:
        """Whom a browser session speaks for."""
        joined = (_U.tenant_id == _N.tenant_id) & (_U.id == _N.user_id)
        query = (
            select(tables.user)
            .join_from(tables.session, tables.user, joined)
            .where(_N.token_hash == token_hash, _N.kind == "session", _N.expires_at > now)
        )
        row = await self._database.read(lambda db: db.execute(query).one_or_none())
        return _actor(row, None) if row is not None else None

    async def end_session(self, token_hash: str) -> None:
        """Sign a browser out."""
        await self._database.write(
            lambda db: db.execute(delete(tables.session).where(_N.token_hash == token_hash))
        )


def _insert_user(db: Connection, tenant_id: str, email: str, role: Role, now: datetime) -> User:
    user = User(id=uuid7(), tenant_id=tenant_id, email=email, role=role.value, created_at=now)
    db.execute(
        insert(tables.user).values(
            id=user.id, tenant_id=tenant_id, email=email, role=user.role, access_epoch=0, created_at=now
        )
    )
    return user
