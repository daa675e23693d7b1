"""Projects: making, changing and finding them; their figures are in `reports`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from headway.domain.access import Actor
from headway.domain.checks import Rule
from headway.domain.errors import NotFound
from headway.domain.forms import checked
from headway.domain.limits import MESSAGE_LENGTH, NAME_LENGTH, PRIORITIES
from headway.domain.query import Page
from headway.domain.views import Project
from headway.store.port import Projects

STATUSES = ("planning", "active", "on_hold", "completed", "archived")
CHANGES = {
    "name": Rule("text", low=1, high=NAME_LENGTH),
    "objective": Rule("text", high=MESSAGE_LENGTH),
    "priority": Rule("choice", choices=PRIORITIES),
    "status": Rule("choice", choices=STATUSES),
}
FORM = {**CHANGES, "name": CHANGES["name"].needed(), "slug": Rule("text", low=1, high=NAME_LENGTH)}


class ProjectsService:
    """What can be done with projects."""

    def __init__(self, projects: Projects) -> None:
        """Keep projects here."""
        self._projects = projects

    async def create(self, actor: Actor, given: Any) -> Project:
        """A new project; without a slug it gets one from its name.

        Raises:
            InvalidFact: A field breaks its rule.
            Conflict: The slug is taken.
        """
        actor.require_write()
        values = {"objective": None, "priority": 2, "status": "active", **checked(given, FORM)}
        values.setdefault("slug", slug_of(values["name"]))
        return await self._projects.create(actor, now=datetime.now(UTC), **values)

    async def update(self, actor: Actor, slug_or_id: str, given: Any) -> Project:
        """The project with some of its fields changed.

        Raises:
            InvalidFact: A field breaks its rule.
            NotFound: There is none that the actor may see.
        """
        actor.require_write()
        values = checked(given, CHANGES)
        project = await self.get(actor, slug_or_id)
        if not values:
            return project
        changed = await self._projects.update(actor, project.id, values, datetime.now(UTC))
        if changed is None:
            raise NotFound
        return changed

    async def get(self, viewer: Actor, slug_or_id: str) -> Project:
        """One project by slug or id.

        Raises:
            NotFound: There is none that the viewer may see.
        """
        project = await self._projects.get(viewer, slug_or_id)
        if project is None:
            raise NotFound
        return project

    async def page(self, viewer: Actor, *, limit: int, cursor: str | None) -> Page[Project]:
        """One page of projects, newest first."""
        return await self._projects.list(viewer, limit=limit, cursor=cursor)

    async def named(self, viewer: Actor, project_ids: Iterable[str | None]) -> dict[str, Project]:
        """These projects by id, as far as the viewer may see them."""
        wanted = {project_id for project_id in project_ids if project_id is not None}
        return await self._projects.named(viewer, sorted(wanted)) if wanted else {}

    async def ids_of(self, viewer: Actor, names: Sequence[str]) -> tuple[str, ...]:
        """The ids of those projects (slugs or ids) that there are."""
        found = [await self._projects.get(viewer, name) for name in dict.fromkeys(names)]
        return tuple(project.id for project in found if project is not None)


def slug_of(name: str) -> str:
    """A name in lower case with dashes between its words; the name itself where that leaves nothing."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "-".join(re.findall(r"\w+", re.sub(r"[\u0300-\u036f]", "", plain))) or name
