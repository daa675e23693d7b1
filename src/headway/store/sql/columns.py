"""Column types that mean the same on both databases: ids, moments and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, LargeBinary, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from headway.domain.ids import dashed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode_json = msgspec.json.Encoder().encode  # some twenty times as fast as json.dumps
_MICROSECOND = timedelta(microseconds=1)


def id_bytes(value: str) -> bytes:
    """The 16 bytes of a canonical id."""
    return bytes.fromhex(value.replace("-", ""))


def microseconds(value: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (value - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return EPOCH + timedelta(microseconds=value)


def json_text(value: Any) -> str:
    """JSON as compact text."""
    return _encode_json(value).decode()


class Id(TypeDecorator[str]):
    """A canonical UUID text: native UUID on PostgreSQL, 16 bytes on SQLite."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the native type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=False))
        return dialect.type_descriptor(LargeBinary(16))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Text to what the database keeps."""
        return value if value is None or dialect.name == "postgresql" else id_bytes(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """What the database keeps to text."""
        if value is None or dialect.name == "postgresql":
            return None if value is None else str(value)
        return dashed(value.hex())


class Moment(TypeDecorator[datetime]):
    """An aware time: TIMESTAMPTZ on PostgreSQL, integer microseconds on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the native type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Time to what the database keeps."""
        return value if value is None or dialect.name == "postgresql" else microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """What the database keeps to an aware time in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else moment(value)


class Json(TypeDecorator[Any]):
    """JSON: JSONB on PostgreSQL, text on SQLite; None is SQL NULL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the native type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Value to what the database keeps."""
        return value if value is None or dialect.name == "postgresql" else json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """What the database keeps to the value."""
        return value if value is None or dialect.name == "postgresql" else json.loads(value)


SQLITE_ENCODERS: dict[type[Any], Callable[[Any], Any]] = {Id: id_bytes, Moment: microseconds, Json: json_text}
POSTGRES_ENCODERS: dict[type[Any], Callable[[Any], Any]] = {Json: json_text}
