"""Caps per calendar month, and approvals as rows; what is there already is counted in the month of its approval."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "months",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=True),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("accrued", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("reserved + accrued <= cap", name=op.f("ck_months_cap")),
        sa.CheckConstraint("reserved >= 0 AND accrued >= 0", name=op.f("ck_months_signs")),
        sa.PrimaryKeyConstraint("campaign", "month", name=op.f("pk_months")),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("round_no", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cap_micros", sa.BigInteger(), nullable=False),
        sa.Column("quote_id", sa.Text(), nullable=False),
        sa.Column("quote_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("quote_basis", sa.Text(), nullable=False),
        sa.Column("quote_valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_quoted", sa.BigInteger(), nullable=False),
        sa.Column("n_approved", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign", "round_no"],
            ["rounds.campaign", "rounds.round_no"],
            name=op.f("fk_approvals_campaign_round_no"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_approvals_campaign_round_no"), ["campaign", "round_no"], unique=False)
    with op.batch_alter_table("budgets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cap_month", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("rounds", schema=None) as batch_op:
        batch_op.add_column(sa.Column("month", sa.Text(), nullable=True))
    _fill(op.get_bind())


def downgrade() -> None:
    """Back to the one before."""
    with op.batch_alter_table("rounds", schema=None) as batch_op:
        batch_op.drop_column("month")
    with op.batch_alter_table("budgets", schema=None) as batch_op:
        batch_op.drop_column("cap_month")
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_approvals_campaign_round_no"))

    op.drop_table("approvals")
    op.drop_table("months")


def _fill(connection: sa.Connection) -> None:
    """The rounds that were approved so far: one approval each, and their money in a month."""
    at = sa.DateTime(timezone=True)
    names = (
        *("campaign", "round_no", "reserved", "accrued", "cap_micros", "approved_by", "quote_micros", "currency"),
        *("quote_basis", "n_tasks", "month"),
    )
    timed = [sa.Column(name, at) for name in ("approved_at", "quote_valid_until")]
    rounds = sa.Table("rounds", sa.MetaData(), *(sa.Column(name) for name in names), *timed)
    months: dict[tuple[str, str], list[int]] = {}
    for row in connection.execute(sa.select(rounds).where(rounds.c.approved_at.is_not(None))).all():
        ours = (_TASKS.c.campaign == row.campaign) & (_TASKS.c.round_no == row.round_no)
        reached = sa.select(sa.func.count()).where(ours, _TASKS.c.state.not_in(("PRICED", "OVER_BUDGET", "DROPPED")))
        values = _approval(row) | {"n_approved": connection.scalar(reached)}
        connection.execute(sa.insert(_APPROVALS).values(**values))
        if row.reserved or row.accrued:
            month = f"{_utc(row.approved_at):%Y-%m}"
            money = months.setdefault((row.campaign, month), [0, 0])
            money[0] += row.reserved
            money[1] += row.accrued
            mine = (rounds.c.campaign == row.campaign) & (rounds.c.round_no == row.round_no)
            connection.execute(sa.update(rounds).where(mine).values(month=month))
    for (campaign, month), (reserved, accrued) in sorted(months.items()):
        values = {"campaign": campaign, "month": month, "cap": None, "reserved": reserved, "accrued": accrued}
        connection.execute(sa.insert(_MONTHS).values(**values))


def _approval(row: Any) -> dict[str, Any]:
    until = row.quote_valid_until or row.approved_at
    quote = [row.quote_micros or 0, row.currency or "", row.quote_basis or "", _utc(until).isoformat()]
    text = json.dumps(quote, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {
        "campaign": row.campaign,
        "round_no": row.round_no,
        "approved_by": row.approved_by or "unknown",
        "approved_at": row.approved_at,
        "cap_micros": row.cap_micros or 0,
        "quote_id": hashlib.sha256(text.encode()).hexdigest()[:16],
        "quote_micros": quote[0],
        "currency": quote[1],
        "quote_basis": quote[2],
        "quote_valid_until": until,
        "n_quoted": row.n_tasks,
    }


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


_TIMED = ("approved_at", "quote_valid_until")
_APPROVALS = sa.Table(
    "approvals",
    sa.MetaData(),
    *(sa.Column(name, sa.DateTime(timezone=True)) for name in _TIMED),
    *(
        sa.Column(name)
        for name in ("campaign", "round_no", "approved_by", "cap_micros", "quote_id", "quote_micros", "currency")
    ),
    *(sa.Column(name) for name in ("quote_basis", "n_quoted", "n_approved")),
)
_TASKS = sa.Table("labeling_tasks", sa.MetaData(), *(sa.Column(name) for name in ("campaign", "round_no", "state")))
_MONTHS = sa.Table(
    "months", sa.MetaData(), *(sa.Column(name) for name in ("campaign", "month", "cap", "reserved", "accrued"))
)
