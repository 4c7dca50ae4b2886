"""Three caps at once (round, calendar month, campaign), and approvals as rows: specs/vendor.md sections 4.3 and 10."""

from datetime import UTC, datetime, timedelta

import pytest

from tailfirst.errors import LedgerError, OverCap
from tailfirst.ledger import Ledger, MonthRow
from tests.support.ledgers import (
    AT,
    approved,
    finish,
    later,
    line,
    new_task,
    opened,
    outcome,
    quote_of,
    submitted,
    take,
)

APRIL = datetime(2025, 4, 1, tzinfo=UTC)
MAY = datetime(2025, 5, 1, tzinfo=UTC)


def bought(ledger: Ledger, round_no: int, at: datetime, n: int = 3, price: int = 100, cap: int = 10**6) -> list[str]:
    """A round of its own that goes into the outbox at a moment."""
    tasks = [new_task(rank, round_no=round_no) for rank in range(n)]
    ledger.rounds.open("c", round_no, f"batch-{round_no}", tasks, at)
    keys = [task.key for task in tasks]
    quote = quote_of(n * price, price, valid_s=10**8)
    ledger.rounds.record_quote("c", round_no, quote, dict.fromkeys(keys, price), at, "quote")
    ledger.rounds.approve("c", round_no, cap, "ann", at)
    lease = take(ledger, round_no=round_no, at=at)
    ledger.tasks.to_outbox("c", round_no, 10**9, lease, at)
    ledger.rounds.move("c", round_no, "APPROVED", "SUBMITTING", at, "w1")
    ledger.rounds.move("c", round_no, "SUBMITTING", "OPEN", at, "w1")
    return keys


def test_a_month_ends_at_midnight_utc_and_money_stays_in_the_month_of_its_order(ledger: Ledger) -> None:
    ledger.money.caps("c", 10_000, "USD", cap_month=500)
    last = datetime.fromisoformat("2025-04-01T01:30:00+02:00")  # 23:30 UTC of March
    (a, *_) = bought(ledger, 1, last)
    assert ledger.money.months("c") == [MonthRow("2025-03", 500, 300, 0)]
    ledger.money.accrue("c", 1, [line("l", a, 120, at=MAY)], MAY)
    assert ledger.money.months("c") == [MonthRow("2025-03", 500, 200, 120)]
    finish(ledger)
    bought(ledger, 2, APRIL)
    assert ledger.money.months("c") == [MonthRow("2025-03", 500, 200, 120), MonthRow("2025-04", 500, 300, 0)]


def test_the_rest_of_the_batch_is_over_budget_where_the_month_ends(ledger: Ledger) -> None:
    ledger.money.caps("c", 10_000, "USD", cap_month=500)
    bought(ledger, 1, AT)
    finish(ledger)
    bought(ledger, 2, later(60))
    states = {task.state: task.reason for task in ledger.tasks.list("c", 2)}
    assert ledger.rounds.counts("c", 2) == {"OUTBOX": 2, "OVER_BUDGET": 1}
    assert "left of the cap of 2025-03 200" in states["OVER_BUDGET"]
    assert ledger.rounds.approvals("c", 2)[0].n_approved == 2
    assert ledger.rounds.view("c", AT).month_left_micros == 0
    finish(ledger, round_no=2)
    with pytest.raises(OverCap, match=r"left of the cap of 2025-03 0; .* or wait for the next month"):
        bought(ledger, 3, later(90))
    assert ledger.rounds.view("c", APRIL).month_left_micros == 500


def test_a_cap_that_fell_after_the_approval_stops_the_order(ledger: Ledger) -> None:
    keys = approved(ledger, 3, price=100)
    ledger.money.caps("c", 10_000, cap_month=299)
    lease = take(ledger)
    with pytest.raises(OverCap, match=r"asks for 300 micros; 2025-03 has 299 left .* raise money\.cap_month"):
        ledger.tasks.to_outbox("c", 1, 10**9, lease, AT)
    assert ledger.rounds.counts("c", 1) == {"APPROVED": 3}
    assert (ledger.money.status("c").reserved, ledger.rounds.get("c", 1).state) == (0, "APPROVED")
    ledger.money.caps("c", 10_000, cap_month=300)
    assert ledger.tasks.to_outbox("c", 1, 10**9, lease, AT) == len(keys)


def test_lowering_and_removing_the_months_cap(ledger: Ledger) -> None:
    ledger.money.caps("c", 10_000, "USD", cap_month=500)
    bought(ledger, 1, AT)
    ledger.money.caps("c", 10_000, cap_month=100)
    assert ledger.money.months("c") == [MonthRow("2025-03", 300, 300, 0)]
    with pytest.raises(OverCap, match="l: 301 micros for tf-c-1-0, 100 reserved"):
        ledger.money.accrue("c", 1, [line("l", "tf-c-1-0", 301)], AT)
    ledger.money.caps("c", 10_000)
    assert ledger.money.months("c") == [MonthRow("2025-03", None, 300, 0)]
    assert ledger.rounds.view("c", AT).month_left_micros is None
    assert ledger.money.accrue("c", 1, [line("l", "tf-c-1-0", 301)], AT) == 1


def test_what_is_given_back_is_given_back_to_its_month(ledger: Ledger) -> None:
    a, b, _ = submitted(ledger, 3, price=100)
    ledger.money.release(a, MAY)
    lease = take(ledger, at=later(999))
    ledger.tasks.move(b, "SUBMITTED", "CANCEL_REQUESTED", AT, "seal")
    ledger.tasks.to_outbox("c", 1, 0, lease, later(999))
    ledger.tasks.record_outcomes([outcome(b, "CANCELED")], lease.token, MAY, "w1")
    assert ledger.money.months("c") == [MonthRow("2025-03", None, 100, 0)]


def test_every_approval_is_a_row_and_a_changed_price_needs_a_new_one(ledger: Ledger) -> None:
    keys = opened(ledger, 3)
    for price, cap in ((100, 250), (110, 330)):
        quote = quote_of(3 * price, price)
        ledger.rounds.record_quote("c", 1, quote, dict.fromkeys(keys, price), AT, "quote")
        assert ledger.rounds.get("c", 1).approved_by is None
        ledger.rounds.approve("c", 1, cap, "ann", AT)
        ledger.rounds.approve("c", 1, cap, "ann", AT)  # a repetition is no second approval
    first, second = ledger.rounds.approvals("c")
    assert (first.approved_by, first.cap_micros, first.quote_micros, first.n_quoted, first.n_approved) == (
        "ann", 250, 300, 3, 2,
    )  # fmt: skip
    assert (second.cap_micros, second.n_approved, second.quote_basis) == (330, 3, "price list")
    assert first.quote_id != second.quote_id
    assert ledger.rounds.approvals("c", 2) == []


def test_an_order_needs_a_quote_that_still_holds(ledger: Ledger) -> None:
    approved(ledger, 2)
    late = AT + timedelta(days=2)
    with pytest.raises(LedgerError, match="ended at 2025-03-02 12:00 UTC and nothing was ordered yet"):
        ledger.tasks.to_outbox("c", 1, 10**9, take(ledger, at=late), late)
    assert ledger.money.status("c").reserved == 0
