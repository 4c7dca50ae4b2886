"""Webhooks: the inbox with the vendor ids it names, and the alarms that were told."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("body_sha256", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("repeats", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('WAITING', 'PARKED', 'TAKEN')", name=op.f("ck_inbox_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("campaign", "vendor", "delivery_id", name=op.f("uq_inbox_campaign_vendor_delivery_id")),
    )
    op.create_index(op.f("ix_inbox_campaign_state"), "inbox", ["campaign", "state"])
    op.create_index(op.f("ix_inbox_received_at"), "inbox", ["received_at"])
    op.create_table(
        "inbox_ids",
        sa.Column("inbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_inbox_ids_inbox_id")),
        sa.PrimaryKeyConstraint("inbox_id", "vendor_id", name=op.f("pk_inbox_ids")),
    )
    op.create_index(op.f("ix_inbox_ids_vendor_id"), "inbox_ids", ["vendor_id"])
    op.create_table(
        "alarms",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "round_no", "kind", name=op.f("pk_alarms")),
    )
    # A webhook names a task by the vendor's id; without this each one would read the whole table.
    op.create_index(op.f("ix_labeling_tasks_campaign_vendor_task_id"), "labeling_tasks", ["campaign", "vendor_task_id"])


def downgrade() -> None:
    """Back to the one before."""
    op.drop_index(op.f("ix_labeling_tasks_campaign_vendor_task_id"), "labeling_tasks")
    for table in ("alarms", "inbox_ids", "inbox"):
        op.drop_table(table)
