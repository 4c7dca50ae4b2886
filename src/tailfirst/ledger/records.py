"""What the ledger hands out and takes in: frozen rows. ORM objects never leave this package.

Times are aware UTC, amounts are integer micros (1_000_000 = one currency unit), absent facts are None.
"""

from dataclasses import dataclass
from datetime import datetime

from tailfirst.port import Purpose


@dataclass(frozen=True, slots=True)
class NewTask:
    """A labeling task to be planned: one submission key."""

    key: str
    item_id: str
    item_digest: str  # sha256 of the item's bytes
    purpose: Purpose
    attempt: int
    overlap_slot: int
    rank: int  # 0 = first to be bought
    inclusion_probability: float | None  # None = deterministic pick
    strategy: str
    why: str
    payload_sha256: str
    parent_key: str | None = None  # the earlier attempt; None = found by item, purpose, slot and attempt - 1


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One round."""

    campaign: str
    round_no: int
    state: str
    pause_reason: str | None  # beside the state: resuming goes back to the same place
    batch_sha256: str
    n_tasks: int
    quote_micros: int | None
    currency: str | None
    quote_valid_until: datetime | None
    quote_basis: str | None
    cap_micros: int | None  # what was approved
    approved_by: str | None
    approved_at: datetime | None
    vendor: str | None
    vendor_batch_id: str | None
    cursor: str | None
    opened_at: datetime | None
    sla_at: datetime | None
    sealed_sha256: str | None
    created_at: datetime
    updated_at: datetime
    plan_json: str | None = None  # what PLAN knew when it froze the batch; the ledger only keeps it


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One labeling task: the life of one submission key."""

    key: str
    campaign: str
    round_no: int
    item_id: str
    item_digest: str
    purpose: Purpose
    attempt: int
    overlap_slot: int
    state: str
    price_micros: int | None
    payload_sha256: str
    vendor_task_id: str | None
    sent_at: datetime | None  # set in its own commit before the vendor is called: OUTBOX + sent_at = perhaps sent
    fencing_token: int | None
    reason: str
    parent_key: str | None
    rank: int
    inclusion_probability: float | None
    strategy: str
    why: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """The vendor's bytes for one task and revision, as they came."""

    key: str | None  # None = no task of the ledger has this vendor id
    vendor_id: str
    revision: str
    sha256: str
    body: bytes
    fetched_at: datetime
    parsed_at: datetime | None
    parser_version: str | None
    quarantine_reason: str | None


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """One person's answer."""

    key: str
    revision: str
    annotator_id: str
    class_ids: tuple[str, ...]
    skipped: bool
    reason: str
    started_at: datetime | None
    submitted_at: datetime
    work_s: float | None
    provenance: str  # HUMAN | MACHINE | UNKNOWN


@dataclass(frozen=True, slots=True)
class CostRow:
    """One cost line; append-only."""

    line_id: str
    campaign: str
    round_no: int
    key: str | None  # None = a line for the whole batch
    kind: str  # ESTIMATED | ACCRUED | INVOICED | ADJUSTED
    amount_micros: int
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """One transition; append-only. `key` None = of the round; round 0 = of the campaign; `from_state` "" = birth."""

    id: int
    campaign: str
    round_no: int
    key: str | None
    from_state: str
    to_state: str
    at: datetime
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease and its fencing token; the token of a name only grows."""

    name: str
    holder: str
    token: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CheckRow:
    """The result of one gate on one table."""

    campaign: str
    round_no: int
    suite: str
    success: bool
    evaluated: int  # expectations
    rows: int
    failed: int  # expectations that did not hold
    failed_ids: tuple[str, ...]  # rows that did not pass
    details_json: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One approval; append-only. It holds for the quote that it names and ends with it."""

    round_no: int
    approved_by: str
    approved_at: datetime
    cap_micros: int
    quote_id: str  # hash of total, currency, basis and validity: a changed price is another quote
    quote_micros: int
    currency: str
    quote_basis: str
    quote_valid_until: datetime
    n_quoted: int  # tasks that had a price
    n_approved: int  # of those, how many the money reached


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A campaign's money in one calendar month (UTC)."""

    month: str  # "2026-03"
    cap: int | None  # None = no cap per month
    reserved: int
    accrued: int


@dataclass(frozen=True, slots=True)
class RoundMoney:
    """A round's money."""

    round_no: int
    state: str
    cap: int | None  # what was approved; None = nothing
    reserved: int
    accrued: int


@dataclass(frozen=True, slots=True)
class MoneyStatus:
    """Where a campaign's money is; reserved + accrued never exceed the cap."""

    cap: int
    reserved: int
    accrued: int
    left: int  # cap - reserved - accrued
    currency: str  # "XXX" = none yet
    cap_month: int | None = None  # of every calendar month; None = no such cap


@dataclass(frozen=True, slots=True)
class NewHint:
    """A verified webhook to be stored."""

    campaign: str
    vendor: str
    delivery_id: str
    body_sha256: str
    vendor_ids: tuple[str, ...]  # none = "something changed", without saying what
    sent_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """What lies in a campaign's inbox, in deliveries."""

    waiting: int  # the next poll takes them
    parked: int  # they name nothing that we know (yet)
    repeats: int  # deliveries that came again


@dataclass(frozen=True, slots=True)
class MissRate:
    """How many results a poll found, and how many of them no webhook had announced by then."""

    found: int
    missed: int

    @property
    def rate(self) -> float | None:
        """0 to 1; None = nothing was found."""
        return self.missed / self.found if self.found else None
