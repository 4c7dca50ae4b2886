"""Rounds, their labeling tasks, and the history of both; `events` is append-only."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from tailfirst.ledger.transitions import ROUND_STATES, TASK_STATES
from tailfirst.ledger.types import Base, RowId, one_of

PURPOSES = ("TRAIN", "GOLD", "AUDIT", "RELABEL", "CALIBRATION")


class Round(Base):
    """One round."""

    __tablename__ = "rounds"
    __table_args__ = (
        one_of("state", ROUND_STATES),
        CheckConstraint("reserved >= 0 AND accrued >= 0", name="signs"),
        CheckConstraint("reserved + accrued <= cap_micros", name="cap"),
    )

    campaign: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str]
    pause_reason: Mapped[str | None]
    batch_sha256: Mapped[str]
    n_tasks: Mapped[int]
    quote_micros: Mapped[int | None]
    currency: Mapped[str | None]
    quote_valid_until: Mapped[datetime | None]
    quote_basis: Mapped[str | None]
    cap_micros: Mapped[int | None]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    vendor: Mapped[str | None]
    vendor_batch_id: Mapped[str | None]
    cursor: Mapped[str | None]
    opened_at: Mapped[datetime | None]
    sla_at: Mapped[datetime | None]
    sealed_sha256: Mapped[str | None]
    reserved: Mapped[int]
    accrued: Mapped[int]
    lease_name: Mapped[str | None]  # the lease whose token guards this round's outbox
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    plan_json: Mapped[str | None]
    month: Mapped[str | None]  # in which its money counts, "2026-03"; None = nothing was ordered yet


class Task(Base):
    """One labeling task (one submission key)."""

    __tablename__ = "labeling_tasks"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),
        one_of("state", TASK_STATES),
        one_of("purpose", PURPOSES),
        CheckConstraint("price_micros >= 0", name="price"),
        CheckConstraint("reserved >= 0", name="reserved"),
        Index(None, "campaign", "round_no", "state"),
        Index(None, "campaign", "item_id"),
        Index(None, "campaign", "vendor_task_id"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    campaign: Mapped[str]
    round_no: Mapped[int]
    item_id: Mapped[str]
    item_digest: Mapped[str]
    purpose: Mapped[str]
    attempt: Mapped[int]
    overlap_slot: Mapped[int]
    state: Mapped[str]
    price_micros: Mapped[int | None]
    reserved: Mapped[int]
    payload_sha256: Mapped[str]
    vendor_task_id: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    fencing_token: Mapped[int | None]
    reason: Mapped[str]
    parent_key: Mapped[str | None] = mapped_column(ForeignKey("labeling_tasks.key"))
    rank: Mapped[int]
    inclusion_probability: Mapped[float | None]
    strategy: Mapped[str]
    why: Mapped[str]


class Event(Base):
    """One transition; append-only."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "campaign", "round_no"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    campaign: Mapped[str]
    round_no: Mapped[int]
    key: Mapped[str | None]
    from_state: Mapped[str]
    to_state: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]
    note: Mapped[str]
