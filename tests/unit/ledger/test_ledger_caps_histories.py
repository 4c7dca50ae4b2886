"""Money over many events: no cap is exceeded at any prefix, and the order of events does not matter (section 4.3)."""

import contextlib
import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tailfirst.errors import LedgerError, OverCap
from tailfirst.ledger import Ledger
from tests.support.ledgers import AT, created, in_outbox, line, new_task, on_a_database, outcome, quote_of

fresh = itertools.count()
MAY = datetime(2025, 5, 1, tzinfo=UTC)


def check(ledger: Ledger, campaign: str) -> None:
    """No cap is exceeded, and every sum says the same."""
    status, months, rounds = ledger.money.status(campaign), ledger.money.months(campaign), ledger.rounds.all(campaign)
    assert 0 <= status.reserved + status.accrued <= status.cap
    assert all(m.cap is None or m.reserved + m.accrued <= m.cap for m in months)
    dump = ledger.export(campaign)
    by_round = {row["round_no"]: row for row in dump["rounds"]}
    for row in rounds:
        money = by_round[row.round_no]
        assert row.cap_micros is None or money["reserved"] + money["accrued"] <= row.cap_micros
        assert money["reserved"] == sum(t["reserved"] for t in dump["tasks"] if t["round_no"] == row.round_no)
    for column, total in (("reserved", status.reserved), ("accrued", status.accrued)):
        assert sum(row[column] for row in dump["rounds"]) == total
        assert sum(getattr(m, column) for m in months) == total
    keys = [line["key"] for line in dump["costs"] if line["kind"] == "ACCRUED" and line["key"]]
    assert len(set(keys)) == len(keys)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("order"), st.integers(1, 400), st.integers(0, 3)),
        st.tuples(st.just("answer"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("accrue"), st.integers(0, 250), st.integers(0, 3)),
        st.tuples(st.just("batch"), st.integers(0, 250), st.just(0)),
        st.tuples(st.just("adjust"), st.integers(-150, 150), st.integers(0, 3)),
        st.tuples(st.just("invoice"), st.integers(0, 250), st.integers(0, 3)),
        st.tuples(st.just("release"), st.just(0), st.integers(0, 3)),
        st.tuples(st.just("caps"), st.integers(0, 1200), st.integers(0, 1200)),
        st.tuples(st.just("days"), st.integers(1, 40), st.just(0)),
    ),
    max_size=20,
)


@on_a_database(15)
@given(events=EVENTS, cap=st.integers(100, 1200), month=st.none() | st.integers(100, 700))
def test_no_cap_is_exceeded_at_any_prefix(
    ledger: Ledger, events: list[tuple[str, int, int]], cap: int, month: int | None
) -> None:
    """Random orders, answers, charges, refunds, invoices and caps over several months and rounds."""
    name, now, round_no = f"p{next(fresh)}", AT, 0
    ledger.money.caps(name, cap, "USD", cap_month=month)
    for number, (kind, amount, which) in enumerate([("order", 300, 0), *events]):
        key = f"tf-{name}-{round_no}-{which}"
        try:
            if kind == "days":
                now += timedelta(days=amount)
            elif kind == "caps":
                ledger.money.caps(name, amount, cap_month=None if month is None else which)
            elif kind == "order":
                round_no = order(ledger, name, round_no, amount, now)
            elif kind == "release":
                ledger.money.release(key, now)
            elif kind == "answer":
                said = ("CREATED", "REJECTED", "UNKNOWN", "CANCELED")[amount]
                lease = ledger.leases.acquire(f"order:{name}:{round_no}", "w1", 60, now)
                assert lease is not None
                ledger.tasks.record_outcomes([outcome(key, said)], lease.token, now, "w1")
            else:
                word = {"adjust": "ADJUSTED", "invoice": "INVOICED"}.get(kind, "ACCRUED")
                cost = line(f"{name}-{number}", None if kind == "batch" else key, amount, word, at=now)
                ledger.money.accrue(name, round_no, [cost], now)
                assert ledger.money.accrue(name, round_no, [cost], now) == 0  # twice is once
        except LedgerError:
            continue
        finally:
            check(ledger, name)


def order(ledger: Ledger, name: str, before: int, price: int, now: datetime) -> int:
    """End the running round and order the next one of four tasks; three of them are approved."""
    if before and (state := ledger.rounds.get(name, before).state) != "ABORTED":
        ledger.rounds.move(name, before, state, "ABORTED", now, "me")
    number = before + 1
    tasks = [new_task(rank, name, number) for rank in range(4)]
    ledger.rounds.open(name, number, f"batch-{number}", tasks, now)
    prices = {task.key: price for task in tasks}
    ledger.rounds.record_quote(name, number, quote_of(4 * price, price, valid_s=10**8), prices, now, "quote")
    with contextlib.suppress(OverCap):
        ledger.rounds.approve(name, number, 3 * price, "ann", now)
        lease = ledger.leases.acquire(f"order:{name}:{number}", "w1", 60, now)
        assert lease is not None
        ledger.tasks.to_outbox(name, number, 10**9, lease, now)
        ledger.rounds.move(name, number, "APPROVED", "SUBMITTING", now, "w1")
    return number


def happen(ledger: Ledger, name: str, numbers: Iterable[int]) -> tuple[object, ...]:
    """Seven events of four keys in some order; what the ledger says afterwards."""
    keys, lease = in_outbox(ledger, 4, price=100, campaign=name, round_cap=500)  # room for what an adjustment adds
    ledger.tasks.record_outcomes([created(key) for key in keys[:3]], lease.token, AT, "w1")
    costs = [line(f"a-{n}", key, 90) for n, key in enumerate(keys[:3])]
    costs += [line("i-0", keys[0], 95, "INVOICED"), line("plus", keys[0], 5, "ADJUSTED", at=MAY)]
    costs += [line("e-1", keys[1], 100, "ESTIMATED")]
    for number in numbers:
        if number == len(costs):
            ledger.tasks.record_outcomes([outcome(keys[3], "REJECTED")], lease.token, AT, "w1")
        else:
            ledger.money.accrue(name, 1, [costs[number]], AT)
        check(ledger, name)
    lines = sorted((c.line_id, c.kind, c.amount_micros) for c in ledger.money.lines(name))
    return ledger.money.status(name), ledger.money.months(name), ledger.rounds.counts(name, 1), lines


@on_a_database(8)
@given(order=st.permutations(range(7)), repeats=st.lists(st.integers(0, 6), max_size=4))
def test_another_order_and_repetitions_give_the_same_ledger(
    ledger: Ledger, order: list[int], repeats: list[int]
) -> None:
    """Outcomes, charges, invoices and adjustments within the caps commute."""
    straight = happen(ledger, f"o{next(fresh)}", range(7))
    assert happen(ledger, f"o{next(fresh)}", [*order, *repeats]) == straight
