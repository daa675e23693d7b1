"""The change feed: changed tasks in order of change, each once at its newest, and what was deleted."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, update

from headway.domain.access import Actor
from headway.domain.query import seal, unseal
from headway.domain.views import ChangePage, Task, Tombstone
from headway.store.sql import tables
from headway.store.sql.reading import task_of, tasks_query, visible

_H = tables.head.c
_B = tables.tombstone.c
KEEP_TOMBSTONES = timedelta(days=30)


def head_of(db: Connection, tenant_id: str) -> tuple[int, int]:
    """The newest change number and the horizon below which tombstones are gone."""
    row = db.execute(select(_H.change_seq, _H.horizon).where(_H.tenant_id == tenant_id)).one_or_none()
    return (row[0], row[1]) if row is not None else (0, 0)


def changes(db: Connection, secret: bytes, viewer: Actor, cursor: str | None, *, limit: int) -> ChangePage:
    """Visible tasks and tombstones that changed after the cursor.

    The head is read first and nothing newer is shown: what is committed while the page is read comes with the next.
    """
    bound = f"changes\0{viewer.tenant_id}\0{viewer.user_id}"
    newest, horizon = head_of(db, viewer.tenant_id)
    if cursor is None:
        return _page(secret, bound, viewer, newest)
    after, epoch = unseal(secret, bound, cursor)
    if epoch != viewer.access_epoch or after < horizon or after > newest:
        return _page(secret, bound, viewer, newest, resync=True)
    if after == newest:
        return _page(secret, bound, viewer, newest)
    tasks = _changed(db, viewer, after, newest, limit + 1)
    deleted = _deleted(db, viewer, after, newest, limit + 1)
    numbers = sorted([*(task.change_seq for task in tasks), *(stone.change_seq for stone in deleted)])
    if len(numbers) <= limit:
        reached, more = newest, False
    else:
        reached, more = numbers[limit - 1], True
    return ChangePage(
        tasks=tuple(task for task in tasks if task.change_seq <= reached),
        deleted=tuple(stone for stone in deleted if stone.change_seq <= reached),
        cursor=seal(secret, bound, [reached, viewer.access_epoch]),
        more=more,
        resync=False,
    )


def _changed(db: Connection, viewer: Actor, after: int, newest: int, limit: int) -> list[Task]:
    state = tables.task_state.c
    query = (
        tasks_query(viewer)
        .where(state.tenant_id == viewer.tenant_id, state.change_seq > after, state.change_seq <= newest)
        .order_by(state.change_seq)
        .limit(limit)
    )
    return [task_of(row) for row in db.execute(query)]


def _deleted(db: Connection, viewer: Actor, after: int, newest: int, limit: int) -> list[Tombstone]:
    query = (
        select(tables.tombstone)
        .where(
            _B.tenant_id == viewer.tenant_id,
            _B.change_seq > after,
            _B.change_seq <= newest,
            *visible(viewer, _B.user_id, _B.project_id),
        )
        .order_by(_B.change_seq)
        .limit(limit)
    )
    return [
        Tombstone(
            task_id=row.id,
            user_id=row.user_id,
            project_id=row.project_id,
            change_seq=row.change_seq,
            deleted_at=row.deleted_at,
        )
        for row in db.execute(query)
    ]


def _page(secret: bytes, bound: str, viewer: Actor, at: int, *, resync: bool = False) -> ChangePage:
    cursor = seal(secret, bound, [at, viewer.access_epoch])
    return ChangePage(tasks=(), deleted=(), cursor=cursor, more=False, resync=resync)


def forget_tombstones(db: Connection, tenant_id: str, now: datetime) -> None:
    """Drop tombstones older than thirty days; cursors from before them are answered with resync."""
    old = (_B.tenant_id == tenant_id) & (_B.deleted_at < now - KEEP_TOMBSTONES)
    horizon = db.execute(select(func.max(_B.change_seq)).where(old)).scalar()
    if horizon is not None:
        db.execute(update(tables.head).where(_H.tenant_id == tenant_id).values(horizon=horizon))
        db.execute(delete(tables.tombstone).where(old))
