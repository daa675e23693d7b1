"""Producers' high-water marks: how far each has been heard, moved in the transaction of the facts themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from headway.domain.errors import HeadwayError, IdempotencyMismatch, SequenceGap
from headway.store.port import Batch
from headway.store.sql import tables
from headway.store.sql.dialect import Dialect

Key = tuple[str, str]  # user id, producer
Mark = tuple[int, str | None]  # newest sequence number, hash of a single REST write's body
_COLUMNS = ("user_id", "producer", "last_seq", "request_hash")


def lock_marks(db: Connection, dialect: Dialect, tenant_id: str, batches: Sequence[Batch]) -> dict[Key, Mark]:
    """The marks of the batches' producers, locked in order; those not there yet are made at 0."""
    if not batches:
        return {}
    wanted = sorted({(batch.actor.user_id, batch.producer) for batch in batches}, key=itemgetter(1, 0))
    marks = _read_marks(db, dialect, tenant_id, wanted)
    missing = [key for key in wanted if key not in marks]
    if missing:
        now = batches[0].received_at
        rows = [(tenant_id, user_id, producer, 0, now) for user_id, producer in missing]
        columns = ("tenant_id", "user_id", "producer", "last_seq", "updated_at")
        dialect.insert_missing(db, tables.producer, columns, rows)
        marks |= _read_marks(db, dialect, tenant_id, missing)
    return marks


def _read_marks(db: Connection, dialect: Dialect, tenant_id: str, keys: Sequence[Key]) -> dict[Key, Mark]:
    producers = sorted({producer for _, producer in keys})
    rows = dialect.select_by_ids(db, tables.producer, _COLUMNS, tenant_id, producers, True, key="producer")
    wanted = set(keys)
    return {(row[0], row[1]): (row[2], row[3]) for row in rows if (row[0], row[1]) in wanted}


def news_of(batch: Batch, moved: dict[Key, Mark], marks: Mapping[Key, Mark]) -> Sequence[Any] | HeadwayError:
    """The facts of a batch beyond its producer's mark, which moves; or why the batch cannot be taken."""
    key = (batch.actor.user_id, batch.producer)
    last, request_hash = moved.get(key) or marks[key]
    if batch.request_hash is not None and request_hash not in (None, batch.request_hash):
        return IdempotencyMismatch()
    first = batch.facts[0].seq
    if first > last + 1:
        return SequenceGap(last + 1, first)
    new = batch.facts[last + 1 - first :]
    if new:
        moved[key] = (new[-1].seq, batch.request_hash or request_hash)
    return new


def move_marks(
    db: Connection, dialect: Dialect, tenant_id: str, moved: Mapping[Key, Mark], now: datetime
) -> None:
    """Keep how far each producer has been heard now."""
    rows = [
        (tenant_id, user_id, producer, last, now, request_hash)
        for (user_id, producer), (last, request_hash) in sorted(moved.items())
    ]
    columns = ("last_seq", "updated_at", "request_hash")
    dialect.update(db, tables.producer, ("tenant_id", "user_id", "producer"), columns, rows)
