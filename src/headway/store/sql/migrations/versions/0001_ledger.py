"""The ledger: tasks, runs, facts, tallies, feed, projects and access."""

import sqlalchemy as sa
from alembic import op

from headway.store.sql import columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first version."""
    op.create_table(
        "hw_api_key",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("expires_at", columns.Moment(), nullable=True),
        sa.Column("revoked_at", columns.Moment(), nullable=True),
        sa.Column("last_used_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("hw_api_key_hash", "hw_api_key", ["key_hash"], unique=True)
    op.create_table(
        "hw_artifact",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("task_id", columns.Id(), nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("stored", sa.Boolean(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", "id"),
    )
    op.create_index("hw_artifact_id", "hw_artifact", ["tenant_id", "id"], unique=False)
    op.create_table(
        "hw_cell",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("project_id", columns.Id(), nullable=True),
        sa.Column("agent_kind", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "cell"),
    )
    op.create_table(
        "hw_entry",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("task_id", columns.Id(), nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("data", columns.Json(), nullable=True),
        sa.Column("original_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", "entry_seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hw_gauge",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("running", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("completed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("timeout", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unreported", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("weight", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done_weight", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "cell"),
        postgresql_with={"fillfactor": 30},
    )
    op.create_table(
        "hw_head",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("horizon", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        postgresql_with={"fillfactor": 10},
    )
    op.create_table(
        "hw_llm_call",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("task_id", columns.Id(), nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nusd", sa.BigInteger(), nullable=True),
        sa.Column("cost_source", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cache_hit", sa.Boolean(), nullable=False),
        sa.Column("saved_nusd", sa.BigInteger(), nullable=True),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("hold_id", columns.Id(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", "id"),
    )
    op.create_index("hw_llm_call_at", "hw_llm_call", ["tenant_id", "at", "id"], unique=False)
    op.create_table(
        "hw_llm_tally",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_nusd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unpriced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("durations", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_hits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("saved_nusd", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "cell", "archived", "period", "start", "provider", "model", "template"
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "hw_meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "hw_metric",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("task_id", columns.Id(), nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("labels", columns.Json(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", "entry_seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hw_producer",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("producer", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", columns.Moment(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("answer", columns.Json(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "producer", "user_id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "hw_project",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("objective", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), server_default="2", nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("created_by", columns.Id(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("updated_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("hw_project_created", "hw_project", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index("hw_project_slug", "hw_project", ["tenant_id", "slug"], unique=True)
    op.create_table(
        "hw_refusal",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("producer", columns.Id(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_id", columns.Id(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("received_at", columns.Moment(), nullable=False),
        sa.Column("cell_user_id", columns.Id(), nullable=False),
        sa.Column("cell_project_id", columns.Id(), nullable=True),
        sa.Column("cell_agent_kind", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "producer", "seq"),
    )
    op.create_index("hw_refusal_received", "hw_refusal", ["tenant_id", "received_at"], unique=False)
    op.create_index("hw_refusal_task", "hw_refusal", ["tenant_id", "task_id"], unique=False)
    op.create_table(
        "hw_run",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("task_id", columns.Id(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("started_at", columns.Moment(), nullable=True),
        sa.Column("start_known", sa.Boolean(), nullable=False),
        sa.Column("finished_at", columns.Moment(), nullable=True),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("late_outcome", sa.Text(), nullable=True),
        sa.Column("result", columns.Json(), nullable=True),
        sa.Column("error", columns.Json(), nullable=True),
        sa.Column("plan", columns.Json(), nullable=True),
        sa.Column("memory_mb", sa.Float(), nullable=True),
        sa.Column("rounds", sa.BigInteger(), nullable=True),
        sa.Column("error_details", columns.Json(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "task_id", "number"),
    )
    op.create_index(
        "hw_run_created", "hw_run", ["tenant_id", "created_at", "task_id", "number"], unique=False
    )
    op.create_table(
        "hw_session",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("expires_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "hw_tally",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("cell", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("started", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("completed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("timeout", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("retries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("durations", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d00", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d01", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d02", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d03", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d04", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d05", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d06", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d07", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d08", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d09", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d10", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d11", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d12", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d13", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d14", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d15", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d16", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d17", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d18", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d19", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d20", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d21", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d22", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d23", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d24", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d25", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d26", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d27", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d28", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d29", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d30", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d31", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d32", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d33", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d34", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d35", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d36", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d37", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d38", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("d39", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "cell", "archived", "period", "start"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "hw_task",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("project_id", columns.Id(), nullable=True),
        sa.Column("parent_id", columns.Id(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("task_type", sa.Text(), nullable=True),
        sa.Column("agent_kind", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), server_default="2", nullable=False),
        sa.Column("labels", columns.Json(), nullable=True),
        sa.Column("input", columns.Json(), nullable=True),
        sa.Column("metadata", columns.Json(), nullable=True),
        sa.Column("links", columns.Json(), nullable=True),
        sa.Column("config", columns.Json(), nullable=True),
        sa.Column("estimate_ms", sa.BigInteger(), nullable=True),
        sa.Column("origin", columns.Json(), nullable=True),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", columns.Moment(), nullable=True),
        sa.Column("finished_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        postgresql_with={"fillfactor": 85},
    )
    op.create_index(
        "hw_task_agent", "hw_task", ["tenant_id", "agent_kind", "status", "created_at", "id"], unique=False
    )
    op.create_index(
        "hw_task_agent_id",
        "hw_task",
        ["tenant_id", "agent_id", "status", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("agent_id IS NOT NULL"),
        postgresql_where=sa.text("agent_id IS NOT NULL"),
    )
    op.create_index("hw_task_created", "hw_task", ["tenant_id", "created_at", "id"], unique=False)
    op.create_index(
        "hw_task_finished",
        "hw_task",
        ["tenant_id", "finished_at", "id"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "hw_task_parent",
        "hw_task",
        ["tenant_id", "parent_id", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("parent_id IS NOT NULL"),
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "hw_task_project", "hw_task", ["tenant_id", "project_id", "status", "created_at", "id"], unique=False
    )
    op.create_index("hw_task_status", "hw_task", ["tenant_id", "status", "created_at", "id"], unique=False)
    op.create_index(
        "hw_task_type", "hw_task", ["tenant_id", "task_type", "status", "created_at", "id"], unique=False
    )
    op.create_index(
        "hw_task_user", "hw_task", ["tenant_id", "user_id", "status", "created_at", "id"], unique=False
    )
    op.create_table(
        "hw_task_state",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("project_id", columns.Id(), nullable=True),
        sa.Column("agent_kind", sa.Text(), nullable=True),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("weight_ms", sa.BigInteger(), nullable=False),
        sa.Column("run_number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("run_created_at", columns.Moment(), nullable=False),
        sa.Column("started_at", columns.Moment(), nullable=True),
        sa.Column("start_known", sa.Boolean(), nullable=False),
        sa.Column("finished_at", columns.Moment(), nullable=True),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("reported_at", columns.Moment(), nullable=True),
        sa.Column("cancel_requested_at", columns.Moment(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("lease_ends_at", columns.Moment(), nullable=True),
        sa.Column("llm_calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_nusd", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_calls", sa.BigInteger(), nullable=False),
        sa.Column("total_runs", sa.Integer(), nullable=False),
        sa.Column("succeeded_runs", sa.Integer(), nullable=False),
        sa.Column("failed_runs", sa.Integer(), nullable=False),
        sa.Column("activity_at", columns.Moment(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("entry_seq", sa.BigInteger(), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        postgresql_with={"fillfactor": 70},
        sqlite_with_rowid=False,
    )
    op.create_index("hw_task_state_change", "hw_task_state", ["tenant_id", "change_seq"], unique=False)
    op.create_index(
        "hw_task_state_lease",
        "hw_task_state",
        ["lease_ends_at"],
        unique=False,
        sqlite_where=sa.text("lease_ends_at IS NOT NULL"),
        postgresql_where=sa.text("lease_ends_at IS NOT NULL"),
    )
    op.create_table(
        "hw_tenant",
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "hw_term",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "term", "created_at", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "hw_tombstone",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("user_id", columns.Id(), nullable=False),
        sa.Column("project_id", columns.Id(), nullable=True),
        sa.Column("change_seq", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("hw_tombstone_change", "hw_tombstone", ["tenant_id", "change_seq"], unique=False)
    op.create_table(
        "hw_user",
        sa.Column("tenant_id", columns.Id(), nullable=False),
        sa.Column("id", columns.Id(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("access_epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
    )
    op.create_index("hw_user_email", "hw_user", ["tenant_id", "email"], unique=True)
    # ### end Alembic commands ###
