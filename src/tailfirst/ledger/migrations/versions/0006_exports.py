"""Which seal exported a delivery and a cost line."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WAITING = sa.text("sealed_in IS NULL")
TABLES = ("deliveries", "cost_lines")


def upgrade() -> None:
    """To this revision. Nothing is marked here: the next seal finds what the folders hold, and marks it."""
    for table in TABLES:
        op.add_column(table, sa.Column("sealed_in", sa.BigInteger(), nullable=True))
        op.create_index(
            f"ix_{table}_waiting", table, ["campaign", "round_no"], sqlite_where=WAITING, postgresql_where=WAITING
        )


def downgrade() -> None:
    """Back to the revision before."""
    for table in TABLES:
        op.drop_index(f"ix_{table}_waiting", table)
        op.drop_column(table, "sealed_in")
