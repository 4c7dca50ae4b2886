"""The ledger's tables. Guards are constraints: keys, foreign keys, checks on states and on money.

`events`, `cost_lines` and `approvals` tell history; they are append-only and no code updates or deletes their rows, but
for the mark of the seal that exported a cost line.

What an answer writes is indexed by round first: keys are hashes, so an index that begins with one gets each entry on a
page of its own, out of all the pages of all rounds, and an answer would cost more the more is held.
"""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tailfirst.ledger.transitions import ROUND_STATES, TASK_STATES
from tailfirst.ledger.types import Base, RowId, one_of

PURPOSES = ("TRAIN", "GOLD", "AUDIT", "RELABEL", "CALIBRATION")
COST_KINDS = ("ESTIMATED", "ACCRUED", "INVOICED", "ADJUSTED")
HINT_STATES = ("WAITING", "PARKED", "TAKEN")
PROVENANCES = ("HUMAN", "MACHINE", "UNKNOWN")
CHARGES = "kind IN ('ESTIMATED', 'ACCRUED') AND key IS NOT NULL"
WAITING = text("sealed_in IS NULL")  # not yet in a sealed folder


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


class Delivery(Base):
    """The vendor's bytes, stored before anything reads them."""

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),
        UniqueConstraint("campaign", "round_no", "vendor_id", "revision"),
        Index(None, "campaign", "round_no", "key", "revision"),
        Index("ix_deliveries_waiting", "campaign", "round_no", sqlite_where=WAITING, postgresql_where=WAITING),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    campaign: Mapped[str]
    round_no: Mapped[int]
    key: Mapped[str | None] = mapped_column(ForeignKey("labeling_tasks.key"))
    vendor_id: Mapped[str]
    revision: Mapped[str]
    sha256: Mapped[str]
    body: Mapped[bytes]
    fetched_at: Mapped[datetime]
    parsed_at: Mapped[datetime | None]
    parser_version: Mapped[str | None]
    vendor_updated_at: Mapped[datetime | None]  # as parsed; orders the revisions of a key
    quarantine_reason: Mapped[str | None]
    sealed_in: Mapped[int | None]  # the round whose sealed folder holds it


class AnnotationRecord(Base):
    """One person's answer; a function of the raw deliveries, so a replay may write it again."""

    __tablename__ = "annotations"
    __table_args__ = (one_of("provenance", PROVENANCES),)

    campaign: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of the task
    key: Mapped[str] = mapped_column(ForeignKey("labeling_tasks.key"), primary_key=True)
    revision: Mapped[str] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    annotator_id: Mapped[str]
    class_ids: Mapped[tuple[str, ...]]
    skipped: Mapped[bool]
    reason: Mapped[str]
    started_at: Mapped[datetime | None]
    submitted_at: Mapped[datetime]
    work_s: Mapped[float | None]
    provenance: Mapped[str]


class Cost(Base):
    """One cost line; append-only. A key has at most one ESTIMATED and one ACCRUED line."""

    __tablename__ = "cost_lines"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),
        one_of("kind", COST_KINDS),
        Index(
            "uq_cost_lines_charge",
            "key",
            "kind",
            unique=True,
            sqlite_where=text(CHARGES),
            postgresql_where=text(CHARGES),
        ),
        Index(None, "campaign", "round_no"),
        Index("ix_cost_lines_waiting", "campaign", "round_no", sqlite_where=WAITING, postgresql_where=WAITING),
    )

    campaign: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int]
    key: Mapped[str | None] = mapped_column(ForeignKey("labeling_tasks.key"))
    kind: Mapped[str]
    amount_micros: Mapped[int]
    currency: Mapped[str]
    at: Mapped[datetime]
    sealed_in: Mapped[int | None]  # the round whose sealed folder holds it


class Lease(Base):
    """A lease; `token` only grows, also over release and expiry."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    token: Mapped[int]
    ttl_s: Mapped[float]
    expires_at: Mapped[datetime]


class Check(Base):
    """The result of one gate on one table; a repeated run replaces it."""

    __tablename__ = "checks"

    campaign: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    suite: Mapped[str] = mapped_column(primary_key=True)
    success: Mapped[bool]
    evaluated: Mapped[int]
    rows: Mapped[int]
    failed: Mapped[int]
    failed_ids: Mapped[tuple[str, ...]]
    details_json: Mapped[str]
    at: Mapped[datetime]


class Hint(Base):
    """One verified webhook: something changed at the vendor. Nothing is ever read from it but that."""

    __tablename__ = "inbox"
    __table_args__ = (
        one_of("state", HINT_STATES),
        UniqueConstraint("campaign", "vendor", "delivery_id"),
        Index(None, "campaign", "state"),
        Index(None, "received_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    campaign: Mapped[str]
    vendor: Mapped[str]
    delivery_id: Mapped[str]
    body_sha256: Mapped[str]
    sent_at: Mapped[datetime]  # by the vendor's clock
    received_at: Mapped[datetime]  # by ours
    repeats: Mapped[int]  # how often the same delivery came again
    state: Mapped[str]
    taken_at: Mapped[datetime | None]


class HintTask(Base):
    """A vendor id that a hint names: of a task, or of an order."""

    __tablename__ = "inbox_ids"
    __table_args__ = (Index(None, "vendor_id"),)

    inbox_id: Mapped[int] = mapped_column(ForeignKey("inbox.id"), primary_key=True)
    vendor_id: Mapped[str] = mapped_column(primary_key=True)


class AlarmRecord(Base):
    """An alarm of a round that was told; it is not told again."""

    __tablename__ = "alarms"

    campaign: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    sentence: Mapped[str]


class Outage(Base):
    """The vendor of a round cannot be reached, or asked us to come back later."""

    __tablename__ = "outages"
    __table_args__ = (ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),)

    campaign: Mapped[str] = mapped_column(primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
    since: Mapped[datetime]
    not_before: Mapped[datetime]
    failures: Mapped[int]


class VendorCall(Base):
    """How often calls of the vendor ended in which way."""

    __tablename__ = "vendor_calls"

    campaign: Mapped[str] = mapped_column(primary_key=True)
    vendor: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int]
    seconds: Mapped[float]
    last_at: Mapped[datetime]
