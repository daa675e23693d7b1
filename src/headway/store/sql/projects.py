"""Projects in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, literal, or_, select, tuple_, update

from headway.domain import ids
from headway.domain.access import Actor
from headway.domain.errors import Conflict, InvalidCursor
from headway.domain.query import Page, seal, unseal
from headway.domain.views import Project
from headway.store.sql import tables
from headway.store.sql.engine import Database

_P = tables.project.c
_FIELDS = tuple(Project.__slots__)


def _project(row: Any) -> Project:
    return Project(**{name: getattr(row, name) for name in _FIELDS})


def _seen_by(viewer: Actor) -> list[ColumnElement[bool]]:
    if viewer.sees_all:
        return [_P.tenant_id == viewer.tenant_id]
    own = _P.created_by == viewer.user_id
    shared = _P.id.in_(sorted(viewer.shared_projects))
    return [_P.tenant_id == viewer.tenant_id, or_(own, shared) if viewer.shared_projects else own]


class SqlProjects:
    """Projects beside the ledger's tables."""

    def __init__(self, database: Database, secret: list[bytes]) -> None:
        """Use this database; `secret` holds the cursor key once the ledger is open."""
        self._database = database
        self._secret = secret

    async def create(
        self,
        actor: Actor,
        *,
        name: str,
        slug: str,
        objective: str | None,
        priority: int,
        status: str,
        now: datetime,
    ) -> Project:
        """A new project; raise Conflict when the slug is taken."""
        project = Project(
            id=ids.uuid7(), tenant_id=actor.tenant_id, slug=slug, name=name, objective=objective, priority=priority,
            status=status, created_at=now, updated_at=now, created_by=actor.user_id,
        )  # fmt: skip

        def work(db: Connection) -> Project:
            taken = select(_P.id).where(_P.tenant_id == actor.tenant_id, _P.slug == slug)
            if db.execute(taken).one_or_none() is not None:
                raise Conflict(f"there is a project {slug!r} already", field="slug")
            db.execute(insert(tables.project).values({field: getattr(project, field) for field in _FIELDS}))
            return project

        return await self._database.write(work)

    async def update(
        self, actor: Actor, project_id: str, values: Mapping[str, Any], now: datetime
    ) -> Project | None:
        """Change name, objective, priority or status of a visible project."""
        allowed = {
            name: value
            for name, value in values.items()
            if name in ("name", "objective", "priority", "status")
        }
        statement = (
            update(tables.project)
            .where(*_seen_by(actor), _P.id == project_id)
            .values(**allowed, updated_at=now)
        )
        changed = await self._database.write(lambda db: db.execute(statement).rowcount)
        return await self.get(actor, project_id) if changed else None

    async def get(self, viewer: Actor, slug_or_id: str) -> Project | None:
        """One visible project by slug or id."""
        identity = ids.canonical(slug_or_id)
        wanted = _P.slug == slug_or_id if identity is None else or_(_P.id == identity, _P.slug == slug_or_id)
        query = select(tables.project).where(*_seen_by(viewer), wanted).order_by(_P.id).limit(1)
        row = await self._database.read(lambda db: db.execute(query).one_or_none())
        return _project(row) if row is not None else None

    async def list(self, viewer: Actor, *, limit: int = 50, cursor: str | None = None) -> Page[Project]:
        """Visible projects, newest first."""
        bound = f"projects\0{viewer.tenant_id}\0{viewer.user_id}"
        query = select(tables.project).where(*_seen_by(viewer))
        if cursor is not None:
            values = unseal(self._secret[0], bound, cursor)
            if len(values) != 2:
                raise InvalidCursor
            here = tuple_(
                literal(datetime.fromisoformat(values[0]), _P.created_at.type), literal(values[1], _P.id.type)
            )
            query = query.where(tuple_(_P.created_at, _P.id) < here)
        query = query.order_by(_P.created_at.desc(), _P.id.desc()).limit(limit + 1)
        found = [_project(row) for row in await self._database.read(lambda db: db.execute(query).all())]
        last = found[limit - 1] if len(found) > limit else None
        following = seal(self._secret[0], bound, [last.created_at.isoformat(), last.id]) if last else None
        return Page(items=tuple(found[:limit]), next_cursor=following)

    async def count(self, viewer: Actor) -> dict[str, int]:
        """How many visible projects there are in each status."""
        query = select(_P.status, func.count()).where(*_seen_by(viewer)).group_by(_P.status)
        return await self._database.read(lambda db: {row[0]: row[1] for row in db.execute(query)})

    async def named(self, viewer: Actor, project_ids: Sequence[str]) -> dict[str, Project]:
        """The visible ones of these projects by id."""
        if not project_ids:
            return {}
        query = select(tables.project).where(*_seen_by(viewer), _P.id.in_(list(project_ids)))
        return {
            row.id: _project(row) for row in await self._database.read(lambda db: db.execute(query).all())
        }
