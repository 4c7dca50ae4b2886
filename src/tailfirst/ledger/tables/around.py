"""What stands around the rounds: leases, checks, webhooks, alarms, outages."""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tailfirst.ledger.types import Base, RowId, one_of

HINT_STATES = ("WAITING", "PARKED", "TAKEN")


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
