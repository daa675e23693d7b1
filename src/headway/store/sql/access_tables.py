"""The tables of tenants, users, keys and sessions, and the collection that all tables belong to."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Table, Text

from headway.store.sql.columns import Id, Moment

metadata = MetaData()


def tenant_column() -> Column[str]:
    """The first column of every primary key."""
    return Column("tenant_id", Id, primary_key=True)


meta = Table(
    "hw_meta", metadata, Column("key", Text, primary_key=True), Column("value", LargeBinary, nullable=False)
)

tenant = Table(
    "hw_tenant",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

user = Table(
    "hw_user",
    metadata,
    tenant_column(),
    Column("id", Id, primary_key=True),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("access_epoch", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Index("hw_user_email", "tenant_id", "email", unique=True),
)

api_key = Table(
    "hw_api_key",
    metadata,
    tenant_column(),
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("key_hash", Text, nullable=False),  # SHA-256 of the key
    Column("role", Text),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    Index("hw_api_key_hash", "key_hash", unique=True),
)

session = Table(
    "hw_session",
    metadata,
    Column("token_hash", Text, primary_key=True),  # SHA-256 of the token
    Column("tenant_id", Id, nullable=False),
    Column("user_id", Id, nullable=False),
    Column("kind", Text, nullable=False),  # sign_in (single use) or session
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)
