"""Facts that tell without deciding (LLM calls, metrics, artifacts) as the rows that are kept of them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from headway.domain import ids
from headway.domain.facts import artifact_bytes
from headway.domain.task import ArtifactRow, CallRow, MetricRow
from headway.domain.usage import nano_dollars


def _identity(fact: Any, entry_seq: int) -> str:
    """The id a fact carries, else one that follows from its task and entry number."""
    return fact.id or ids.uuid5(fact.task_id, str(entry_seq))


def call_row(fact: Any, entry_seq: int, run: int, at: datetime) -> CallRow:
    """The row of an LLM call: a cache hit costs nothing, and what it would have cost is kept as saved."""
    reported = None if fact.cost_usd is None else nano_dollars(fact.cost_usd)
    cost, saved = (0, reported) if fact.cache_hit else (reported, None)
    return CallRow(
        fact.task_id,
        entry_seq,
        _identity(fact, entry_seq),
        run,
        at,
        fact.provider,
        fact.model,
        fact.input_tokens,
        fact.output_tokens,
        fact.cache_read_tokens,
        fact.cache_write_tokens,
        fact.reasoning_tokens,
        cost,
        None if cost is None else "provider",
        fact.duration_ms,
        fact.ok,
        fact.error,
        fact.cache_hit,
        saved,
        fact.template,
        fact.hold_id,
    )


def metric_row(fact: Any, entry_seq: int, run: int, at: datetime) -> MetricRow:
    """The row of a measured number."""
    return MetricRow(
        fact.task_id, entry_seq, run, at, fact.name, fact.type, fact.value, fact.unit, fact.labels
    )


def artifact_row(fact: Any, entry_seq: int, run: int, at: datetime) -> ArtifactRow:
    """The row of an artifact; size and SHA-256 are computed from the bytes where Headway holds them."""
    content = artifact_bytes(fact)
    size, digest = fact.size, fact.sha256.lower() if fact.sha256 else None
    if content is not None:
        size, digest = len(content), hashlib.sha256(content).hexdigest()
    return ArtifactRow(
        fact.task_id,
        entry_seq,
        _identity(fact, entry_seq),
        run,
        at,
        fact.name,
        fact.type,
        fact.content_type,
        size,
        digest,
        content is not None,
        fact.uri,
        content,
    )
