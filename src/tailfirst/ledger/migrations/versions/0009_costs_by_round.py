"""Cost lines lie by round too: their keys began with what the vendor draws at random, a page of its own for each."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CHARGE, CHARGES = "uq_cost_lines_charge", sa.text("kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL")
WHOLE = sa.text("key IS NULL")


def upgrade() -> None:
    """To this revision."""
    op.drop_index(CHARGE, "cost_lines")
    op.drop_index(op.f("ix_cost_lines_campaign_round_no"), "cost_lines")
    _rekey(["campaign", "round_no", "line_id"])
    _charges(["campaign", "round_no", "key", "kind"])
    op.create_index(
        "uq_cost_lines_whole",
        "cost_lines",
        ["campaign", "line_id"],
        unique=True,
        sqlite_where=WHOLE,
        postgresql_where=WHOLE,
    )


def downgrade() -> None:
    """Back to the revision before; refused by the database where two rounds have a line of one name."""
    op.drop_index("uq_cost_lines_whole", "cost_lines")
    op.drop_index(CHARGE, "cost_lines")
    _rekey(["campaign", "line_id"])
    _charges(["key", "kind"])
    op.create_index(op.f("ix_cost_lines_campaign_round_no"), "cost_lines", ["campaign", "round_no"])


def _rekey(columns: list[str]) -> None:
    with op.batch_alter_table("cost_lines", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("pk_cost_lines"), type_="primary")
        batch_op.create_primary_key(batch_op.f("pk_cost_lines"), columns)


def _charges(columns: list[str]) -> None:
    op.create_index(CHARGE, "cost_lines", columns, unique=True, sqlite_where=CHARGES, postgresql_where=CHARGES)
