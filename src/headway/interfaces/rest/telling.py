"""Changed tasks and counters as JSON for those who are told of them, in the shapes that REST answers with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from headway.domain.access import Actor
from headway.domain.views import Task
from headway.interfaces.rest.shapes.reports import OverviewShape
from headway.interfaces.rest.shapes.task import task_fields
from headway.services.suite import Services

_encode = msgspec.json.Encoder().encode


async def tasks_json(services: Services, viewer: Actor, tasks: Sequence[Task]) -> list[bytes]:
    """Each task as a `TaskShape`, without the detour over it: thousands may change in a second."""
    projects = await services.projects.named(viewer, (task.project_id for task in tasks))
    now = datetime.now(UTC)
    return [_encode(task_fields(task, projects.get(task.project_id or ""), now)) for task in tasks]


async def overview_json(services: Services, viewer: Actor) -> bytes:
    """The counters of what the viewer sees."""
    found = await services.reports.overview(viewer, datetime.now(UTC))
    return OverviewShape.of(found).model_dump_json().encode()
