import pytest

from tailfirst.errors import LedgerError
from tailfirst.ledger import Ledger
from tailfirst.ledger.journal import Act
from tests.support.ledgers import AT, finish, line, raw, submitted

ACT = Act(AT, "me")


def closing(ledger: Ledger, n: int = 3, round_no: int = 1) -> list[str]:
    keys = submitted(ledger, n, round_no=round_no)
    ledger.rounds.move("c", round_no, "OPEN", "COLLECTING", AT, "me")
    ledger.rounds.move("c", round_no, "COLLECTING", "CLOSING", AT, "me")
    return keys


def seal(ledger: Ledger, round_no: int, *keys: str, lines: dict[str, int] | None = None) -> bool:
    places = {(1, f"v-{key}", "1"): round_no for key in keys}
    marks = {(1, line_id): holder for line_id, holder in (lines or {}).items()}
    return ledger.exports.seal("c", round_no, f"sha-{round_no}", places, marks, ACT)


def test_what_a_seal_exported_is_not_late(ledger: Ledger) -> None:
    a, b, c = closing(ledger)
    ledger.deliveries.store_many("c", 1, [raw(a), raw(b)])
    assert ledger.exports.late("c", 1) == []  # its own round's are not late
    assert seal(ledger, 1, a)
    ledger.deliveries.store_raw("c", 1, raw(c))
    assert [(no, d.key) for no, d in ledger.exports.late("c", 2)] == [(1, key) for key in sorted((b, c))]
    assert ledger.rounds.get("c", 1).sealed_sha256 == "sha-1"


def test_only_sealed_rounds_have_late_ones(ledger: Ledger) -> None:
    (a,) = submitted(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.rounds.move("c", 1, "OPEN", "ABORTED", AT, "me")
    assert ledger.exports.late("c", 2) == []


def test_cost_lines_of_this_and_earlier_rounds(ledger: Ledger) -> None:
    a, b, _ = closing(ledger)
    ledger.money.accrue("c", 1, [line("l-a", a, 100), line("l-b", b, 100)], AT)
    assert [c.line_id for c in ledger.exports.unsealed_lines("c", 1)] == ["l-a", "l-b"]
    assert ledger.exports.unsealed_lines("c", 0) == []
    assert seal(ledger, 1, lines={"l-a": 1})
    assert [c.line_id for c in ledger.exports.unsealed_lines("c", 2)] == ["l-b"]


def test_a_seal_that_was_made_already_marks_nothing(ledger: Ledger) -> None:
    a, b, _ = closing(ledger)
    ledger.deliveries.store_many("c", 1, [raw(a), raw(b)])
    assert seal(ledger, 1, a)
    assert not seal(ledger, 1, b)
    assert [d.key for _, d in ledger.exports.late("c", 2)] == [b]


@pytest.mark.parametrize("what", ["delivery", "line"])
def test_twice_or_unknown_is_refused_and_nothing_is_sealed(ledger: Ledger, what: str) -> None:
    (a,) = closing(ledger, 1)
    ledger.deliveries.store_raw("c", 1, raw(a))
    ledger.money.accrue("c", 1, [line("l-a", a, 100)], AT)
    assert seal(ledger, 1, a, lines={"l-a": 1})
    for before, after in (("SEALED", "TRAINED"), ("TRAINED", "EVALUATED"), ("EVALUATED", "HELD"), ("HELD", "REPORTED")):
        ledger.rounds.move("c", 1, before, after, AT, "me")
    closing(ledger, 1, round_no=2)
    with pytest.raises(LedgerError, match="1 of 1 exported rows"):
        seal(ledger, 2, *([a] if what == "delivery" else []), lines={} if what == "delivery" else {"l-a": 2})
    assert ledger.rounds.get("c", 2).state == "CLOSING"
    with pytest.raises(LedgerError, match="1 of 1 exported rows"):
        seal(ledger, 2, *(["k"] if what == "delivery" else []), lines={} if what == "delivery" else {"l-k": 2})


def test_some_rounds(ledger: Ledger) -> None:
    submitted(ledger, 1)
    finish(ledger)
    submitted(ledger, 1, round_no=2)
    assert [row.round_no for row in ledger.rounds.some("c", {2, 1, 7})] == [1, 2]
    assert ledger.rounds.some("c", ()) == []
