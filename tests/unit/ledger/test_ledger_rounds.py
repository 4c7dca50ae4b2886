import threading
from dataclasses import replace

import pytest

from tailfirst.errors import Conflict, IllegalTransition, LedgerError, OverCap
from tailfirst.ledger import Ledger
from tailfirst.ledger.transitions import ROUND, TASK
from tests.support.ledgers import AT, approved, finish, later, new_task, opened, quote_of, submitted


def test_a_round_opens_with_all_its_tasks(ledger: Ledger) -> None:
    keys = opened(ledger, 3)
    row = ledger.rounds.current("c")
    assert row is not None
    assert (row.state, row.n_tasks, row.batch_sha256, row.created_at) == ("SELECTED", 3, "batch-1", AT)
    assert [task.key for task in ledger.tasks.list("c", 1)] == keys
    assert ledger.rounds.counts("c", 1) == {"PLANNED": 3}
    assert ledger.rounds.get("c", 1) == row
    assert ledger.rounds.all("c") == [row]
    assert ledger.rounds.current("other") is None


def test_the_same_batch_twice_is_one_round(ledger: Ledger) -> None:
    opened(ledger, 3)
    before = ledger.rounds.events("c")
    assert ledger.rounds.open("c", 1, "batch-1", [new_task(0)], later(5)).n_tasks == 3
    assert ledger.rounds.events("c") == before


def test_another_batch_is_refused(ledger: Ledger) -> None:
    opened(ledger, 1)
    with pytest.raises(Conflict, match="frozen with batch batch-1, now asked for other"):
        ledger.rounds.open("c", 1, "other", [new_task(0)], AT)


def test_rounds_run_one_after_the_other(ledger: Ledger) -> None:
    submitted(ledger, 1)
    with pytest.raises(Conflict, match="beside 1 OPEN"):
        ledger.rounds.open("c", 2, "batch-2", [new_task(0, round_no=2)], AT)
    finish(ledger)
    assert ledger.rounds.open("c", 2, "batch-2", [new_task(0, round_no=2)], AT).round_no == 2
    assert [row.round_no for row in ledger.rounds.all("c")] == [1, 2]
    current = ledger.rounds.current("c")
    assert current is not None
    assert current.round_no == 2


def test_a_failed_open_leaves_nothing(ledger: Ledger) -> None:
    twins = [new_task(0), replace(new_task(1), key=new_task(0).key)]
    with pytest.raises(Conflict, match="twice in one batch"):
        ledger.rounds.open("c", 1, "batch", twins, AT)
    assert ledger.rounds.current("c") is None
    assert ledger.rounds.events("c") == []


def test_a_key_is_planned_once(ledger: Ledger) -> None:
    submitted(ledger, 1)
    finish(ledger)
    with pytest.raises(Conflict, match=r"tf-c-1-0 was planned before, in round 1 .* next attempt"):
        ledger.rounds.open("c", 2, "batch-2", [replace(new_task(0), rank=5)], AT)


def test_a_new_attempt_is_linked_to_the_old_one(ledger: Ledger) -> None:
    keys = submitted(ledger, 1)
    finish(ledger)
    again = replace(new_task(0), key="tf-again", attempt=1)
    ledger.rounds.open("c", 2, "batch-2", [again], AT)
    assert ledger.tasks.get("tf-again").parent_key == keys[0]
    assert [task.key for task in ledger.tasks.by_item("c", again.item_id)] == [keys[0], "tf-again"]


def test_what_plan_knew_is_kept(ledger: Ledger) -> None:
    row = ledger.rounds.open("c", 1, "batch", [new_task(0)], AT, plan_json='{"a":1}')
    assert row.plan_json == '{"a":1}'


def test_an_unknown_round_is_named(ledger: Ledger) -> None:
    opened(ledger, 1)
    with pytest.raises(LedgerError, match="no round 7 in campaign 'c'; rounds there: 1"):
        ledger.rounds.get("c", 7)
    with pytest.raises(LedgerError, match="no round 7"):
        ledger.rounds.move("c", 7, "SELECTED", "ABORTED", AT, "me")


