"""What came back: bytes, and what was read in them."""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tailfirst.ledger.types import UNSEALED, Base, RowId, one_of

PROVENANCES = ("HUMAN", "MACHINE", "UNKNOWN")


class Delivery(Base):
    """The vendor's bytes, stored before anything reads them."""

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["campaign", "round_no"], ["rounds.campaign", "rounds.round_no"]),
        UniqueConstraint("campaign", "round_no", "vendor_id", "revision"),
        Index(None, "campaign", "round_no", "key", "revision"),
        Index("ix_deliveries_waiting", "campaign", "round_no", sqlite_where=UNSEALED, postgresql_where=UNSEALED),
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
