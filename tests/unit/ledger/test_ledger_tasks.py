from dataclasses import replace

import pytest

from tailfirst.errors import Conflict, IllegalTransition, LeaseLost, LedgerError, OverCap
from tailfirst.ledger import Ledger
from tests.support.ledgers import (
    AT,
    TTL_S,
    approved,
    created,
    finish,
    in_outbox,
    later,
    line,
    new_task,
    opened,
    outcome,
    raw,
    ref,
    submitted,
    take,
)


def test_list_is_in_buying_order(ledger: Ledger) -> None:
    tasks = [new_task(2), new_task(0), new_task(1), replace(new_task(1), key="copy", overlap_slot=1)]
    ledger.rounds.open("c", 1, "batch", tasks, AT)
    assert [t.key for t in ledger.tasks.list("c", 1)] == ["tf-c-1-0", "tf-c-1-1", "copy", "tf-c-1-2"]
    assert ledger.tasks.list("c", 1, ("SUBMITTED",)) == []
    assert len(ledger.tasks.list("c", 1, ["PLANNED"])) == 4


def test_a_task_keeps_what_plan_said(ledger: Ledger) -> None:
    task = replace(new_task(0), purpose="AUDIT", inclusion_probability=0.25)
    ledger.rounds.open("c", 1, "batch", [task], AT)
    row = ledger.tasks.get(task.key)
    assert (row.purpose, row.inclusion_probability, row.strategy, row.why) == ("AUDIT", 0.25, "tail_first", "tail:cup")
    assert (row.payload_sha256, row.item_digest, row.parent_key, row.sent_at) == (
        task.payload_sha256, task.item_digest, None, None,
    )  # fmt: skip


