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
