import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tailfirst.errors import Conflict, LedgerError, OverCap
from tailfirst.ledger import Ledger, MoneyStatus
from tailfirst.ledger.journal import lock_tasks
from tests.support import ledger_workers
from tests.support.ledgers import (
    AT,
    approved,
    created,
    in_outbox,
    later,
    line,
    on_a_database,
    outcome,
    submitted,
    take,
)

fresh = itertools.count()


def test_before_any_cap_there_is_no_money(ledger: Ledger) -> None:
    assert ledger.money.status("c") == MoneyStatus(0, 0, 0, 0, "XXX")
    assert not ledger.money.kill_switch("c")


def test_caps_are_set_raised_and_lowered_to_what_is_committed(ledger: Ledger) -> None:
    assert ledger.money.caps("c", 500, "USD") == MoneyStatus(500, 0, 0, 500, "USD")
    assert ledger.money.caps("c", 500, "USD") == MoneyStatus(500, 0, 0, 500, "USD")
    submitted(ledger, 3, price=100, cap=1_000)
    assert ledger.money.status("c") == MoneyStatus(1_000, 300, 0, 700, "USD")
    assert ledger.money.caps("c", 200) == MoneyStatus(300, 300, 0, 0, "USD")
    with pytest.raises(LedgerError, match="counts in USD, asked for EUR"):
        ledger.money.caps("c", 200, "EUR")


def test_accrual_turns_reservations_into_charges(ledger: Ledger) -> None:
    a, b, _ = submitted(ledger, 3, price=100, cap=1_000)
    assert ledger.money.accrue("c", 1, [line("l1", a, 100), line("l2", b, 60)], AT) == 2
    assert ledger.money.status("c") == MoneyStatus(1_000, 100, 160, 740, "USD")
    rows = ledger.money.lines("c", 1)
    assert [(r.line_id, r.key, r.kind, r.amount_micros, r.currency) for r in rows] == [
        ("l1", a, "ACCRUED", 100, "USD"),
        ("l2", b, "ACCRUED", 60, "USD"),
    ]
    assert ledger.money.lines("c") == rows
    assert ledger.money.lines("c", 2) == []


def test_a_line_counts_once(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1, price=100)
    assert ledger.money.accrue("c", 1, [line("l1", a, 100), line("l1", a, 100)], AT) == 1
    assert ledger.money.accrue("c", 1, [line("l1", a, 100, at=later(9))], AT) == 0
    assert ledger.money.accrue("c", 1, [line("l2", a, 100)], AT) == 0
    assert ledger.money.status("c").accrued == 100
    assert len(ledger.money.lines("c")) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (line("l1", "tf-c-1-0", 90), "stored before as ACCRUED 100 for tf-c-1-0"),
        (line("l2", "tf-c-1-0", 90), "was charged 100 micros before, now 90: a key is never charged twice"),
        (line("l3", "tf-nobody", 100), "key tf-nobody is no task of this round"),
        (line("l4", "tf-c-1-1", 100, currency="EUR"), "in EUR, the campaign counts in USD"),
        (line("l5", "tf-c-1-1", -1), "negative; refunds are ADJUSTED"),
    ],
)
def test_contradictions_are_named_and_good_lines_kept(ledger: Ledger, wrong: object, said: str) -> None:
    a, _, c = submitted(ledger, 3, price=100)
    ledger.money.accrue("c", 1, [line("l1", a, 100)], AT)
    with pytest.raises(Conflict, match=said) as caught:
        ledger.money.accrue("c", 1, [wrong, line("good", c, 100)], AT)  # type: ignore[list-item]
    assert "1 other new lines were stored" in str(caught.value)
    assert [row.line_id for row in ledger.money.lines("c")] == ["good", "l1"]
    assert ledger.money.status("c").accrued == 200


def test_an_overcharge_is_taken_within_the_caps_only(ledger: Ledger) -> None:
    a, b = submitted(ledger, 2, price=100, cap=1_000, round_cap=230)
    assert ledger.money.accrue("c", 1, [line("l1", a, 130)], AT) == 1
    with pytest.raises(OverCap, match="l2: 101 micros for tf-c-1-1, 100 reserved"):
        ledger.money.accrue("c", 1, [line("l2", b, 101)], AT)
    assert ledger.money.status("c") == MoneyStatus(1_000, 100, 130, 770, "USD")