def test_two_openers_make_one_round(ledger: Ledger) -> None:
    errors: list[Exception] = []
    start = threading.Barrier(4)

    def work(sha: str) -> None:
        start.wait()
        try:
            ledger.rounds.open("c", 1, sha, [new_task(rank) for rank in range(5)], AT)
        except Conflict as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(sha,)) for sha in ("a", "a", "b", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 2
    assert ledger.rounds.counts("c", 1) == {"PLANNED": 5}
    assert [event.to_state for event in ledger.rounds.events("c") if event.key is None] == ["SELECTED"]


def test_a_quote_prices_every_task(ledger: Ledger) -> None:
    keys = opened(ledger, 2)
    prices = {keys[0]: 100, keys[1]: 250}
    row = ledger.rounds.record_quote("c", 1, quote_of(350), prices, AT, "quote")
    assert (row.state, row.quote_micros, row.currency, row.quote_basis) == ("QUOTED", 350, "USD", "price list")
    assert row.quote_valid_until == later(86_400)
    assert [(t.state, t.price_micros) for t in ledger.tasks.list("c", 1)] == [("PRICED", 100), ("PRICED", 250)]
    assert ledger.money.status("c").currency == "USD"


def test_a_quote_without_a_price_is_refused(ledger: Ledger) -> None:
    keys = opened(ledger, 2)
    with pytest.raises(LedgerError, match=r"1 of 2 tasks have no price, e.g. tf-c-1-1"):
        ledger.rounds.record_quote("c", 1, quote_of(100), {keys[0]: 100}, AT, "quote")
    assert ledger.rounds.get("c", 1).state == "SELECTED"


def test_a_quote_in_another_currency_is_refused(ledger: Ledger) -> None:
    submitted(ledger, 1)
    finish(ledger)
    keys = opened(ledger, 1, round_no=2)
    with pytest.raises(LedgerError, match="counts in USD, the quote is in EUR"):
        ledger.rounds.record_quote("c", 2, quote_of(1, currency="EUR"), {keys[0]: 1}, AT, "quote")


def test_the_same_quote_twice_is_one(ledger: Ledger) -> None:
    keys = opened(ledger, 2)
    prices = dict.fromkeys(keys, 100)
    ledger.rounds.record_quote("c", 1, quote_of(200), prices, AT, "quote")
    before = ledger.rounds.events("c")
    ledger.rounds.record_quote("c", 1, quote_of(200), prices, later(9), "quote")
    assert ledger.rounds.events("c") == before


def test_a_new_quote_takes_back_the_approval(ledger: Ledger) -> None:
    keys = approved(ledger, 3, round_cap=200)
    assert ledger.rounds.counts("c", 1) == {"APPROVED": 2, "OVER_BUDGET": 1}
    row = ledger.rounds.record_quote("c", 1, quote_of(240), dict.fromkeys(keys, 80), later(5), "quote")
    assert (row.state, row.cap_micros, row.approved_by) == ("QUOTED", None, None)
    assert [(t.state, t.price_micros) for t in ledger.tasks.list("c", 1)] == [("PRICED", 80)] * 3


def test_a_quote_after_the_order_is_refused(ledger: Ledger) -> None:
    keys = submitted(ledger, 1)
    with pytest.raises(IllegalTransition, match="OPEN > QUOTED is not allowed; from OPEN: COLLECTING, CLOSING"):
        ledger.rounds.record_quote("c", 1, quote_of(1), dict.fromkeys(keys, 1), AT, "quote")


def test_approval_reaches_down_the_ranking(ledger: Ledger) -> None:
    keys = approved(ledger, 4, price=100, round_cap=250)
    row = ledger.rounds.get("c", 1)
    assert (row.state, row.cap_micros, row.approved_by, row.approved_at) == ("APPROVED", 250, "ann", AT)
    states = [(task.key, task.state) for task in ledger.tasks.list("c", 1)]
    assert states == list(zip(keys, ["APPROVED", "APPROVED", "OVER_BUDGET", "OVER_BUDGET"], strict=True))
    assert "250 micros do not reach" in ledger.tasks.get(keys[3]).reason


def test_approval_is_bounded_by_the_campaign(ledger: Ledger) -> None:
    approved(ledger, 4, price=100, cap=300, round_cap=400)
    assert ledger.rounds.counts("c", 1) == {"APPROVED": 3, "OVER_BUDGET": 1}


def test_approval_that_pays_nothing_is_refused(ledger: Ledger) -> None:
    with pytest.raises(OverCap, match="the first of 2 tasks costs 100 micros; there are: approved 99"):
        approved(ledger, 2, price=100, round_cap=99)
    assert ledger.rounds.get("c", 1).state == "QUOTED"


def test_approval_needs_a_quote_that_holds(ledger: Ledger) -> None:
    keys = opened(ledger, 1)
    with pytest.raises(IllegalTransition, match="SELECTED > APPROVED"):
        ledger.rounds.approve("c", 1, 100, "ann", AT)
    ledger.rounds.record_quote("c", 1, quote_of(100, valid_s=10), {keys[0]: 100}, AT, "quote")
    with pytest.raises(LedgerError, match="the quote of round 1 ended"):
        ledger.rounds.approve("c", 1, 100, "ann", later(11))


def test_the_same_approval_twice_is_one(ledger: Ledger) -> None:
    approved(ledger, 2, round_cap=200)
    before = ledger.rounds.events("c")
    assert ledger.rounds.approve("c", 1, 200, "bob", AT).approved_by == "ann"
    assert ledger.rounds.events("c") == before


def test_move_is_compare_and_set(ledger: Ledger) -> None:
    approved(ledger, 1)
    assert ledger.rounds.move("c", 1, "APPROVED", "SUBMITTING", AT, "w1", vendor="sim", vendor_batch_id="b-1")
    assert not ledger.rounds.move("c", 1, "APPROVED", "SUBMITTING", AT, "w2", vendor="other")
    row = ledger.rounds.get("c", 1)
    assert (row.state, row.vendor, row.vendor_batch_id) == ("SUBMITTING", "sim", "b-1")


def test_an_illegal_move_lists_what_is_allowed(ledger: Ledger) -> None:
    opened(ledger, 1)
    with pytest.raises(IllegalTransition, match="SELECTED > SEALED is not allowed; from SELECTED: QUOTED, ABORTED"):
        ledger.rounds.move("c", 1, "SELECTED", "SEALED", AT, "me")
    with pytest.raises(IllegalTransition, match="from REPORTED: nothing"):
        ledger.rounds.move("c", 1, "REPORTED", "OPEN", AT, "me")
    with pytest.raises(IllegalTransition, match="no state 'NOWHERE'; states: DRAFT"):
        ledger.rounds.move("c", 1, "NOWHERE", "OPEN", AT, "me")


def test_only_free_columns_are_set(ledger: Ledger) -> None:
    opened(ledger, 1)
    with pytest.raises(LedgerError, match="cap_micros cannot be set here; what can: vendor"):
        ledger.rounds.annotate("c", 1, cap_micros=10**9)
    with pytest.raises(LedgerError, match="state cannot be set"):
        ledger.rounds.move("c", 1, "SELECTED", "ABORTED", AT, "me", state="SEALED")
    ledger.rounds.annotate("c", 1, cursor="abc", sla_at=later(9))
    assert (ledger.rounds.get("c", 1).cursor, ledger.rounds.get("c", 1).sla_at) == ("abc", later(9))


def test_pause_keeps_the_state(ledger: Ledger) -> None:
    submitted(ledger, 1)
    ledger.rounds.pause("c", 1, "vendor down", later(1), "flow")
    ledger.rounds.pause("c", 1, "vendor down", later(2), "flow")
    assert (ledger.rounds.get("c", 1).state, ledger.rounds.get("c", 1).pause_reason) == ("OPEN", "vendor down")
    ledger.rounds.pause("c", 1, None, later(3), "ann")
    assert ledger.rounds.get("c", 1).pause_reason is None
    notes = [(e.from_state, e.to_state, e.note, e.actor) for e in ledger.rounds.events("c", 1)[-2:]]
    assert notes == [("OPEN", "OPEN", "paused: vendor down", "flow"), ("OPEN", "OPEN", "resumed", "ann")]


def test_abort_is_possible_before_the_seal_only(ledger: Ledger) -> None:
    assert [state for state, targets in ROUND.items() if "ABORTED" in targets] == [
        "DRAFT", "SELECTED", "QUOTED", "APPROVED", "SUBMITTING", "OPEN", "COLLECTING", "CLOSING",
    ]  # fmt: skip
    opened(ledger, 1)
    assert ledger.rounds.move("c", 1, "SELECTED", "ABORTED", AT, "ann", "wrong classes")
    assert ledger.tasks.in_flight("c") == []
    assert ledger.rounds.open("c", 2, "batch-2", [new_task(0, round_no=2)], AT).round_no == 2


def test_states_are_folds_of_the_events(ledger: Ledger) -> None:
    submitted(ledger, 3)
    ledger.rounds.pause("c", 1, "vendor down", AT, "flow")
    finish(ledger)
    opened(ledger, 2, round_no=2)
    tasks: dict[str, str] = {}
    rounds: dict[int, str] = {}
    for event in ledger.rounds.events("c"):
        if event.key is not None:
            assert event.from_state == tasks.get(event.key, "")
            assert not event.from_state or event.to_state in TASK[event.from_state]
            tasks[event.key] = event.to_state
        elif event.round_no:
            assert event.from_state == rounds.get(event.round_no, "DRAFT")
            rounds[event.round_no] = event.to_state
    assert rounds == {row.round_no: row.state for row in ledger.rounds.all("c")}
    assert tasks == {t.key: t.state for no in rounds for t in ledger.tasks.list("c", no)}


def test_the_view_is_one_read(ledger: Ledger) -> None:
    empty = ledger.rounds.view("c", AT)
    assert (empty.round_no, empty.state, empty.left_micros, empty.counts) == (0, None, 0, {})
    submitted(ledger, 2, price=100, cap=1_000)
    view = ledger.rounds.view("c", later(9), eligible_items=5, target_reached=True)
    assert (view.round_no, view.state, view.n_tasks, dict(view.counts)) == (1, "OPEN", 2, {"SUBMITTED": 2})
    assert (view.quote_micros, view.currency, view.cap_micros, view.left_micros) == (200, "USD", 200, 800)
    assert (view.sla_at, view.opened_at, view.now) == (later(3_600), AT, later(9))
    assert (view.eligible_items, view.target_reached, view.sealed_rounds, view.kill_switch) == (5, True, 0, False)
    finish(ledger)
    assert ledger.rounds.view("c", AT).sealed_rounds == 1
