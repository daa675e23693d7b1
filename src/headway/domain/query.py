"""What can be asked of the ledger: filters, scopes, orders, and cursors bound to what they were given for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from headway.domain.errors import InvalidCursor

T = TypeVar("T")
MAX_LIMIT = 200
ORDERS = ("-created_at", "created_at")
_WORD = re.compile(r"\w+")
WORDS_OF_NAME = 16  # of a name are indexed
WORD_LENGTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """Which tasks: several values of a field are OR, several fields AND; times are aware, after ≤ t < before."""

    status: tuple[str, ...] = ()
    project: tuple[str, ...] = ()  # ids
    agent: tuple[str, ...] = ()  # agent kinds
    agent_id: tuple[str, ...] = ()
    user: tuple[str, ...] = ()  # ids
    type: tuple[str, ...] = ()
    label: tuple[str, ...] = ()  # "key=value"; all must be there
    parent: tuple[str, ...] = ()  # ids
    words: tuple[str, ...] = ()  # of the name, see words_of; all must be there
    created_after: datetime | None = None
    created_before: datetime | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which LLM calls."""

    task: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    ok: bool | None = None
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose figures; what is left out means all."""

    user_id: str | None = None
    project_id: str | None = None
    agent_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some items of a list and where to go on."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None  # only when asked for


def words_of(name: str) -> tuple[str, ...]:
    """The distinct words of a name as indexed and searched: lower case, in order, at most sixteen."""
    found = dict.fromkeys(word[:WORD_LENGTH] for word in _WORD.findall(name.casefold()))
    return tuple(found)[:WORDS_OF_NAME]


def seal(secret: bytes, bound_to: str, values: list[Any]) -> str:
    """A cursor: opaque text that carries the values and fits only what it is bound to.

    Args:
        secret: The store's cursor key.
        bound_to: Names the list: tenant, filter and order.
        values: JSON-ready position in the list.
    """
    body = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(secret, bound_to, body) + body).rstrip(b"=").decode()


def unseal(secret: bytes, bound_to: str, cursor: str) -> list[Any]:
    """The values of a cursor.

    Raises:
        InvalidCursor: It was changed, or given for another list or tenant.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raise InvalidCursor from None
    mac, body = raw[:12], raw[12:]
    if not hmac.compare_digest(mac, _mac(secret, bound_to, body)):
        raise InvalidCursor
    values: list[Any] = json.loads(body)
    return values


def _mac(secret: bytes, bound_to: str, body: bytes) -> bytes:
    return hmac.digest(secret, bound_to.encode() + b"\0" + body, hashlib.sha256)[:12]