def test_an_accrued_line_replaces_the_estimate(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1, price=100)
    ledger.money.accrue("c", 1, [line("e", a, 100, "ESTIMATED")], AT)
    assert ledger.money.status("c").accrued == 100
    ledger.money.accrue("c", 1, [line("l", a, 80)], AT)
    assert (ledger.money.status("c").reserved, ledger.money.status("c").accrued) == (0, 80)
    assert len(ledger.money.lines("c")) == 2


def test_invoices_move_no_money_and_refunds_do(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1, price=100)
    ledger.money.accrue("c", 1, [line("l", a, 100)], AT)
    ledger.money.accrue("c", 1, [line("i", a, 120, "INVOICED")], AT)
    assert ledger.money.status("c").accrued == 100
    ledger.money.accrue("c", 1, [line("r", a, -40, "ADJUSTED")], AT)
    assert ledger.money.status("c").accrued == 60
    with pytest.raises(OverCap, match="-61 micros"):
        ledger.money.accrue("c", 1, [line("r2", a, -61, "ADJUSTED")], AT)


def test_a_batch_line_uses_up_the_reservations(ledger: Ledger) -> None:
    a, b, c = submitted(ledger, 3, price=100)
    ledger.money.accrue("c", 1, [line("whole", None, 250)], AT)
    assert (ledger.money.status("c").reserved, ledger.money.status("c").accrued) == (50, 250)
    assert [ledger.money.release(key, AT) for key in (a, b, c)] == [0, 0, 50]


def test_release_gives_back_once(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1, price=100, cap=1_000)
    assert ledger.money.release(a, AT) == 100
    assert ledger.money.release(a, AT) == 0
    assert ledger.money.status("c") == MoneyStatus(1_000, 0, 0, 1_000, "USD")


def test_what_brought_no_answer_is_given_back(ledger: Ledger) -> None:
    a, b, c, d = submitted(ledger, 4, price=100, cap=1_000)
    ledger.money.accrue("c", 1, [line("l", a, 100)], AT)
    ledger.tasks.move(b, "SUBMITTED", "EXPIRED", AT, "seal")
    ledger.tasks.move(b, "EXPIRED", "CLOSED_UNLABELED", AT, "seal")
    ledger.tasks.move(c, "SUBMITTED", "CANCEL_REQUESTED", AT, "seal")
    ledger.tasks.move(c, "CANCEL_REQUESTED", "TOO_LATE", AT, "seal")
    assert ledger.money.release_round("c", 1, AT) == 100
    assert ledger.money.release_round("c", 1, AT) == 0
    assert ledger.money.status("c") == MoneyStatus(1_000, 200, 100, 700, "USD")
    assert d


def test_a_charge_after_the_release_needs_room(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1, price=100, cap=100)
    ledger.money.release(a, AT)
    assert ledger.money.accrue("c", 1, [line("late", a, 100)], AT) == 1
    assert ledger.money.status("c").left == 0


def test_the_kill_switch_is_history(ledger: Ledger) -> None:
    ledger.money.set_kill_switch("c", on=True, by="ann", at=AT)
    ledger.money.set_kill_switch("c", on=True, by="bob", at=AT)
    assert ledger.money.kill_switch("c")
    ledger.money.set_kill_switch("c", on=False, by="bob", at=later(1))
    assert not ledger.money.kill_switch("c")
    assert [(e.round_no, e.from_state, e.to_state, e.actor) for e in ledger.rounds.events("c")] == [
        (0, "RUNNING", "KILLED", "ann"),
        (0, "KILLED", "RUNNING", "bob"),
    ]


def test_two_workers_of_80_under_a_cap_of_100(ledger: Ledger, ledger_url: str) -> None:
    """Trap L5, with two processes that reserve at the same moment: one wins."""
    approved(ledger, 2, price=80, cap=160)
    ledger.money.caps("c", 100)
    assert sorted(ledger_workers.race("reserve", ledger_url, 2)) == ["over", "won"]
    assert ledger.money.status("c") == MoneyStatus(100, 80, 0, 20, "USD")


def test_two_workers_fill_one_outbox(ledger: Ledger) -> None:
    approved(ledger, 3, price=80)
    lease = take(ledger)
    moved: list[int] = []
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        moved.append(ledger.tasks.to_outbox("c", 1, 10**9, lease, AT))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moved) == [0, 3]
    assert ledger.money.status("c").reserved == 240


