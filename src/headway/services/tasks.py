"""Tasks: finding and reading them, asking for their end, deleting them.

Every change is a fact that goes through `recording`; what it does is decided in the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from headway.domain import ids
from headway.domain.access import Actor
from headway.domain.errors import Conflict, HeadwayError, InvalidFact, NotFound, NotRestartable, StillRunning
from headway.domain.query import CallFilter, Page, TaskFilter
from headway.domain.task import ArtifactRow, CallRow, Entry, MetricRow
from headway.domain.views import ChangePage, RunRecord, Task
from headway.services.projects import ProjectsService
from headway.services.recording import RecordingService, Wish
from headway.store.port import Ledger

LIFE_KINDS = (
    "created",
    "updated",
    "links",
    "run",
    "started",
    "progress",
    "completed",
    "failed",
    "cancelled",
    "cancel_requested",
    "timeout",
    "retried",
)  # everything that leaves a log entry, but `log` itself
BULK_LIMIT = 1_000
BULK_ACTIONS = ("cancel", "retry", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOutcome:
    """What became, or would become, of one task of a bulk action."""

    task_id: str
    done: bool  # or would be, in a dry run
    error: HeadwayError | None = None


class TaskService:
    """What can be done with tasks."""

    def __init__(self, ledger: Ledger, projects: ProjectsService, recording: RecordingService) -> None:
        """Read from the ledger, write through `recording`."""
        self._ledger = ledger
        self._projects = projects
        self._recording = recording

    async def get(self, viewer: Actor, task_id: str) -> Task:
        """One task with its JSON fields.

        Raises:
            NotFound: There is none that the viewer may see.
        """
        found = ids.canonical(task_id)
        task = await self._ledger.get_task(viewer, found) if found else None
        if task is None:
            raise NotFound
        return task

    async def writable(self, actor: Actor, task_id: str) -> Task:
        """One task that the actor may see, and change.

        Raises:
            NotFound: There is none that the actor may see.
            NotAllowed: The actor may only look.
        """
        task = await self.get(actor, task_id)
        actor.require_write()
        return task

    async def page(
        self,
        viewer: Actor,
        wanted: TaskFilter,
        *,
        projects: Sequence[str] = (),
        order: str = "-created_at",
        limit: int = 50,
        cursor: str | None = None,
        count: bool = False,
    ) -> Page[Task]:
        """One page of tasks without JSON fields.

        Args:
            viewer: Who asks.
            wanted: Which tasks; `projects` (slugs or ids) narrow it further.
            projects: Any of these.
            order: `-created_at` or `created_at`.
            limit: Most tasks in the page.
            cursor: Where the page before ended.
            count: Whether the exact total is wanted as well.
        """
        narrowed = await self._narrowed(viewer, wanted, projects)
        if narrowed is None:
            return Page(items=(), total=0 if count else None)
        page = await self._ledger.list_tasks(viewer, narrowed, order=order, limit=limit, cursor=cursor)
        if not count:
            return page
        return replace(page, total=await self._ledger.count_tasks(viewer, narrowed))

    async def list_runs(
        self,
        viewer: Actor,
        wanted: TaskFilter,
        *,
        projects: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[RunRecord]:
        """One page of runs, newest first; the status that is asked for is the run's."""
        narrowed = await self._narrowed(viewer, wanted, projects)
        if narrowed is None:
            return Page(items=())
        return await self._ledger.list_runs(viewer, narrowed, limit=limit, cursor=cursor)

    async def runs(self, viewer: Actor, task_id: str) -> list[RunRecord]:
        """All runs of a task, oldest first."""
        task = await self.get(viewer, task_id)
        return await self._ledger.task_runs(viewer.tenant_id, task.id)

    async def entries(
        self,
        viewer: Actor,
        task_id: str,
        *,
        kinds: Sequence[str] = (),
        levels: Sequence[str] = (),
        text: str | None = None,
        after: int = 0,
        limit: int = 200,
        newest: bool = False,
    ) -> list[Entry]:
        """Log entries of a task after an entry number, oldest first."""
        task = await self.get(viewer, task_id)
        return await self._ledger.list_entries(
            viewer.tenant_id,
            task.id,
            kinds=kinds,
            levels=levels,
            text=text,
            after=after,
            limit=limit,
            newest=newest,
        )

    async def calls(
        self, viewer: Actor, wanted: CallFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[CallRow]:
        """One page of LLM calls, newest first; each of the tasks asked for must be visible."""
        tasks = [(await self.get(viewer, task_id)).id for task_id in wanted.task]
        return await self._ledger.list_llm_calls(
            viewer, replace(wanted, task=tuple(tasks)), limit=limit, cursor=cursor
        )

    async def metrics(
        self, viewer: Actor, task_id: str, *, after: int = 0, limit: int = 1000
    ) -> list[MetricRow]:
        """Metrics of a task after an entry number, oldest first."""
        task = await self.get(viewer, task_id)
        return await self._ledger.list_metrics(viewer.tenant_id, task.id, after=after, limit=limit)

    async def artifacts(
        self, viewer: Actor, task_id: str, *, after: int = 0, limit: int = 200
    ) -> list[ArtifactRow]:
        """Artifacts of a task after an entry number, oldest first, without their content."""
        task = await self.get(viewer, task_id)
        return await self._ledger.list_artifacts(viewer.tenant_id, task.id, after=after, limit=limit)

    async def changes(self, viewer: Actor, cursor: str | None, *, limit: int) -> ChangePage:
        """Tasks changed after the cursor, each once as it is now."""
        return await self._ledger.changes(viewer, cursor, limit=limit, now=datetime.now(UTC))

    async def create(self, actor: Actor, producer: str, wish: Wish, fields: Mapping[str, Any]) -> Task:
        """A new pending task.

        Raises:
            InvalidFact: A field breaks its rule.
            Conflict: There is a task with this id already.
        """
        wanted = fields.get("id")
        task_id = ids.canonical(wanted) if isinstance(wanted, str) else None
        if wanted is not None and task_id is None:
            raise InvalidFact("wrong-type", "id", "must be a UUID")
        if task_id is None:
            # Under a key the id follows from it: should the answer get lost, the same request finds its task.
            task_id = ids.uuid7() if wish.key is None else ids.uuid5(producer, "task")
        elif (known := await self._ledger.get_task(actor, task_id)) is not None and known.name is not None:
            raise Conflict(f"there is a task {task_id} already")
        raw = {name: value for name, value in fields.items() if name != "id"}
        await self._recording.write(actor, producer, wish, [{**raw, "kind": "created", "task_id": task_id}])
        return await self.get(actor, task_id)

    async def record(
        self, actor: Actor, producer: str, wish: Wish, task_id: str, raw_facts: Sequence[Mapping[str, Any]]
    ) -> Task:
        """The task after these facts about it."""
        task = await self.writable(actor, task_id)
        await self._recording.write(actor, producer, wish, [{**raw, "task_id": task.id} for raw in raw_facts])
        return await self.get(actor, task.id)

    async def retry(self, actor: Actor, task_id: str) -> Task:
        """Run an operation again; tracked work only its own process can run.

        Raises:
            NotRestartable: Always, while there are no operations; says how the work was started.
        """
        task = await self.writable(actor, task_id)
        raise not_restartable(task)

    async def delete(self, actor: Actor, task_id: str) -> int:
        """The task and its children are gone, their figures archived; how many tasks that were.

        Raises:
            StillRunning: It or a child still runs.
        """
        task = await self.writable(actor, task_id)
        return await self._ledger.delete_task(actor, task.id, datetime.now(UTC))

    async def bulk(
        self, actor: Actor, action: str, tasks: Sequence[Task], *, reason: str | None, dry_run: bool
    ) -> list[BulkOutcome]:
        """What became of each task; in a dry run, what would become of it as things stand."""
        actor.require_write()
        return [await self._one_of_bulk(actor, action, task, reason, dry_run) for task in tasks]

    async def _one_of_bulk(
        self, actor: Actor, action: str, task: Task, reason: str | None, dry_run: bool
    ) -> BulkOutcome:
        try:
            _require_possible(action, task)
            if not dry_run and action == "cancel":
                raw = {"kind": "cancel_requested", "reason": reason}
                await self.record(actor, ids.uuid7(), Wish(), task.id, [raw])
            elif not dry_run:
                await self.delete(actor, task.id)
        except NotFound:
            return BulkOutcome(task_id=task.id, done=action == "delete")  # gone with its parent
        except HeadwayError as error:
            return BulkOutcome(task_id=task.id, done=False, error=error)
        return BulkOutcome(task_id=task.id, done=True)

    async def _narrowed(
        self, viewer: Actor, wanted: TaskFilter, projects: Sequence[str]
    ) -> TaskFilter | None:
        """The filter with its projects looked up; None when none of them exists."""
        if not projects:
            return wanted
        found = await self._projects.ids_of(viewer, projects)
        return replace(wanted, project=found) if found else None


def not_restartable(task: Task) -> NotRestartable:
    """Says how tracked work was started, for whoever wants to start it again."""
    origin = task.origin or {}
    where = f" on {origin['host']}" if origin.get("host") else ""
    pid = f" as process {origin['pid']}" if origin.get("pid") else ""
    known = (
        f"it was started{where}{pid}; start it there again"
        if where or pid
        else "how it was started is not known"
    )
    return NotRestartable(
        f"this is tracked work, not an operation of the engine: {known}", origin=task.origin
    )


def _require_possible(action: str, task: Task) -> None:
    ended = task.finished_at is not None
    if action == "retry":
        raise not_restartable(task)
    if action == "cancel" and ended and task.status != "cancelled":
        raise Conflict(f"the task is {task.status}: it cannot be cancelled", status=task.status)
    if action == "delete" and not ended and task.status == "running":
        raise StillRunning(status=task.status)
