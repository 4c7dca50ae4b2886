"""Annotations lie by round, as everything does that an answer writes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TASK = "(SELECT t.{column} FROM labeling_tasks t WHERE t.key = annotations.key)"


def upgrade() -> None:
    """To this revision."""
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("campaign", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("round_no", sa.BigInteger(), autoincrement=False, nullable=True))
    op.execute(
        f"UPDATE annotations SET campaign = {TASK.format(column='campaign')}, "  # noqa: S608  (names of our own)
        f"round_no = {TASK.format(column='round_no')}"
    )
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.alter_column("campaign", existing_type=sa.Text(), nullable=False)
        batch_op.alter_column("round_no", existing_type=sa.BigInteger(), nullable=False)
    _rekey(["campaign", "round_no", "key", "revision", "ordinal"])


def downgrade() -> None:
    """Back to the revision before."""
    _rekey(["key", "revision", "ordinal"])
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.drop_column("round_no")
        batch_op.drop_column("campaign")


def _rekey(columns: list[str]) -> None:
    with op.batch_alter_table("annotations", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("pk_annotations"), type_="primary")
        batch_op.create_primary_key(batch_op.f("pk_annotations"), columns)