def test_an_unknown_key_is_named(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no task with key 'nope'"):
        ledger.tasks.get("nope")
    with pytest.raises(LedgerError, match="no task with key 'nope'"):
        ledger.tasks.move("nope", "PLANNED", "DROPPED", AT, "me")
    with pytest.raises(LedgerError, match="no task with key 'nope'"):
        ledger.money.release("nope", AT)


def test_outbox_reserves_the_money(ledger: Ledger) -> None:
    keys = approved(ledger, 3, price=100, cap=1_000)
    lease = take(ledger)
    assert ledger.tasks.to_outbox("c", 1, 10**9, lease, AT) == 3
    status = ledger.money.status("c")
    assert (status.reserved, status.accrued, status.left) == (300, 0, 700)
    rows = ledger.tasks.list("c", 1)
    assert {(t.state, t.fencing_token, t.sent_at) for t in rows} == {("OUTBOX", lease.token, None)}
    assert ledger.tasks.to_outbox("c", 1, 10**9, lease, AT) == 0
    assert ledger.money.status("c") == status
    assert len(keys) == 3


def test_outbox_respects_both_caps(ledger: Ledger) -> None:
    approved(ledger, 3, price=100, cap=1_000)
    lease = take(ledger)
    with pytest.raises(OverCap, match="round cap 299"):
        ledger.tasks.to_outbox("c", 1, 299, lease, AT)
    ledger.money.caps("c", 299)
    with pytest.raises(OverCap, match="asks for 300 micros; the campaign has 299 left"):
        ledger.tasks.to_outbox("c", 1, 10**9, lease, AT)
    assert ledger.money.status("c").reserved == 0
    assert ledger.rounds.counts("c", 1) == {"APPROVED": 3}


def test_outbox_reads_the_kill_switch(ledger: Ledger) -> None:
    approved(ledger, 1)
    ledger.money.set_kill_switch("c", on=True, by="ann", at=AT)
    with pytest.raises(LedgerError, match="kill switch of 'c' is on"):
        ledger.tasks.to_outbox("c", 1, 10**9, take(ledger), AT)


def test_the_guard_is_taken_over_while_closing(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.rounds.move("c", 1, "OPEN", "CLOSING", AT, "collect")
    ledger.money.set_kill_switch("c", on=True, by="ann", at=AT)
    ledger.tasks.move(a, "SUBMITTED", "CANCEL_REQUESTED", AT, "seal")
    lease = take(ledger, "w2")
    assert ledger.tasks.to_outbox("c", 1, 0, lease, AT) == 0
    ledger.tasks.record_outcomes([outcome(a, "CANCELED")], lease.token, AT, "w2")
    assert ledger.tasks.get(a).state == "CANCELED"
    assert ledger.money.status("c").reserved == 0


def test_outbox_of_an_aborted_round_stays_empty(ledger: Ledger) -> None:
    approved(ledger, 1)
    ledger.rounds.move("c", 1, "APPROVED", "ABORTED", AT, "ann")
    with pytest.raises(IllegalTransition, match="is ABORTED: an order is filled while APPROVED or SUBMITTING"):
        ledger.tasks.to_outbox("c", 1, 10**9, take(ledger), AT)


def test_outbox_needs_a_living_lease(ledger: Ledger) -> None:
    approved(ledger, 1)
    lease = take(ledger)
    with pytest.raises(LeaseLost, match="ended"):
        ledger.tasks.to_outbox("c", 1, 10**9, lease, later(TTL_S))
    take(ledger, "w2", at=later(TTL_S))
    with pytest.raises(LeaseLost, match="not the newest"):
        ledger.tasks.to_outbox("c", 1, 10**9, lease, later(1))
    assert ledger.money.status("c").reserved == 0


def test_outcomes_move_tasks(ledger: Ledger) -> None:
    (a, b, c, d), lease = in_outbox(ledger, 4, price=100)
    ledger.tasks.mark_sent([a, b, c], lease.token, later(1))
    assert [t.sent_at for t in ledger.tasks.list("c", 1)] == [later(1)] * 3 + [None]
    answers = [
        created(a),
        outcome(b, "REJECTED", "asset unreachable"),
        outcome(c, "UNKNOWN", "timeout"),
        replace(created(d), outcome="EXISTED"),
    ]
    ledger.tasks.record_outcomes(answers, lease.token, later(2), "w1")
    rows = {t.key: t for t in ledger.tasks.list("c", 1)}
    assert [rows[k].state for k in (a, b, c, d)] == ["SUBMITTED", "REFUSED", "UNKNOWN", "SUBMITTED"]
    assert (rows[a].vendor_task_id, rows[b].reason) == (f"v-{a}", "asset unreachable")
    assert ledger.money.status("c").reserved == 300
    before = ledger.rounds.events("c")
    ledger.tasks.record_outcomes(answers, lease.token, later(3), "w1")
    assert ledger.rounds.events("c") == before
    assert ledger.money.status("c").reserved == 300
    assert ledger.tasks.ignored("c") == {rows[b].item_id}


def test_outcomes_of_a_cancel(ledger: Ledger) -> None:
    a, b, c = submitted(ledger, 3, price=100)
    for key in (a, b, c):
        assert ledger.tasks.move(key, "SUBMITTED", "CANCEL_REQUESTED", AT, "ann", "wrong batch")
    lease = take(ledger, "w2")
    said = [outcome(a, "CANCELED"), outcome(b, "TOO_LATE"), outcome(c, "NOT_FOUND")]
    ledger.tasks.record_outcomes(said, lease.token, AT, "w2")
    assert [t.state for t in ledger.tasks.list("c", 1)] == ["CANCELED", "TOO_LATE", "CANCELED"]
    assert ledger.money.status("c").reserved == 100
    ledger.tasks.record_outcomes([outcome(a, "REVIEWED")], lease.token, AT, "w2")
    assert ledger.tasks.get(a).state == "CANCELED"


def test_another_payload_at_the_vendor_is_a_conflict(ledger: Ledger) -> None:
    (a, b), lease = in_outbox(ledger, 2)
    with pytest.raises(Conflict, match="with payload other, ours is payload-c-1"):
        ledger.tasks.record_outcomes(
            [created(a), replace(created(b), ref=ref(b, "other"), outcome="EXISTED")], lease.token, AT, "w1"
        )
    assert ledger.rounds.counts("c", 1) == {"OUTBOX": 2}


def test_unknown_is_settled_by_looking(ledger: Ledger) -> None:
    (a, b, c), lease = in_outbox(ledger, 3)
    ledger.tasks.mark_sent([a, b], lease.token, AT)
    ledger.tasks.record_outcomes([outcome(a, "UNKNOWN", "timeout")], lease.token, AT, "w1")
    ledger.tasks.settle_unknown({a: ref(a)}, [b, c], lease.token, later(1))
    rows = {t.key: t for t in ledger.tasks.list("c", 1)}
    assert (rows[a].state, rows[a].vendor_task_id) == ("SUBMITTED", f"v-{a}")
    assert (rows[b].state, rows[b].sent_at) == ("OUTBOX", None)
    path = [e.to_state for e in ledger.rounds.events("c", 1) if e.key == b]
    assert path[-3:] == ["OUTBOX", "UNKNOWN", "OUTBOX"]
    assert [e.to_state for e in ledger.rounds.events("c", 1) if e.key == c][-1] == "OUTBOX"
    before = ledger.rounds.events("c")
    ledger.tasks.settle_unknown({a: ref(a)}, [b, c], lease.token, later(2))
    assert ledger.rounds.events("c") == before


def test_a_zombie_is_fenced_off(ledger: Ledger) -> None:
    (a, b), old = in_outbox(ledger, 2)
    new = take(ledger, "w2", at=later(TTL_S + 1))
    for write in (
        lambda: ledger.tasks.mark_sent([a], old.token, AT),
        lambda: ledger.tasks.record_outcomes([created(a)], old.token, AT, "w1"),
        lambda: ledger.tasks.settle_unknown({a: ref(a)}, [b], old.token, AT),
    ):
        with pytest.raises(LeaseLost, match="another worker took over"):
            write()
    assert ledger.rounds.counts("c", 1) == {"OUTBOX": 2}
    ledger.tasks.record_outcomes([created(a)], new.token, AT, "w2")
    assert ledger.tasks.get(a).state == "SUBMITTED"


def test_a_token_from_nowhere_is_refused(ledger: Ledger) -> None:
    (a,) = approved(ledger, 1)
    with pytest.raises(LeaseLost):
        ledger.tasks.mark_sent([a], 99, AT)


def test_a_foreign_key_stops_the_chunk(ledger: Ledger) -> None:
    (a,), lease = in_outbox(ledger, 1)
    with pytest.raises(LedgerError, match=r"1 keys are not in the ledger, e.g. 'nope'; nothing was written"):
        ledger.tasks.mark_sent([a, "nope"], lease.token, AT)
    assert ledger.tasks.get(a).sent_at is None


def test_move_is_compare_and_set(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    assert ledger.tasks.move(a, "SUBMITTED", "EXPIRED", AT, "collect", "SLA passed")
    assert not ledger.tasks.move(a, "SUBMITTED", "EXPIRED", AT, "collect")
    assert ledger.tasks.get(a).reason == "SLA passed"
    with pytest.raises(IllegalTransition, match="EXPIRED > ACCEPTED is not allowed; from EXPIRED: RESUBMIT"):
        ledger.tasks.move(a, "EXPIRED", "ACCEPTED", AT, "me")


def test_many_move_at_once(ledger: Ledger) -> None:
    a, b, c = submitted(ledger, 3)
    ledger.tasks.move(c, "SUBMITTED", "IN_PROGRESS", AT, "collect")
    assert ledger.tasks.move_many([a, b, c], "SUBMITTED", "EXPIRED", AT, "collect", "late") == 2
    assert [t.state for t in ledger.tasks.list("c", 1)] == ["EXPIRED", "EXPIRED", "IN_PROGRESS"]
    assert ledger.tasks.move_many([a, b, c], "SUBMITTED", "EXPIRED", AT, "collect") == 0
    assert ledger.tasks.move_many([], "SUBMITTED", "EXPIRED", AT, "collect") == 0


def test_in_flight_is_what_may_still_become_a_label(ledger: Ledger) -> None:
    a, b, c, d = submitted(ledger, 4)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.tasks.move(b, "SUBMITTED", "EXPIRED", AT, "collect")
    ledger.tasks.move(c, "SUBMITTED", "EXPIRED", AT, "collect")
    ledger.tasks.move(c, "EXPIRED", "CLOSED_UNLABELED", AT, "collect")
    assert [t.key for t in ledger.tasks.in_flight("c")] == [a, b, d]
    finish(ledger)
    assert [t.key for t in ledger.tasks.in_flight("c")] == [a, d]
    opened(ledger, 1, round_no=2)
    assert [t.key for t in ledger.tasks.in_flight("c")] == [a, d, "tf-c-2-0"]


def test_a_dropped_item_is_not_asked_again(ledger: Ledger) -> None:
    keys = opened(ledger, 2)
    ledger.tasks.move(keys[0], "PLANNED", "DROPPED", AT, "ann", "taken down")
    assert ledger.tasks.ignored("c") == {"item-c-1-0"}
    assert [t.key for t in ledger.tasks.in_flight("c")] == [keys[1]]


def test_a_thousand_tasks_go_through(ledger: Ledger) -> None:
    keys, lease = in_outbox(ledger, 1_200, price=1)
    ledger.tasks.mark_sent(keys, lease.token, AT)
    ledger.tasks.record_outcomes([created(key) for key in keys], lease.token, AT, "w1")
    assert ledger.rounds.counts("c", 1) == {"SUBMITTED": 1_200}
    lines = [line(f"l-{key}", key, 1) for key in keys]
    assert ledger.money.accrue("c", 1, lines, AT) == 1_200
    assert (ledger.money.status("c").reserved, ledger.money.status("c").accrued) == (0, 1_200)
