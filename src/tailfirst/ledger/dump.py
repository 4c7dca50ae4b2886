"""A canonical dump of a campaign: equal for two ledgers that bought and learned the same, crashes or not."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from tailfirst.artifacts import canonical_json
from tailfirst.ledger.engine import Database
from tailfirst.ledger.tables import AnnotationRecord, Approval, Budget, Cost, Delivery, Month, Round, Task
from tailfirst.ledger.types import Base

# No wall-clock times, no fencing tokens, no ids that a vendor or a database hands out. Events are left out because a
# crash adds a detour (OUTBOX > UNKNOWN > SUBMITTED); the states are their fold.
BUDGET = ("cap", "reserved", "accrued", "currency", "kill_switch", "cap_month")
MONTH = ("cap", "reserved", "accrued")
APPROVAL = (
    "round_no",
    "approved_by",
    "cap_micros",
    "quote_micros",
    "currency",
    "quote_basis",
    "n_quoted",
    "n_approved",
)
ROUND = (
    *("round_no", "state", "pause_reason", "batch_sha256", "n_tasks", "quote_micros", "currency", "cap_micros"),
    *("approved_by", "vendor", "reserved", "accrued"),
)
TASK = (
    *("key", "round_no", "item_id", "item_digest", "purpose", "attempt", "overlap_slot", "state", "price_micros"),
    *("reserved", "payload_sha256", "parent_key", "rank", "inclusion_probability", "strategy", "why"),
)
DELIVERY = ("round_no", "key", "revision", "quarantine_reason")
ANSWER = ("key", "revision", "annotator_id", "class_ids", "skipped", "reason", "provenance")
COST = ("round_no", "key", "kind", "amount_micros", "currency")


def export(database: Database, campaign: str) -> dict[str, Any]:
    """The campaign as plain values that JSON can hold, sorted."""
    answers = _columns(AnnotationRecord, ANSWER)
    with database.read() as connection:
        return {
            "budget": _rows(connection, _columns(Budget, BUDGET).where(Budget.campaign == campaign)),
            "months": _rows(connection, _columns(Month, MONTH).where(Month.campaign == campaign)),
            "approvals": _rows(connection, _columns(Approval, APPROVAL).where(Approval.campaign == campaign)),
            "rounds": _rows(connection, _columns(Round, ROUND).where(Round.campaign == campaign)),
            "tasks": _rows(connection, _columns(Task, TASK).where(Task.campaign == campaign)),
            "deliveries": _rows(connection, _columns(Delivery, DELIVERY).where(Delivery.campaign == campaign)),
            "annotations": _rows(connection, answers.where(AnnotationRecord.campaign == campaign)),
            "costs": _rows(connection, _columns(Cost, COST).where(Cost.campaign == campaign)),
        }


def fingerprint(database: Database, campaign: str) -> str:
    """Hex sha256 of the dump."""
    return hashlib.sha256(canonical_json(export(database, campaign)).encode()).hexdigest()


def _columns(table: type[Base], names: Sequence[str]) -> Select[Any]:
    return select(*(table.__table__.c[name] for name in names))


def _rows(connection: Connection, chosen: Select[Any]) -> list[dict[str, Any]]:
    rows = [dict(row._mapping) for row in connection.execute(chosen)]  # noqa: SLF001  (the documented way)
    return sorted(rows, key=canonical_json)
