"""Log entries, LLM calls, metrics and artifacts as clients read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from headway.domain.task import ArtifactRow, CallRow, Entry, MetricRow
from headway.interfaces.rest.shapes.shape import Shape, cost, seconds


class EntryShape(Shape):
    """One line of a task's log or timeline."""

    entry_seq: int
    run: int
    kind: str
    at: datetime
    level: str
    message: str | None
    progress: float | None
    phase: str | None
    data: Any
    original_at: datetime | None  # what the producer said, where that lay in the future

    @classmethod
    def of(cls, entry: Entry) -> EntryShape:
        """The entry without its task."""
        values = entry._asdict()
        del values["task_id"]
        return cls(**values)


class CallShape(Shape):
    """One LLM call."""

    id: str
    task_id: str
    entry_seq: int
    run: int
    at: datetime
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: str | None  # null: unpriced
    cost_source: str | None
    duration_seconds: float | None
    ok: bool
    error: str | None
    cache_hit: bool
    saved_usd: str | None
    template: str | None
    hold_id: str | None

    @classmethod
    def of(cls, call: CallRow) -> CallShape:
        """The call in dollars and seconds."""
        values = call._asdict()
        values["cost_usd"] = cost(values.pop("cost_nusd"))
        values["saved_usd"] = cost(values.pop("saved_nusd"))
        values["duration_seconds"] = seconds(values.pop("duration_ms"))
        return cls(**values)


class MetricShape(Shape):
    """One measured number."""

    entry_seq: int
    run: int
    at: datetime
    name: str
    type: str
    value: float
    unit: str | None
    labels: dict[str, str]

    @classmethod
    def of(cls, metric: MetricRow) -> MetricShape:
        """The metric without its task."""
        values = metric._asdict()
        del values["task_id"]
        values["labels"] = metric.labels or {}
        return cls(**values)


class MetricSummaryShape(Shape):
    """All values of one metric of a task."""

    name: str
    type: str
    unit: str | None
    count: int
    minimum: float
    maximum: float
    mean: float
    last: float
    last_at: datetime


class ArtifactShape(Shape):
    """Something a task produced; its bytes are at `/artifacts/{id}/content` where Headway has stored them."""

    id: str
    task_id: str
    entry_seq: int
    run: int
    at: datetime
    name: str
    type: str
    content_type: str | None
    size: int | None
    sha256: str | None
    stored: bool
    uri: str | None

    @classmethod
    def of(cls, artifact: ArtifactRow) -> ArtifactShape:
        """The artifact without its bytes."""
        values = artifact._asdict()
        del values["content"]
        return cls(**values)


class ReceiptShape(Shape):
    """What was added to a task."""

    task_id: str
    id: str | None  # of an LLM call or an artifact
    applied: int
    duplicates: int  # 1: there was one with this id already


def summaries(metrics: Sequence[MetricRow]) -> list[MetricSummaryShape]:
    """Each metric in one line, in the order of their first values; the same name in another unit is another one."""
    found: dict[tuple[str, str, str | None], list[MetricRow]] = {}
    for metric in metrics:
        found.setdefault((metric.name, metric.type, metric.unit), []).append(metric)
    return [
        MetricSummaryShape(
            name=name,
            type=kind,
            unit=unit,
            count=len(rows),
            minimum=min(row.value for row in rows),
            maximum=max(row.value for row in rows),
            mean=sum(row.value / len(rows) for row in rows),
            last=max(rows, key=lambda row: row.at).value,
            last_at=max(row.at for row in rows),
        )
        for (name, kind, unit), rows in found.items()
    ]
