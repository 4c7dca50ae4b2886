"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROUND_STATES = (
    "'DRAFT', 'SELECTED', 'QUOTED', 'APPROVED', 'SUBMITTING', 'OPEN', 'COLLECTING', 'CLOSING', "
    "'SEALED', 'TRAINED', 'EVALUATED', 'PROMOTED', 'HELD', 'REPORTED', 'ABORTED'"
)
TASK_STATES = (
    "'PLANNED', 'DROPPED', 'PRICED', 'OVER_BUDGET', 'APPROVED', 'OUTBOX', 'UNKNOWN', 'REFUSED', "
    "'SUBMITTED', 'IN_PROGRESS', 'CANCEL_REQUESTED', 'CANCELED', 'TOO_LATE', 'EXPIRED', 'RESUBMIT', "
    "'CLOSED_UNLABELED', 'RETURNED', 'SKIPPED_BY_ANNOTATOR', 'EXPERT_QUEUE', 'PARSED', 'QUARANTINED', "
    "'VALIDATED', 'REJECTED', 'REWORK', 'ACCEPTED', 'SUPERSEDED'"
)


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "budgets",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("accrued", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("kill_switch", sa.Boolean(), nullable=False),
        sa.CheckConstraint("reserved + accrued <= cap", name=op.f("ck_budgets_cap")),
        sa.CheckConstraint("reserved >= 0 AND accrued >= 0", name=op.f("ck_budgets_signs")),
        sa.PrimaryKeyConstraint("campaign", name=op.f("pk_budgets")),
    )
    op.create_table(
        "checks",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("evaluated", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("failed_ids", sa.Text(), nullable=False),
        sa.Column("details_json", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "round_no", "suite", name=op.f("pk_checks")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_events_campaign_round_no"), ["campaign", "round_no"], unique=False)
        batch_op.create_index(batch_op.f("ix_events_key"), ["key"], unique=False)

    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("ttl_s", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "rounds",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("batch_sha256", sa.Text(), nullable=False),
        sa.Column("n_tasks", sa.BigInteger(), nullable=False),
        sa.Column("quote_micros", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("quote_valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quote_basis", sa.Text(), nullable=True),
        sa.Column("cap_micros", sa.BigInteger(), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("vendor", sa.Text(), nullable=True),
        sa.Column("vendor_batch_id", sa.Text(), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sla_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sealed_sha256", sa.Text(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("accrued", sa.BigInteger(), nullable=False),
        sa.Column("lease_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan_json", sa.Text(), nullable=True),
        sa.CheckConstraint(
            f"state IN ({ROUND_STATES})",
            name=op.f("ck_rounds_state"),
        ),
        sa.CheckConstraint("reserved + accrued <= cap_micros", name=op.f("ck_rounds_cap")),
        sa.CheckConstraint("reserved >= 0 AND accrued >= 0", name=op.f("ck_rounds_signs")),
        sa.PrimaryKeyConstraint("campaign", "round_no", name=op.f("pk_rounds")),
    )
    op.create_table(
        "labeling_tasks",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("item_digest", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("overlap_slot", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("price_micros", sa.BigInteger(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("payload_sha256", sa.Text(), nullable=False),
        sa.Column("vendor_task_id", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fencing_token", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("parent_key", sa.Text(), nullable=True),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("inclusion_probability", sa.Float(), nullable=True),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('TRAIN', 'GOLD', 'AUDIT', 'RELABEL', 'CALIBRATION')", name=op.f("ck_labeling_tasks_purpose")
        ),
        sa.CheckConstraint(
            f"state IN ({TASK_STATES})",
            name=op.f("ck_labeling_tasks_state"),
        ),
        sa.CheckConstraint("price_micros >= 0", name=op.f("ck_labeling_tasks_price")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_labeling_tasks_reserved")),
        sa.ForeignKeyConstraint(
            ["campaign", "round_no"],
            ["rounds.campaign", "rounds.round_no"],
            name=op.f("fk_labeling_tasks_campaign_round_no"),
        ),
        sa.ForeignKeyConstraint(["parent_key"], ["labeling_tasks.key"], name=op.f("fk_labeling_tasks_parent_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_labeling_tasks")),
    )
    with op.batch_alter_table("labeling_tasks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_labeling_tasks_campaign_item_id"), ["campaign", "item_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_labeling_tasks_campaign_round_no_rank"), ["campaign", "round_no", "rank"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_labeling_tasks_campaign_state"), ["campaign", "state"], unique=False)

    op.create_table(
        "annotations",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("annotator_id", sa.Text(), nullable=False),
        sa.Column("class_ids", sa.Text(), nullable=False),
        sa.Column("skipped", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("work_s", sa.Float(), nullable=True),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.CheckConstraint("provenance IN ('HUMAN', 'MACHINE', 'UNKNOWN')", name=op.f("ck_annotations_provenance")),
        sa.ForeignKeyConstraint(["key"], ["labeling_tasks.key"], name=op.f("fk_annotations_key")),
        sa.PrimaryKeyConstraint("key", "revision", "ordinal", name=op.f("pk_annotations")),
    )
    op.create_table(
        "cost_lines",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('ESTIMATED', 'ACCRUED', 'INVOICED', 'ADJUSTED')", name=op.f("ck_cost_lines_kind")),
        sa.ForeignKeyConstraint(
            ["campaign", "round_no"],
            ["rounds.campaign", "rounds.round_no"],
            name=op.f("fk_cost_lines_campaign_round_no"),
        ),
        sa.ForeignKeyConstraint(["key"], ["labeling_tasks.key"], name=op.f("fk_cost_lines_key")),
        sa.PrimaryKeyConstraint("campaign", "line_id", name=op.f("pk_cost_lines")),
    )
    with op.batch_alter_table("cost_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cost_lines_campaign_round_no"), ["campaign", "round_no"], unique=False)
        batch_op.create_index(
            "uq_cost_lines_charge",
            ["key", "kind"],
            unique=True,
            sqlite_where=sa.text("kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL"),
            postgresql_where=sa.text("kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL"),
        )

    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("vendor_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parsed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parser_version", sa.Text(), nullable=True),
        sa.Column("vendor_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quarantine_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign", "round_no"],
            ["rounds.campaign", "rounds.round_no"],
            name=op.f("fk_deliveries_campaign_round_no"),
        ),
        sa.ForeignKeyConstraint(["key"], ["labeling_tasks.key"], name=op.f("fk_deliveries_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "campaign",
            "round_no",
            "vendor_id",
            "revision",
            name=op.f("uq_deliveries_campaign_round_no_vendor_id_revision"),
        ),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_key_revision"), ["key", "revision"], unique=False)


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deliveries_key_revision"))

    op.drop_table("deliveries")
    with op.batch_alter_table("cost_lines", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_cost_lines_charge",
            sqlite_where=sa.text("kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL"),
            postgresql_where=sa.text("kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_cost_lines_campaign_round_no"))

    op.drop_table("cost_lines")
    op.drop_table("annotations")
    with op.batch_alter_table("labeling_tasks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_labeling_tasks_campaign_state"))
        batch_op.drop_index(batch_op.f("ix_labeling_tasks_campaign_round_no_rank"))
        batch_op.drop_index(batch_op.f("ix_labeling_tasks_campaign_item_id"))

    op.drop_table("labeling_tasks")
    op.drop_table("rounds")
    op.drop_table("leases")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_key"))
        batch_op.drop_index(batch_op.f("ix_events_campaign_round_no"))

    op.drop_table("events")
    op.drop_table("checks")
    op.drop_table("budgets")