def check_money(ledger: Ledger, campaign: str) -> MoneyStatus:
    status = ledger.money.status(campaign)
    row = ledger.rounds.get(campaign, 1)
    charged = [cost for cost in ledger.money.lines(campaign) if cost.kind == "ACCRUED" and cost.key is not None]
    assert status.reserved + status.accrued <= status.cap
    assert status.left == status.cap - status.reserved - status.accrued >= 0
    assert row.cap_micros is None or status.reserved + status.accrued <= row.cap_micros
    assert len({cost.key for cost in charged}) == len(charged)
    return status


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("accrue"), st.integers(0, 4), st.integers(0, 220)),
        st.tuples(st.just("release"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("refund"), st.integers(0, 4), st.integers(-150, 50)),
        st.tuples(st.just("batch"), st.just(0), st.integers(0, 300)),
        st.tuples(st.just("caps"), st.just(0), st.integers(0, 900)),
        st.tuples(st.just("answer"), st.integers(0, 4), st.integers(0, 3)),
    ),
    max_size=12,
)


@on_a_database(12)
@given(acts=ACTS, cap=st.integers(100, 700), round_cap=st.integers(100, 600))
def test_committed_money_never_exceeds_a_cap(
    ledger: Ledger, acts: list[tuple[str, int, int]], cap: int, round_cap: int
) -> None:
    """specs/vendor.md 4.3: at every prefix, reserved plus accrued stay under the cap and a key is charged once."""
    campaign = f"m{next(fresh)}"
    keys = approved(ledger, 5, price=100, campaign=campaign, cap=cap, round_cap=round_cap)
    check_money(ledger, campaign)
    lease = take(ledger, campaign=campaign)
    ledger.tasks.to_outbox(campaign, 1, 550, lease, AT)
    for number, (act, which, amount) in enumerate(acts):
        key = keys[which]
        try:
            if act == "release":
                ledger.money.release(key, AT)
            elif act == "caps":
                ledger.money.caps(campaign, amount)
            elif act == "answer" and ledger.tasks.get(key).state == "OUTBOX":
                said = ("CREATED", "EXISTED", "REJECTED", "UNKNOWN")[amount]
                ledger.tasks.record_outcomes([outcome(key, said)], lease.token, AT, "w1")
            elif act in {"accrue", "refund", "batch"}:
                kind = "ADJUSTED" if act == "refund" else "ACCRUED"
                cost = line(f"{campaign}-{number}", None if act == "batch" else key, amount, kind)
                ledger.money.accrue(campaign, 1, [cost], AT)
        except (OverCap, Conflict):
            continue
        finally:
            status = check_money(ledger, campaign)
    accrued = sum(cost.amount_micros for cost in ledger.money.lines(campaign))
    assert ledger.money.status(campaign).accrued == accrued
    if acts:
        assert status == ledger.money.status(campaign)


@on_a_database(8)
@given(order=st.permutations(range(6)), repeats=st.lists(st.integers(0, 5), max_size=4))
def test_events_of_different_keys_commute(ledger: Ledger, order: list[int], repeats: list[int]) -> None:
    """specs/vendor.md 4.3: applying one twice changes nothing; the order between keys does not matter."""
    name = f"o{next(fresh)}"
    keys, lease = in_outbox(ledger, 6, price=100, campaign=name)
    for which in [*order, *repeats]:
        key = keys[which]
        said = created(key) if which % 3 else outcome(key, "REJECTED", "policy")
        ledger.tasks.record_outcomes([said], lease.token, AT, "w1")
        if which % 3:
            ledger.money.accrue(name, 1, [line(f"{name}-{which}", key, 100)], AT)
    assert ledger.rounds.counts(name, 1) == {"REFUSED": 2, "SUBMITTED": 4}
    assert (ledger.money.status(name).reserved, ledger.money.status(name).accrued) == (0, 400)
    assert len([e for e in ledger.rounds.events(name) if e.to_state in {"REFUSED", "SUBMITTED"}]) == 6


@pytest.mark.postgres
def test_charges_take_tasks_in_the_order_of_their_keys(new_postgres_url: str) -> None:
    """Whatever order the vendor charges in: beside a worker who holds tasks in that order nobody waits in a circle."""
    with Ledger.open(new_postgres_url) as ledger, ThreadPoolExecutor(1) as pool:
        first, *_, last = sorted(submitted(ledger, 8))
        with ledger.database.write() as other:
            lock_tasks(other, [first])
            charges = [line(f"l-{key}", key, 100) for key in (last, first)]
            charged = pool.submit(ledger.money.accrue, "c", 1, charges, AT)
            while not other.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")):
                assert not charged.done(), "it did not wait for the held task"
            lock_tasks(other, [last])
        assert charged.result(30) == 2
