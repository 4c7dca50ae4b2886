"""Approvals as rows: who allowed which quote to cost how much, and when."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.ledger.journal import Act, record
from tailfirst.ledger.records import ApprovalRow
from tailfirst.ledger.tables import Approval


def quote_id(micros: int, currency: str, basis: str, valid_until: datetime | None) -> str:
    """16 hex digits that name a quote; another price, basis or validity is another quote."""
    until = None if valid_until is None else valid_until.isoformat()
    return sha256_bytes(canonical_json([micros, currency, basis, until]).encode())[:16]


def keep(connection: Connection, row: Row[Any], cap_micros: int, counts: tuple[int, int], act: Act) -> None:
    """Write down an approval of a round's quote; `counts` = tasks with a price, and those that the money reaches."""
    quoted = (row.quote_micros or 0, row.currency or "", row.quote_basis or "", row.quote_valid_until)
    values = {
        "campaign": row.campaign,
        "round_no": row.round_no,
        "approved_by": act.actor,
        "approved_at": act.at,
        "cap_micros": cap_micros,
        "quote_id": quote_id(*quoted),
        "quote_micros": quoted[0],
        "currency": quoted[1],
        "quote_basis": quoted[2],
        "quote_valid_until": quoted[3],
        "n_quoted": counts[0],
        "n_approved": counts[1],
    }
    connection.execute(insert(Approval).values(**values))


def listed(connection: Connection, campaign: str, round_no: int | None) -> list[ApprovalRow]:
    """The approvals of a round or of the campaign, oldest first."""
    chosen = select(*Approval.__table__.c).where(Approval.campaign == campaign).order_by(Approval.id)
    if round_no is not None:
        chosen = chosen.where(Approval.round_no == round_no)
    return [record(ApprovalRow, row) for row in connection.execute(chosen)]
