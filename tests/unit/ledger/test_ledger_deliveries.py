import pytest

from tailfirst.errors import Conflict, LedgerError
from tailfirst.ledger import CheckRow, Ledger
from tests.support.ledgers import (
    AT,
    answer,
    created,
    finish,
    in_outbox,
    later,
    opened,
    outcome,
    parsed,
    raw,
    ref,
    submitted,
)


def test_bytes_come_first(ledger: Ledger) -> None:
    (a, b) = submitted(ledger, 2)
    assert ledger.deliveries.store_raw("c", 1, raw(a, body=b"\x00\xff"))
    assert not ledger.deliveries.store_raw("c", 1, raw(a, body=b"\x00\xff"))
    (row,) = ledger.deliveries.unparsed("c", 1)
    assert (row.key, row.vendor_id, row.revision, row.body, row.fetched_at) == (
        a,
        f"v-{a}",
        "1",
        b"\x00\xff",
        later(60),
    )
    assert (row.parsed_at, row.parser_version, row.quarantine_reason) == (None, None, None)
    assert [t.state for t in ledger.tasks.list("c", 1)] == ["RETURNED", "SUBMITTED"]
    assert ledger.deliveries.raw("c", 1) == [row]
    assert b not in {event.key for event in ledger.rounds.events("c", 1) if event.to_state == "RETURNED"}


def test_parsing_gives_annotations(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a))
    two = parsed(a, "1", answer("x", ("cup", "mug")), answer("y", (), skipped=True, reason="blurred"))
    ledger.deliveries.record_parsed(a, "1", two, later(70))
    first, second = ledger.deliveries.annotations("c", 1)
    assert (first.annotator_id, first.class_ids, first.started_at, first.work_s) == ("x", ("cup", "mug"), AT, 30.0)
    assert (second.annotator_id, second.class_ids, second.skipped, second.reason) == ("y", (), True, "blurred")
    assert ledger.tasks.get(a).state == "PARSED"
    assert ledger.deliveries.unparsed("c", 1) == []
    (row,) = ledger.deliveries.raw("c", 1)
    assert (row.parsed_at, row.parser_version) == (later(70), "parser/1")


def test_parsing_twice_is_once(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    events, rows = ledger.rounds.events("c"), ledger.deliveries.annotations("c", 1)
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    assert (ledger.rounds.events("c"), ledger.deliveries.annotations("c", 1)) == (events, rows)


def test_the_newest_revision_counts_whatever_came_first(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    for revision, label, updated in (("10", "mug", 50), ("9", "cup", 50), ("11", "jar", 40)):
        ledger.deliveries.store_raw("c", 1, raw(a, revision, label.encode()))
        ledger.deliveries.record_parsed(
            a, revision, parsed(a, revision, answer(classes=[label]), updated_s=updated), AT
        )
    assert [row.class_ids for row in ledger.deliveries.annotations("c", 1)] == [("mug",)]
    assert len(ledger.deliveries.annotations("c", 1, all_revisions=True)) == 3


def test_a_deletion_hides_the_older_answer(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a, "1"))
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    ledger.deliveries.store_raw("c", 1, raw(a, "2", b"deleted"))
    ledger.deliveries.record_parsed(a, "2", parsed(a, "2", updated_s=99), AT)
    assert ledger.deliveries.annotations("c", 1) == []


def test_a_newer_revision_keeps_the_state(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a, "1"))
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    ledger.tasks.move(a, "PARSED", "VALIDATED", AT, "collect")
    ledger.tasks.move(a, "VALIDATED", "ACCEPTED", AT, "seal")
    assert ledger.deliveries.store_raw("c", 1, raw(a, "2", b"new"))
    assert [d.revision for d in ledger.deliveries.unparsed("c", 1)] == ["2"]
    ledger.deliveries.record_parsed(a, "2", parsed(a, "2", answer(classes=["mug"]), updated_s=99), AT)
    assert ledger.tasks.get(a).state == "ACCEPTED"
    assert [row.class_ids for row in ledger.deliveries.annotations("c", 1)] == [("mug",)]


