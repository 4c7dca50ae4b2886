"""Reconcile: gather from the ledger, match, keep the invoice lines, write the dispute list."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

from tailfirst.artifacts import write_bytes
from tailfirst.context import Context
from tailfirst.errors import UserError
from tailfirst.labeling._round import ORDER_PURPOSE, order_ref
from tailfirst.labeling.keys import batch_key
from tailfirst.ledger import Ledger
from tailfirst.port import BatchKey, CostLine, Money, SubmissionKey
from tailfirst.reconcile.match import Finding, Invoiced, Matching, Ours, match
from tailfirst.reconcile.statement import refuse, unique
from tailfirst.vendors._csv_safe import neutral

DISPUTE_COLUMNS = ("what", "round", "key", "ours", "theirs", "difference", "lines", "why")


def reconcile(
    ledger: Ledger, campaign: str, lines: Sequence[Invoiced], currency: str, at: datetime
) -> tuple[Matching, int]:
    """Compare a statement with the ledger and keep its lines there; how it matched, and how many lines were new.

    Every line that belongs to a task or an order of the campaign is stored as INVOICED, disputed or not: it is what the
    vendor said, it moves no money, and a later credit note is matched against it. The same statement again changes
    nothing.
    """
    found = match(gather(ledger, campaign), lines)
    per_round: defaultdict[int, list[CostLine]] = defaultdict(list)
    for round_no, line in found.lines:
        per_round[round_no].append(_kept(campaign, round_no, line, currency))
    return found, sum(ledger.money.accrue(campaign, no, its, at) for no, its in sorted(per_round.items()))


def gather(ledger: Ledger, campaign: str) -> Ours:
    """What the ledger knows of a campaign's orders and charges."""
    rounds = ledger.rounds.all(campaign)
    tasks = [task for row in rounds for task in ledger.tasks.list(campaign, row.round_no)]
    orders: dict[str, int] = {batch_key(campaign, row.round_no, ORDER_PURPOSE): row.round_no for row in rounds}
    named = {row.vendor_batch_id: row.round_no for row in rounds if row.vendor_batch_id}
    return Ours(
        {task.key: task.round_no for task in tasks},
        {task.key: task.state for task in tasks},
        {**orders, **named},
        ledger.money.lines(campaign),
    )


def of_vendor(ctx: Context) -> list[Invoiced]:
    """The vendor's own statement of every order it got; orders of an earlier vendor need a file.

    Raises:
        UserError: This vendor offers none, or it cannot be used.
        VendorError: The vendor cannot be reached.
    """
    statement = getattr(ctx.vendor, "statement", None)
    if statement is None:
        why = "reports no costs (what is booked is our own price list)" if _is_free(ctx) else "offers no statement"
        raise UserError(
            f"vendor {ctx.vendor.name} {why}: nothing to ask it for; if it sends a bill, give it as CSV or JSON "
            "lines: tailfirst reconcile STATEMENT"
        )
    rounds = [row for row in ctx.ledger.rounds.all(ctx.campaign) if row.vendor == ctx.vendor.name]
    batches = [batch for row in rounds if (batch := order_ref(ctx, row)) is not None]
    lines: list[CostLine] = [line for batch in batches for line in statement(batch)]
    wrong = sorted({line.amount.currency for line in lines} - {ctx.params.money.currency})
    where = f"the statement of vendor {ctx.vendor.name}"
    refuse(where, [f"lines in {name}, the campaign counts in {ctx.params.money.currency}" for name in wrong])
    made = [Invoiced(line.line_id, line.key, line.batch, line.amount.micros, line.at) for line in lines]
    return unique([(f"line {number}", line) for number, line in enumerate(made, 1)], where)


def _is_free(ctx: Context) -> bool:
    return ctx.vendor.capabilities().cost == "NONE"


def write_disputes(path: Path, found: Matching) -> None:
    """The dispute list as CSV, whole or not at all; without disputes only the header.

    Amounts are decimal units; texts of others are written so that no spreadsheet takes them for formulas.
    """
    sheet = StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(DISPUTE_COLUMNS)
    writer.writerows(_row(one) for one in found.disputes)
    write_bytes(path, sheet.getvalue().encode())


def units(micros: int) -> str:
    """Micros as exact decimal units: 40_000 -> "0.04"."""
    return f"{(Decimal(micros) / 1_000_000).normalize():f}"


def _row(one: Finding) -> tuple[str, ...]:
    amounts = (units(one.ours), units(one.theirs), units(one.difference))
    names = (neutral(" ".join(one.line_ids)), neutral(one.why))
    return (one.what, str(one.round_no or ""), neutral(one.key or ""), *amounts, *names)


def _kept(campaign: str, round_no: int, line: Invoiced, currency: str) -> CostLine:
    key = None if line.key is None else SubmissionKey(line.key)
    batch: BatchKey = batch_key(campaign, round_no, ORDER_PURPOSE)
    return CostLine(line.stored_as, key, batch, Money(line.micros, currency), line.at, "INVOICED")
