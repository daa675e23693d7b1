"""The ledger: tasks, runs, facts, tallies, feed, projects and access."""

from alembic import op

from headway.store.sql.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first version."""
    metadata.create_all(op.get_bind())