def test_other_bytes_under_the_same_revision_are_told(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a, body=b"one"))
    for _ in range(2):
        assert not ledger.deliveries.store_raw("c", 1, raw(a, body=b"two"))
    notes = [e.note for e in ledger.rounds.events("c", 1) if "other bytes" in e.note]
    assert len(notes) == 1
    assert ledger.deliveries.raw("c", 1)[0].body == b"one"


def test_a_delivery_for_nobody_is_kept(ledger: Ledger) -> None:
    submitted(ledger, 1)
    assert ledger.deliveries.store_raw("c", 1, raw(None, vendor_id="v-strange"))
    assert ledger.deliveries.store_raw("c", 1, raw("tf-not-ours"))
    assert [(d.key, d.vendor_id) for d in ledger.deliveries.unparsed("c", 1)] == [
        (None, "v-strange"), (None, "v-tf-not-ours"),
    ]  # fmt: skip
    ledger.deliveries.quarantine("c", 1, "v-strange", "1", "nobody asked for it", AT)
    assert [d.quarantine_reason for d in ledger.deliveries.raw("c", 1)] == ["nobody asked for it", None]
    assert len(ledger.deliveries.unparsed("c", 1)) == 1
    with pytest.raises(LedgerError, match="no delivery of the vendor's 'v-9' with revision '1'"):
        ledger.deliveries.quarantine("c", 1, "v-9", "1", "?", AT)


def test_a_delivery_without_our_key_is_found_by_the_vendors_id(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(None, vendor_id=f"v-{a}"))
    assert [d.key for d in ledger.deliveries.unparsed("c", 1)] == [a]
    assert ledger.tasks.get(a).state == "RETURNED"


def test_an_answer_before_we_know_the_task_waits(ledger: Ledger) -> None:
    (a, b), lease = in_outbox(ledger, 2)
    ledger.tasks.mark_sent([a, b], lease.token, AT)
    ledger.tasks.record_outcomes([outcome(a, "UNKNOWN"), outcome(b, "UNKNOWN")], lease.token, AT, "w1")
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.deliveries.store_raw("c", 1, raw(None, vendor_id=f"v-{b}"))
    ledger.deliveries.quarantine("c", 1, f"v-{b}", "1", "unknown id", AT)
    assert ledger.deliveries.unparsed("c", 1) == []
    assert ledger.tasks.get(a).state == "UNKNOWN"
    ledger.tasks.settle_unknown({a: ref(a), b: ref(b)}, [], lease.token, AT)
    assert [d.key for d in ledger.deliveries.unparsed("c", 1)] == [a, b]
    for key in (a, b):
        ledger.deliveries.record_parsed(key, "1", parsed(key, "1", answer()), AT)
    assert ledger.rounds.counts("c", 1) == {"PARSED": 2}
    assert [e.to_state for e in ledger.rounds.events("c", 1) if e.key == a][-3:] == ["SUBMITTED", "RETURNED", "PARSED"]


