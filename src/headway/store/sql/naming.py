"""Projects named by facts: found by slug or id, or made when first named; and what a process remembers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from headway.domain import ids
from headway.store.port import Batch
from headway.store.sql import tables
from headway.store.sql.dialect import Dialect

Found = tuple[str, str]  # project id, id of the user who made it


@dataclass(slots=True)
class Memory:
    """What a process has seen committed and need not look up again."""

    cells: set[tuple[str, int]] = field(default_factory=set)  # tenant, cell key
    projects: dict[tuple[str, str], Found] = field(default_factory=dict)  # tenant, slug or id

    def learn(self, other: Memory) -> None:
        """Take over what a committed transaction found."""
        self.cells |= other.cells
        self.projects.update(other.projects)


def resolve_projects(
    db: Connection,
    dialect: Dialect,
    tenant_id: str,
    memory: Memory,
    found: Memory,
    batches: Sequence[Batch],
    facts: Sequence[Sequence[Any]],
) -> dict[str, Found]:
    """Every project the facts name, by the name used; slugs not there yet come into being, unknown ids do not."""
    makers = _makers(batches, facts)
    known = {name: memory.projects.get((tenant_id, name)) for name in makers}
    missing = sorted(name for name, project in known.items() if project is None)
    if missing:
        known.update(_find(db, tenant_id, missing))
        new = [name for name in missing if known[name] is None and ids.canonical(name) is None]
        if new:
            _make(db, dialect, tenant_id, new, makers)
            known.update(_find(db, tenant_id, new))
    resolved = {name: project for name, project in known.items() if project is not None}
    found.projects.update({(tenant_id, name): project for name, project in resolved.items()})
    return resolved


def _makers(batches: Sequence[Batch], facts: Sequence[Sequence[Any]]) -> dict[str, tuple[str, datetime]]:
    """Who names each project first, and when."""
    makers: dict[str, tuple[str, datetime]] = {}
    for batch, own in zip(batches, facts, strict=True):
        for fact in own:
            named = getattr(fact, "project", None)
            if named is not None and named not in makers:
                makers[named] = (batch.actor.user_id, batch.received_at)
    return makers


def _find(db: Connection, tenant_id: str, names: Sequence[str]) -> dict[str, Found]:
    c = tables.project.c
    by_id = {identity: name for name in names if (identity := ids.canonical(name)) is not None}
    wanted = c.slug.in_(names) | c.id.in_(list(by_id)) if by_id else c.slug.in_(names)
    query = select(c.id, c.slug, c.created_by).where(c.tenant_id == tenant_id, wanted)
    found: dict[str, Found] = {}
    for identity, slug, maker in db.execute(query):
        for name in {slug, by_id.get(identity, slug)} & set(names):
            found[name] = (identity, maker)
    return found


def _make(
    db: Connection,
    dialect: Dialect,
    tenant_id: str,
    slugs: Sequence[str],
    makers: Mapping[str, tuple[str, datetime]],
) -> None:
    columns = (
        "tenant_id",
        "id",
        "slug",
        "name",
        "priority",
        "status",
        "created_by",
        "created_at",
        "updated_at",
    )
    rows = []
    for slug in slugs:
        maker, now = makers[slug]
        rows.append((tenant_id, ids.uuid7(), slug, slug, 2, "active", maker, now, now))
    dialect.insert_missing(db, tables.project, columns, rows)
