"""Outages of the vendor, and counts of its calls."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "outages",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "round_no"],
            ["rounds.campaign", "rounds.round_no"],
            name=op.f("fk_outages_campaign_round_no_rounds"),
        ),
        sa.PrimaryKeyConstraint("campaign", "round_no", name=op.f("pk_outages")),
    )
    op.create_table(
        "vendor_calls",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "vendor", "operation", "outcome", name=op.f("pk_vendor_calls")),
    )


def downgrade() -> None:
    """Back to the revision before."""
    op.drop_table("vendor_calls")
    op.drop_table("outages")
