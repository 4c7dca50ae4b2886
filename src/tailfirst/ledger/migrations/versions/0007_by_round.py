"""What an answer writes is indexed by round first, and what nothing reads is no longer indexed."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

GONE = (
    ("events", ["key"]),
    ("deliveries", ["key", "revision"]),
    ("labeling_tasks", ["campaign", "state"]),
    ("labeling_tasks", ["campaign", "round_no", "rank"]),
)
NEW = (
    ("deliveries", ["campaign", "round_no", "key", "revision"]),
    ("labeling_tasks", ["campaign", "round_no", "state"]),
)


def upgrade() -> None:
    """To this revision."""
    for table, columns in GONE:
        op.drop_index(_name(table, columns), table)
    for table, columns in NEW:
        op.create_index(_name(table, columns), table, columns)


def downgrade() -> None:
    """Back to the revision before."""
    for table, columns in NEW:
        op.drop_index(_name(table, columns), table)
    for table, columns in GONE:
        op.create_index(_name(table, columns), table, columns)


def _name(table: str, columns: list[str]) -> str:
    return str(op.f(f"ix_{table}_{'_'.join(columns)}"))
