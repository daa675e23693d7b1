"""What `headway watch` shows: the tasks as the stream last told them, and the counters above."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from headway.domain.limits import FINAL_STATUSES
from headway.interfaces.cli.following import LOST
from headway.interfaces.cli.task_table import task_table
from headway.sdk.events import Event

FINISHED_SHOWN = 10
KEPT = 500  # finished tasks that are remembered


class Board:
    """The newest state of tasks. A change replaces the whole, so that another thread can draw any time."""

    def __init__(self, tasks: Iterable[dict[str, Any]]) -> None:
        """Begin with these tasks."""
        self._tasks: Mapping[str, dict[str, Any]] = {task["id"]: task for task in tasks}
        self._overview: Mapping[str, Any] = {}
        self._trouble = ""

    def apply(self, event: Event) -> None:
        """The board shows what the event tells."""
        if event.name == LOST:
            self._trouble = f"connection lost: {event.data['detail']}"
            return
        self._trouble = ""
        if event.name == "tasks":
            self._tasks = self._after(event.data)
        elif event.name == "overview":
            self._overview = event.data

    def replace(self, tasks: Iterable[dict[str, Any]]) -> None:
        """After a `resync`, the board begins anew with these tasks."""
        self._tasks = {task["id"]: task for task in tasks}

    def render(self, width: int, height: int) -> RenderableType:
        """The board for a terminal of this size."""
        tasks = sorted(self._tasks.values(), key=lambda task: str(task["created_at"]), reverse=True)
        running = [task for task in tasks if task["status"] not in FINAL_STATUSES]
        ended = [task for task in tasks if task["status"] in FINAL_STATUSES]
        ended.sort(key=lambda task: str(task.get("finished_at")), reverse=True)
        room = max(height - 6, 4)
        shown = running[:room]
        shown += ended[: min(FINISHED_SHOWN, room - len(shown))]
        parts: list[RenderableType] = [self._headline(len(running))]
        if shown:
            parts.append(task_table(shown, width=width))
        hidden = len(running) - len(shown)
        if hidden > 0:
            parts.append(Text(f"and {hidden} more", style="dim"))
        return Group(*parts)

    def _headline(self, open_tasks: int) -> Text:
        line = Text(f"{open_tasks} open", style="bold")
        for name, value in self._overview.items():
            if value and isinstance(value, int | float):
                line.append(f"  ·  {name.replace('_', ' ')} {value:,}", style="dim")
        if self._trouble:
            line.append(f"  ·  {self._trouble}", style="red")
        return line

    def _after(self, data: Mapping[str, Any]) -> Mapping[str, dict[str, Any]]:
        tasks = dict(self._tasks)
        for task in data.get("tasks") or data.get("items") or ():
            tasks.pop(task["id"], None)  # the newest change comes last
            tasks[task["id"]] = task
        for gone in data.get("deleted") or ():
            tasks.pop(gone["task_id"] if isinstance(gone, dict) else gone, None)
        surplus = [key for key, task in tasks.items() if task["status"] in FINAL_STATUSES][:-KEPT]
        for key in surplus:
            del tasks[key]
        return tasks
