"""The simulated vendor's prices over time, and the statement it sends at the end of the month."""

from collections.abc import Iterator
from dataclasses import replace

from tailfirst.vendors._simulated_book import BatchRow, Charge, Session
from tailfirst.vendors._simulated_faults import uniform
from tailfirst.vendors._simulated_params import Params

DEARER = 125  # percent of the price list after a `price_changed`


def percent_quoted(params: Params, session: Session, purpose: str) -> int:
    """What a quote says, in hundredths of the price list; one call of `price_changed`. The vendor keeps its word."""
    if params.hit("price_changed", call=session.count_call("prices")):
        session.write_note("percent", str(DEARER))  # and it stays there
    percent = percent_now(session)
    session.write_note(f"quoted {purpose}", str(percent))
    return percent


def percent_now(session: Session) -> int:
    """What everything costs now, in hundredths of the price list."""
    return int(session.note("percent") or 100)


def percent_of(session: Session, order: BatchRow, purpose: str) -> int:
    """What a new labeling task costs: as quoted last, because a quote holds for a while; without one as the order."""
    return int(session.note(f"quoted {purpose}") or order.percent)


def statement(params: Params, session: Session, order: BatchRow) -> tuple[Charge, ...]:
    """The lines of the invoice for an order, one per charge; `invoice_mismatch` makes some of them wrong."""
    return tuple(line for charge in session.charges(order.vendor_id) for line in _invoiced(params, session, charge))


def _invoiced(params: Params, session: Session, charge: Charge) -> Iterator[Charge]:
    line = replace(charge, line_id=f"invoice-{charge.line_id}", kind="INVOICED")
    item_id = next((job.item_id for job in session.jobs(charge.key, canceled=True)), "")
    if not params.hit("invoice_mismatch", item_id=item_id, key=charge.key):
        yield line
        return
    how = int(uniform(params.seed, "invoice", charge.key) * 3)
    if how == 0:  # too dear
        yield replace(line, amount_micros=line.amount_micros * 3 // 2)
    elif how == 1:  # twice
        yield line
        yield replace(line, line_id=f"{line.line_id}-again")
    # else: it is missing
