import json
from collections.abc import Callable

import pytest

from tailfirst.ledger import Ledger
from tests.support.ledgers import AT, answer, in_outbox, later, line, outcome, parsed, raw, ref, submitted


def test_a_crash_leaves_no_trace_in_the_dump(ledger: Ledger, sqlite_url: str) -> None:
    """The same purchases, once straight and once over a lost answer, other times and other tokens."""
    submitted(ledger, 2)
    with Ledger.open(sqlite_url.replace("ledger.db", "other.db")) as other:
        (a, b), lease = in_outbox(other, 2)
        other.tasks.mark_sent([a, b], lease.token, later(100))
        other.tasks.record_outcomes([outcome(a, "UNKNOWN", "")], lease.token, later(200), "w7")
        other.tasks.settle_unknown({a: ref(a), b: ref(b)}, [], lease.token, later(300))
        other.rounds.move("c", 1, "SUBMITTING", "OPEN", later(400), "w9", opened_at=later(400))
        assert other.export("c") == ledger.export("c")
        assert other.fingerprint("c") == ledger.fingerprint("c")
        assert other.rounds.events("c") != ledger.rounds.events("c")


def test_the_dump_is_plain_json(ledger: Ledger) -> None:
    a, _ = submitted(ledger, 2)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.deliveries.record_parsed(a, "1", parsed(a, "1", answer()), AT)
    ledger.money.accrue("c", 1, [line("l", a, 100)], AT)
    dump = ledger.export("c")
    assert json.loads(json.dumps(dump)).keys() == dump.keys()
    assert {name: len(rows) for name, rows in dump.items()} == {
        "budget": 1, "months": 1, "approvals": 1, "rounds": 1, "tasks": 2, "deliveries": 1, "annotations": 1,
        "costs": 1,
    }  # fmt: skip
    words = json.dumps(dump)
    assert "2025-" not in words
    assert "v-tf" not in words
    assert ledger.export("other") == {name: [] for name in dump}


CHANGES: list[Callable[[Ledger, str], object]] = [
    lambda ledger, key: ledger.tasks.move(key, "SUBMITTED", "EXPIRED", AT, "me"),
    lambda ledger, key: ledger.money.accrue("c", 1, [line("l", key, 99)], AT),
    lambda ledger, key: ledger.deliveries.store_raw("c", 1, raw(key)),
    lambda ledger, _: ledger.money.caps("c", 20_000),
    lambda ledger, _: ledger.rounds.pause("c", 1, "vendor down", AT, "me"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_matters_changes_the_fingerprint(ledger: Ledger, change: Callable[[Ledger, str], object]) -> None:
    (key,) = submitted(ledger, 1)
    before = ledger.fingerprint("c")
    change(ledger, key)
    assert ledger.fingerprint("c") != before
