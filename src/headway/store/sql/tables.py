"""The tables. Every primary key starts with the tenant; every index is there for a query that `reading` makes.

What changes with every report lives in `hw_task_state`; what is listed and filtered lives in `hw_task`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from headway.domain.tally import GAUGE_MEASURES, LLM_MEASURES, RUN_MEASURES
from headway.store.sql.access_tables import api_key as api_key
from headway.store.sql.access_tables import meta as meta
from headway.store.sql.access_tables import metadata as metadata
from headway.store.sql.access_tables import session as session
from headway.store.sql.access_tables import tenant as tenant
from headway.store.sql.access_tables import tenant_column
from headway.store.sql.access_tables import user as user
from headway.store.sql.columns import Id, Json, Moment

_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


def _counts(names: tuple[str, ...]) -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False, server_default="0") for name in names]


project = Table(
    "hw_project",
    metadata,
    tenant_column(),
    Column("id", Id, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("objective", Text),
    Column("priority", SmallInteger, nullable=False, server_default="2"),
    Column("status", Text, nullable=False, server_default="active"),
    Column("created_by", Id, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("hw_project_slug", "tenant_id", "slug", unique=True),
    Index("hw_project_created", "tenant_id", "created_at", "id"),
)

head = Table(
    "hw_head",
    metadata,
    tenant_column(),
    Column("change_seq", BigInteger, nullable=False, server_default="0"),
    Column("horizon", BigInteger, nullable=False, server_default="0"),  # tombstones up to here are gone
    postgresql_with={"fillfactor": 10},
)

producer = Table(
    "hw_producer",
    metadata,
    tenant_column(),
    Column("producer", Id, primary_key=True),
    Column("user_id", Id, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("request_hash", Text),
    Column("answer", Json),
    postgresql_with={"fillfactor": 70},
)

task = Table(
    "hw_task",
    metadata,
    tenant_column(),
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("project_id", Id),
    Column("parent_id", Id),
    Column("name", Text),
    Column("description", Text),
    Column("task_type", Text),
    Column("agent_kind", Text),
    Column("agent_id", Text),
    Column("priority", SmallInteger, nullable=False, server_default="2"),
    Column("labels", Json),
    Column("input", Json),
    Column("metadata", Json),
    Column("links", Json),
    Column("config", Json),
    Column("estimate_ms", BigInteger),
    Column("origin", Json),
    Column("created_at", Moment, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Index("hw_task_created", "tenant_id", "created_at", "id"),
    Index("hw_task_status", "tenant_id", "status", "created_at", "id"),
    Index("hw_task_project", "tenant_id", "project_id", "status", "created_at", "id"),
    Index("hw_task_agent", "tenant_id", "agent_kind", "status", "created_at", "id"),
    Index("hw_task_user", "tenant_id", "user_id", "status", "created_at", "id"),
    Index("hw_task_type", "tenant_id", "task_type", "status", "created_at", "id"),
    Index(
        "hw_task_agent_id",
        "tenant_id",
        "agent_id",
        "status",
        "created_at",
        "id",
        sqlite_where=text("agent_id IS NOT NULL"),
        postgresql_where=text("agent_id IS NOT NULL"),
    ),
    Index(
        "hw_task_parent",
        "tenant_id",
        "parent_id",
        "created_at",
        "id",
        sqlite_where=text("parent_id IS NOT NULL"),
        postgresql_where=text("parent_id IS NOT NULL"),
    ),
    Index(
        "hw_task_finished",
        "tenant_id",
        "finished_at",
        "id",
        sqlite_where=text("finished_at IS NOT NULL"),
        postgresql_where=text("finished_at IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": 85},
)

task_state = Table(
    "hw_task_state",
    metadata,
    tenant_column(),
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("project_id", Id),
    Column("agent_kind", Text),
    Column("named", Boolean, nullable=False),
    Column("weight_ms", BigInteger, nullable=False),
    Column("run_number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("run_created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("start_known", Boolean, nullable=False),
    Column("finished_at", Moment),
    Column("inferred", Boolean, nullable=False),
    Column("progress", Float),
    Column("phase", Text),
    Column("message", Text),
    Column("reported_at", Moment),
    Column("cancel_requested_at", Moment),
    Column("cancel_reason", Text),
    Column("lease_ends_at", Moment),
    Column("llm_calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nusd", BigInteger, nullable=False),
    Column("unpriced_calls", BigInteger, nullable=False),
    Column("total_runs", Integer, nullable=False),
    Column("succeeded_runs", Integer, nullable=False),
    Column("failed_runs", Integer, nullable=False),
    Column("activity_at", Moment),
    Column("version", BigInteger, nullable=False),
    Column("entry_seq", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Index("hw_task_state_change", "tenant_id", "change_seq"),
    Index(
        "hw_task_state_lease",
        "lease_ends_at",
        sqlite_where=text("lease_ends_at IS NOT NULL"),
        postgresql_where=text("lease_ends_at IS NOT NULL"),
    ),
    postgresql_with={"fillfactor": 70},
    **_CLUSTERED,
)

run = Table(
    "hw_run",
    metadata,
    tenant_column(),
    Column("task_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("start_known", Boolean, nullable=False),
    Column("finished_at", Moment),
    Column("inferred", Boolean, nullable=False),
    Column("late_outcome", Text),
    Column("result", Json),
    Column("error", Json),
    Column("plan", Json),
    Column("memory_mb", Float),
    Column("rounds", BigInteger),
    Column("error_details", Json),
    Index("hw_run_created", "tenant_id", "created_at", "task_id", "number"),
)

entry = Table(
    "hw_entry",
    metadata,
    tenant_column(),
    Column("task_id", Id, primary_key=True),
    Column("entry_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("run", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("level", Text, nullable=False),
    Column("message", Text),
    Column("progress", Float),
    Column("phase", Text),
    Column("data", Json),
    Column("original_at", Moment),
    **_CLUSTERED,
)

llm_call = Table(
    "hw_llm_call",
    metadata,
    tenant_column(),
    Column("task_id", Id, primary_key=True),
    Column("entry_seq", BigInteger, nullable=False),
    Column("id", Id, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cache_read_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nusd", BigInteger),
    Column("cost_source", Text),
    Column("duration_ms", BigInteger),
    Column("ok", Boolean, nullable=False),
    Column("error", Text),
    Column("cache_hit", Boolean, nullable=False),
    Column("saved_nusd", BigInteger),
    Column("template", Text),
    Column("hold_id", Id),
    Index("hw_llm_call_at", "tenant_id", "at", "id"),
)

metric = Table(
    "hw_metric",
    metadata,
    tenant_column(),
    Column("task_id", Id, primary_key=True),
    Column("entry_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("run", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("unit", Text),
    Column("labels", Json),
    **_CLUSTERED,
)

artifact = Table(
    "hw_artifact",
    metadata,
    tenant_column(),
    Column("task_id", Id, primary_key=True),
    Column("entry_seq", BigInteger, nullable=False),
    Column("id", Id, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("content_type", Text),
    Column("size", BigInteger),
    Column("sha256", Text),
    Column("stored", Boolean, nullable=False),
    Column("uri", Text),
    Column("content", LargeBinary),
    Index("hw_artifact_id", "tenant_id", "id"),
)

refusal = Table(
    "hw_refusal",
    metadata,
    tenant_column(),
    Column("user_id", Id, primary_key=True),  # of the sender
    Column("producer", Id, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("task_id", Id),
    Column("kind", Text),
    Column("slug", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("status", Text),
    Column("received_at", Moment, nullable=False),
    Column("cell_user_id", Id, nullable=False),
    Column("cell_project_id", Id),
    Column("cell_agent_kind", Text),
    Index("hw_refusal_task", "tenant_id", "task_id"),
    Index("hw_refusal_received", "tenant_id", "received_at"),
)

tombstone = Table(
    "hw_tombstone",
    metadata,
    tenant_column(),
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("project_id", Id),
    Column("change_seq", BigInteger, nullable=False),
    Column("deleted_at", Moment, nullable=False),
    Index("hw_tombstone_change", "tenant_id", "change_seq"),
)

term = Table(
    "hw_term",
    metadata,
    tenant_column(),
    Column(
        "term", Text, primary_key=True
    ),  # "w:word" of the name, "l:key=value" label ("h:hash" of a long one)
    Column("created_at", Moment, primary_key=True),
    Column("id", Id, primary_key=True),
    **_CLUSTERED,
)

cell = Table(
    "hw_cell",
    metadata,
    tenant_column(),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Id, nullable=False),
    Column("project_id", Id),
    Column("agent_kind", Text),
)

gauge = Table(
    "hw_gauge",
    metadata,
    tenant_column(),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    *_counts(GAUGE_MEASURES),
    postgresql_with={"fillfactor": 30},
)

tally = Table(
    "hw_tally",
    metadata,
    tenant_column(),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "archived", Boolean, primary_key=True
    ),  # what deleted rows had contributed, contained in the others
    Column("period", Text, primary_key=True),  # quarter, day or all
    Column("start", BigInteger, primary_key=True, autoincrement=False),  # seconds since 1970
    *_counts(RUN_MEASURES),
    postgresql_with={"fillfactor": 50},
)

llm_tally = Table(
    "hw_llm_tally",
    metadata,
    tenant_column(),
    Column("cell", BigInteger, primary_key=True, autoincrement=False),
    Column("archived", Boolean, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("template", Text, primary_key=True),
    *_counts(LLM_MEASURES),
    postgresql_with={"fillfactor": 50},
)
