"""Lists and counts tasks; every page is walked along indexes and merged.

A page is found on `hw_task` alone (or on `hw_term` for words and labels), then joined to the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, literal, select, tuple_, union_all
from sqlalchemy.sql.selectable import Subquery

from headway.domain.access import Actor
from headway.domain.errors import UnsupportedFilter
from headway.domain.limits import STATUSES
from headway.domain.query import ORDERS, Page, TaskFilter, seal
from headway.domain.views import Task
from headway.store.sql import tables
from headway.store.sql.reading import bound_to, position_of, task_of, tasks_query, visible
from headway.store.sql.rows import label_term

_T = tables.task.c
_BRANCHES = 60  # at most so many index walks are merged for one page
_LEADS = ("agent_id", "project", "agent", "type", "user")
_LEAD_COLUMN = {
    "agent_id": _T.agent_id,
    "project": _T.project_id,
    "agent": _T.agent_kind,
    "type": _T.task_type,
    "user": _T.user_id,
}
_COUNT_LIMIT = 100_000
_WINDOW = 2_000  # rows of a term that are looked at before all of them are
_PROBED = 5_000  # rows looked at to tell few from many; walking so many takes some 20 ms


def list_tasks(
    db: Connection,
    secret: bytes,
    viewer: Actor,
    wanted: TaskFilter,
    *,
    order: str,
    limit: int,
    cursor: str | None,
) -> Page[Task]:
    """One page of visible tasks that match, in order of creation."""
    if order not in ORDERS:
        raise UnsupportedFilter(
            f"tasks can be ordered by {', '.join(ORDERS)}", field="order", limit=list(ORDERS)
        )
    bound = bound_to(viewer, "tasks", wanted, order)
    after = None
    if cursor is not None:
        at, identity = position_of(secret, bound, cursor, 2)
        after = (datetime.fromisoformat(at), identity)
    walked = _walked(db, viewer.tenant_id, wanted)
    place = _Place(after=after, descending=order.startswith("-"), limit=limit + 1)
    until = _some_way_on(db, viewer.tenant_id, walked, place)
    found = _tasks_of_page(db, viewer, wanted, walked, replace(place, until=until))
    if until is not None and len(found) <= limit:
        found = _tasks_of_page(db, viewer, wanted, walked, place)
    last = found[limit - 1] if len(found) > limit else None
    following = seal(secret, bound, [last.created_at.isoformat(), last.id]) if last else None
    return Page(items=tuple(found[:limit]), next_cursor=following)


Position = tuple[datetime, str]  # when a task was created, and its id


class _Walked(NamedTuple):
    """Which terms of a filter are walked (the first) and looked up (the others), and which looked up from tasks."""

    terms: list[str]
    of_tasks: list[str]


def _walked(db: Connection, tenant_id: str, wanted: TaskFilter) -> _Walked:
    """Walk what fewest tasks have: a rare term before a common one, and tasks of a rare status before both."""
    terms = terms_wanted(wanted)
    if not terms or (len(terms) == 1 and not wanted.status):
        return _Walked(terms, [])
    c = tables.term.c
    counts = {term: _at_most(db, c.tenant_id == tenant_id, c.term == term) for term in terms}
    terms.sort(key=lambda term: counts[term])
    if wanted.status and counts[terms[0]] == _PROBED:
        few = _at_most(db, _T.tenant_id == tenant_id, _T.status.in_(wanted.status))
        if few < _PROBED:
            return _Walked([], terms)
    return _Walked(terms, [])


def _at_most(db: Connection, *conditions: ColumnElement[bool]) -> int:
    """How many rows there are, counted only so far as to tell few from many."""
    some = select(literal(1)).where(*conditions).limit(_PROBED).subquery()
    found: int = db.execute(select(func.count()).select_from(some)).scalar_one()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Which part of a list is read."""

    after: Position | None
    until: Position | None = None  # included; None: to the end
    descending: bool
    limit: int

    def bounds(self, key: Sequence[ColumnElement[Any]]) -> list[ColumnElement[bool]]:
        """The conditions on the key of the list."""
        here, found = tuple_(*key), []
        if self.after is not None:
            after = _literals(self.after, key)
            found.append(here < after if self.descending else here > after)
        if self.until is not None:
            until = _literals(self.until, key)
            found.append(here >= until if self.descending else here <= until)
        return found

    def order(self, key: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """The direction of the list."""
        return [column.desc() for column in key] if self.descending else list(key)


def _literals(position: Position, key: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    return tuple_(*(literal(value, column.type) for value, column in zip(position, key, strict=True)))


def _some_way_on(db: Connection, tenant_id: str, walked: _Walked, place: _Place) -> Position | None:
    """How far to look at first along a common term: most pages are full before, and the plan stays a walk.

    Without a bound PostgreSQL may join all tasks of two terms to find the first fifty.
    """
    if not walked.terms:
        return None
    c = tables.term.c
    key = (c.created_at, c.id)
    walk = select(*key).where(c.tenant_id == tenant_id, c.term == walked.terms[0], *place.bounds(key))
    row = db.execute(walk.order_by(*place.order(key)).offset(_WINDOW).limit(1)).one_or_none()
    return None if row is None else (row[0], row[1])


def _tasks_of_page(
    db: Connection, viewer: Actor, wanted: TaskFilter, walked: _Walked, place: _Place
) -> list[Task]:
    page = _page_of_ids(viewer, wanted, walked, place)
    query = tasks_query(viewer).join(page, page.c.id == _T.id)
    return [task_of(row) for row in db.execute(query.order_by(*place.order((page.c.created_at, page.c.id))))]


def _page_of_ids(viewer: Actor, wanted: TaskFilter, walked: _Walked, place: _Place) -> Subquery:
    """The ids and creation times of one page, each branch of the merge along one index."""
    source = tables.term.c if walked.terms else _T
    key = (source.created_at, source.id)
    branches = [
        select(*key)
        .where(*conditions, *place.bounds(key))
        .order_by(*place.order(key))
        .limit(place.limit)
        .subquery()
        for conditions in _branches(viewer, wanted, walked)
    ]
    if len(branches) == 1:
        return branches[0]
    merged = union_all(*(select(branch.c.created_at, branch.c.id) for branch in branches)).subquery()
    ends = (merged.c.created_at, merged.c.id)
    return select(*ends).order_by(*place.order(ends)).limit(place.limit).subquery()


def terms_wanted(wanted: TaskFilter) -> list[str]:
    """Terms that must all be there."""
    return [f"w:{word}" for word in wanted.words] + [label_term(label) for label in wanted.label]


def _branches(viewer: Actor, wanted: TaskFilter, walked: _Walked) -> list[list[ColumnElement[bool]]]:
    """Conditions of index walks that together find every match once."""
    rest = [*conditions_on_task(wanted), *visible(viewer, _T.user_id, _T.project_id)]
    rest += [task_has_term(term) for term in walked.of_tasks]
    if walked.terms:
        term = tables.term.c
        first, *others = walked.terms
        lead = [term.tenant_id == viewer.tenant_id, term.term == first]
        lead += [_has_term(viewer.tenant_id, other) for other in others]
        created_before = _created_before(wanted)
        lead += [term.created_at < created_before] if created_before is not None else []
        if rest:
            lead.append(
                select(literal(1))
                .where(_T.tenant_id == term.tenant_id, _T.id == term.id, *rest)
                .correlate(tables.term)
                .exists()
            )
        return [lead]
    tenant = _T.tenant_id == viewer.tenant_id
    if wanted.parent:
        return [[tenant, _T.parent_id == parent, *rest] for parent in dict.fromkeys(wanted.parent)]
    lead_name = next((name for name in _LEADS if getattr(wanted, name)), None)
    values: Sequence[Any] = getattr(wanted, lead_name) if lead_name else ()
    if lead_name is None and not viewer.sees_all and not viewer.shared_projects:
        lead_name, values = "user", (viewer.user_id,)
    statuses = tuple(dict.fromkeys(wanted.status)) or (STATUSES if lead_name else ())
    if lead_name is None:
        return [[tenant, _T.status == status, *rest] for status in statuses] or [[tenant, *rest]]
    if len(values) * len(statuses) > _BRANCHES:
        return [[tenant, *rest]]
    column = _LEAD_COLUMN[lead_name]
    return [
        [tenant, column == value, _T.status == status, *rest]
        for value, status in product(dict.fromkeys(values), statuses)
    ]


def _has_term(tenant_id: str, wanted: str) -> ColumnElement[bool]:
    other = tables.term.alias()
    return (
        select(literal(1))
        .where(
            other.c.tenant_id == tenant_id,
            other.c.term == wanted,
            other.c.created_at == tables.term.c.created_at,
            other.c.id == tables.term.c.id,
        )
        .correlate(tables.term)
        .exists()
    )


def task_has_term(wanted: str) -> ColumnElement[bool]:
    """The condition that a row of `hw_task` can be found by a term."""
    term = tables.term.alias()
    return (
        select(literal(1))
        .where(
            term.c.tenant_id == _T.tenant_id,
            term.c.term == wanted,
            term.c.created_at == _T.created_at,
            term.c.id == _T.id,
        )
        .correlate(tables.task)
        .exists()
    )


def conditions_on_task(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions on `hw_task`, except what is walked as terms."""
    conditions: list[ColumnElement[bool]] = []
    for column, values in (
        (_T.status, wanted.status),
        (_T.project_id, wanted.project),
        (_T.agent_kind, wanted.agent),
        (_T.user_id, wanted.user),
        (_T.task_type, wanted.type),
        (_T.parent_id, wanted.parent),
        (_T.agent_id, wanted.agent_id),
    ):
        if values:
            conditions.append(column == values[0] if len(values) == 1 else column.in_(list(values)))
    for name in ("created", "started", "finished"):
        column = _T[f"{name}_at"]
        after, before = getattr(wanted, f"{name}_after"), getattr(wanted, f"{name}_before")
        conditions += [column >= after] if after is not None else []
        conditions += [column < before] if before is not None else []
    created_before = _created_before(wanted)
    return conditions if created_before is None else [*conditions, _T.created_at < created_before]


def _created_before(wanted: TaskFilter) -> datetime | None:
    """A bound on creation that follows from bounds on start and end, since no task is created after it started."""
    bounds = [bound for bound in (wanted.started_before, wanted.finished_before) if bound is not None]
    return min(bounds, default=None)


def count_tasks(db: Connection, viewer: Actor, wanted: TaskFilter) -> int | None:
    """How many visible tasks match, or None when there are more than are worth walking."""
    total = 0
    walked = _walked(db, viewer.tenant_id, wanted)
    source = tables.term if walked.terms else tables.task
    for conditions in _branches(viewer, wanted, walked):
        some = select(literal(1)).select_from(source).where(*conditions).limit(_COUNT_LIMIT + 1).subquery()
        total += db.execute(select(func.count()).select_from(some)).scalar_one()
        if total > _COUNT_LIMIT:
            return None
    return total


def newest_endings(db: Connection, viewer: Actor, limit: int) -> list[Task]:
    """The visible tasks that ended last, newest first."""
    query = tasks_query(viewer).where(_T.finished_at.is_not(None))
    return [
        task_of(row) for row in db.execute(query.order_by(_T.finished_at.desc(), _T.id.desc()).limit(limit))
    ]
