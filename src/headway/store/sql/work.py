"""What one commit does to each task: its facts by batch, its state before and after, and what folding left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headway.domain.lifecycle import Folded
from headway.domain.task import Run, TaskState


@dataclass(slots=True)
class Part:
    """The facts of one batch about one task, in order."""

    batch: int
    facts: list[Any]


@dataclass(slots=True)
class TaskWork:
    """What a commit does to one task."""

    before: TaskState | None
    after: TaskState | None
    older: dict[int, Run]  # runs before the newest, as they were
    folded: list[Folded] = field(default_factory=list)  # one per batch, in order
    batches: list[int] = field(default_factory=list)  # the batch of each

    @property
    def changed(self) -> bool:
        """Whether people can see a difference."""
        return any(folded.changed for folded in self.folded)

    @property
    def rereads(self) -> bool:
        """Whether writing it needs rows read first: what it is found by or counted for may move."""
        before, after = self.before, self.after
        if before is None or after is None:
            return False
        moved = before.cell != after.cell or before.created_at != after.created_at
        return moved or any(folded.sets or folded.fills for folded in self.folded)