def test_quarantine_can_be_released(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.deliveries.quarantine("c", 1, f"v-{a}", "1", "not JSON", AT)
    assert (ledger.tasks.get(a).state, ledger.tasks.get(a).reason) == ("QUARANTINED", "not JSON")
    assert ledger.deliveries.unparsed("c", 1) == []
    ledger.deliveries.forget_parsed("c", 1)
    assert [d.key for d in ledger.deliveries.unparsed("c", 1)] == [a]
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    assert ledger.tasks.get(a).state == "PARSED"


def test_a_replay_gives_the_same_rows(ledger: Ledger) -> None:
    keys = submitted(ledger, 3)
    for key in keys:
        ledger.deliveries.store_raw("c", 1, raw(key))
        ledger.deliveries.record_parsed(key, "1", parsed(key, "1", answer(), answer("other")), AT)
    before, states = ledger.deliveries.annotations("c", 1), ledger.rounds.counts("c", 1)
    ledger.deliveries.forget_parsed("c", 1)
    assert ledger.deliveries.annotations("c", 1) == []
    assert len(ledger.deliveries.unparsed("c", 1)) == 3
    for key in reversed(keys):
        ledger.deliveries.record_parsed(key, "1", parsed(key, "1", answer(), answer("other")), AT)
    assert (ledger.deliveries.annotations("c", 1), ledger.rounds.counts("c", 1)) == (before, states)


def test_a_late_label_comes_back(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.tasks.move(a, "SUBMITTED", "EXPIRED", AT, "collect")
    ledger.tasks.move(a, "EXPIRED", "CLOSED_UNLABELED", AT, "collect")
    finish(ledger)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    assert ledger.tasks.get(a).state == "PARSED"
    assert ledger.rounds.get("c", 1).state == "REPORTED"


def test_rounds_that_still_wait_for_answers(ledger: Ledger) -> None:
    """Awaited: in one of the states, known to the vendor, and without any delivery."""
    (a, b) = submitted(ledger, 2)
    finish(ledger)
    submitted(ledger, 1, round_no=2)
    submitted(ledger, 1, campaign="d")
    finish(ledger, round_no=2)
    opened(ledger, 1, round_no=3)  # planned, the vendor does not know it
    ledger.tasks.move(b, "SUBMITTED", "EXPIRED", AT, "collect")
    assert ledger.deliveries.awaited("c", ("SUBMITTED", "EXPIRED", "PLANNED", "SELECTED")) == {1, 2}
    assert ledger.deliveries.awaited("c", ("EXPIRED",)) == {1}
    ledger.deliveries.store_raw("c", 1, raw(b))
    assert ledger.deliveries.awaited("c", ("EXPIRED", "RETURNED")) == set()
    assert ledger.deliveries.awaited("c", ("SUBMITTED",)) == {1, 2}
    ledger.deliveries.store_raw("c", 1, raw(a))
    assert ledger.deliveries.awaited("c", ("SUBMITTED",)) == {2}


def test_a_parsed_result_for_another_task_is_refused(ledger: Ledger) -> None:
    a, b = submitted(ledger, 2)
    ledger.deliveries.store_raw("c", 1, raw(a))
    with pytest.raises(Conflict, match=f"parsed {b} revision 1, asked to store {a}"):
        ledger.deliveries.record_parsed(a, "1", parsed(b, "1", answer()), AT)
    with pytest.raises(LedgerError, match="bytes come before parsing"):
        ledger.deliveries.record_parsed(b, "1", parsed(b, "1", answer()), AT)


def test_a_refused_task_stays_refused(ledger: Ledger) -> None:
    (a, b), lease = in_outbox(ledger, 2)
    ledger.tasks.record_outcomes([outcome(a, "REJECTED", "policy"), created(b)], lease.token, AT, "w1")
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    assert ledger.tasks.get(a).state == "REFUSED"


def check(suite: str, failed: tuple[str, ...] = ()) -> CheckRow:
    return CheckRow("c", 1, suite, not failed, 3, 10, len(failed), failed, '{"a": 1}', AT)


def test_checks_are_kept_per_suite(ledger: Ledger) -> None:
    opened(ledger, 1)
    row = check("batch", failed=("i1", "i2"))
    ledger.checks.record(row)
    ledger.checks.record(check("answers"))
    assert [one.suite for one in ledger.checks.list("c", 1)] == ["answers", "batch"]
    assert ledger.checks.list("c", 1)[1] == row
    ledger.checks.record(check("batch"))
    assert [one.success for one in ledger.checks.list("c", 1)] == [True, True]
    assert ledger.checks.list("c", 2) == []
