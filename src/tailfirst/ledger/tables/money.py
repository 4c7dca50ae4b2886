"""What was allowed and what was spent. `cost_lines` and `approvals` are append-only, but for the mark of the seal."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from tailfirst.ledger.types import UNSEALED, Base, RowId, one_of

COST_KINDS = ("ESTIMATED", "ACCRUED", "INVOICED", "ADJUSTED")
CHARGES = "kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL"
WHOLE = "key IS NULL"


class Budget(Base):
    """A campaign's money and its kill switch: the row that every purchase must pass."""

    __tablename__ = "budgets"
    __table_args__ = (
        CheckConstraint("reserved >= 0 AND accrued >= 0", name="signs"),
        CheckConstraint("reserved + accrued <= cap", name="cap"),
    )

    campaign: Mapped[str] = mapped_column(primary_key=True)
    cap: Mapped[int]
    reserved: Mapped[int]
    accrued: Mapped[int]
    currency: Mapped[str | None]
    kill_switch: Mapped[bool]
    cap_month: Mapped[int | None]  # per calendar month; None = no such cap


class Month(Base):
    """A campaign's money in one calendar month (UTC), counted where a round's order was first reserved."""

    __tablename__ = "months"
    __table_args__ = (
        CheckConstraint("reserved >= 0 AND accrued >= 0", name="signs"),
        CheckConstraint("reserved + accrued <= cap", name="cap"),  # no cap: NULL, which every CHECK lets pass
    )

    campaign: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)  # "2026-03"
    cap: Mapped[int | None]
    reserved: Mapped[int]
    accrued: Mapped[int]


class Approval(Base):
    """Somebody (or a rule) allowed a round to cost up to a cap; append-only, also when a new quote takes it back."""

    __tablename__ = "approvals"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),
        Index(None, "campaign", "round_no"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    campaign: Mapped[str]
    round_no: Mapped[int]
    approved_by: Mapped[str]
    approved_at: Mapped[datetime]
    cap_micros: Mapped[int]
    quote_id: Mapped[str]
    quote_micros: Mapped[int]
    currency: Mapped[str]
    quote_basis: Mapped[str]
    quote_valid_until: Mapped[datetime]
    n_quoted: Mapped[int]
    n_approved: Mapped[int]


class Cost(Base):
    """One cost line; append-only. A key has at most one ESTIMATED and one ACCRUED line.

    A line may charge the keys of its own round alone, so both guards lie by round, as everything does that an answer
    writes. A line for a whole order is known over all rounds.
    """

    __tablename__ = "cost_lines"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),
        one_of("kind", COST_KINDS),
        Index(
            "uq_cost_lines_charge",
            "campaign",
            "round_no",
            "key",
            "kind",
            unique=True,
            sqlite_where=text(CHARGES),
            postgresql_where=text(CHARGES),
        ),
        Index(
            "uq_cost_lines_whole",
            "campaign",
            "line_id",
            unique=True,
            sqlite_where=text(WHOLE),
            postgresql_where=text(WHOLE),
        ),
        Index("ix_cost_lines_waiting", "campaign", "round_no", sqlite_where=UNSEALED, postgresql_where=UNSEALED),
    )

    campaign: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str | None] = mapped_column(ForeignKey("labeling_tasks.key"))
    kind: Mapped[str]
    amount_micros: Mapped[int]
    currency: Mapped[str]
    at: Mapped[datetime]
    sealed_in: Mapped[int | None]  # the round whose sealed folder holds it
