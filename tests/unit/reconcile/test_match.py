"""Matching by hand, then: our own lines are clean, and any single change to them is found."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.ledger.records import CostRow
from tailfirst.reconcile.match import Finding, Invoiced, Ours, match

AT = datetime(2026, 3, 31, tzinfo=UTC)
KEYS = {"a": 1, "b": 1, "c": 2, "d": 2}


def cost(line_id: str, key: str | None, micros: int, kind: str = "ACCRUED", round_no: int = 0) -> CostRow:
    return CostRow(line_id, "camp", round_no or KEYS[key or ""], key, kind, micros, "USD", AT)


def line(line_id: str, key: str | None, micros: int, order: str | None = None) -> Invoiced:
    return Invoiced(line_id, key, order, micros, AT)


def ours(*costs: CostRow) -> Ours:
    states = dict.fromkeys(KEYS, "ACCEPTED") | {"d": "CANCELED"}
    return Ours(KEYS, states, {"order-1": 1, "order-2": 2}, costs)


CHARGED = (cost("1", "a", 40), cost("2", "b", 60), cost("3", "c", 80))


def facts(*findings: Finding) -> list[tuple[str, str | None, int, int]]:
    return [(f.what, f.key, f.ours, f.theirs) for f in findings]


def test_each_kind_by_hand() -> None:
    statement = [
        line("x1", "a", 40),
        line("x2", "b", 90),
        line("x3", "d", 70),  # canceled, never charged
        line("x4", "zz", 5),  # never ordered
        line("x5", None, 9),
        line("x6", None, 9, "order-9"),
    ]
    found = match(ours(*CHARGED), statement)
    assert facts(*found.findings) == [
        ("matched", "a", 40, 40),
        ("missing there", "c", 80, 0),
        ("different", "b", 60, 90),
        ("missing here", "zz", 0, 5),
        ("missing here", "d", 0, 70),
        ("unmatched", None, 0, 9),
        ("unmatched", None, 0, 9),
    ]
    assert [f.difference for f in found.disputes] == [30, 5, 70, 9, 9]
    assert "it is CANCELED" in found.findings[4].why
    assert "order-9" in found.findings[6].why
    assert [(no, kept.line_id) for no, kept in found.lines] == [(1, "x1"), (1, "x2"), (2, "x3")]


def test_an_estimate_is_replaced_and_adjustments_count() -> None:
    known = ours(cost("1", "a", 50, "ESTIMATED"), cost("2", "a", 40), cost("3", "a", -10, "ADJUSTED"))
    assert facts(*match(known, [line("x", "a", 30)]).findings) == [("matched", "a", 30, 30)]


def test_twice_in_one_statement_and_across_two() -> None:
    known = ours(cost("1", "a", 40))
    both = match(known, [line("x", "a", 40), line("y", "a", 40)])
    assert facts(*both.findings) == [("twice", "a", 40, 80)]
    earlier = ours(cost("1", "a", 40), cost("invoice-x", "a", 40, "INVOICED"))
    again = match(earlier, [line("y", "a", 40)])
    assert facts(*again.findings) == [("twice", "a", 40, 80)]
    assert "1 of them in earlier statements" in again.findings[0].why
    assert facts(*match(earlier, [line("x", "a", 40)]).findings) == [("matched", "a", 40, 40)]


def test_a_credit_note_settles_what_was_disputed() -> None:
    earlier = ours(cost("1", "a", 40), cost("invoice-x", "a", 60, "INVOICED"))
    assert facts(*match(earlier, [line("credit", "a", -20)]).findings) == [("matched", "a", 40, 40)]


def test_a_line_that_says_something_else_than_last_month() -> None:
    earlier = ours(cost("1", "a", 40), cost("invoice-x", "a", 40, "INVOICED"))
    found = match(earlier, [line("x", "a", 45)])
    assert facts(*found.findings) == [("changed", "a", 40, 45)]
    assert found.lines == ()


@pytest.mark.parametrize(("asked", "what"), [(30, "matched"), (31, "different")])
def test_an_order_with_charges_of_its_own(asked: int, what: str) -> None:
    known = ours(cost("1", None, 30, round_no=1), cost("2", "a", 5))
    found = match(known, [line("x", None, asked, "order-1"), line("y", "a", 5)])
    assert {(f.what, f.key) for f in found.findings} == {("matched", "a"), (what, None)}


def test_an_order_that_is_charged_by_key_and_invoiced_as_a_whole() -> None:
    whole = line("x", None, 100, "order-1")
    assert facts(*match(ours(*CHARGED[:2]), [whole]).findings) == [("matched", None, 100, 100)]
    both = match(ours(*CHARGED[:2]), [whole, line("y", "a", 40)])
    assert facts(*both.findings) == [("twice", None, 100, 140)]
    later = ours(*CHARGED[:2], cost("invoice-x", None, 100, "INVOICED", 1))
    assert facts(*match(later, [line("y", "a", 40)]).findings) == [("twice", None, 100, 140)]


amounts = st.dictionaries(st.sampled_from(sorted(KEYS)), st.integers(1, 10**9), min_size=1)


@given(amounts, st.data())
def test_our_own_lines_are_clean_and_any_single_change_is_found(charged: dict[str, int], data: st.DataObject) -> None:
    known = ours(*(cost(f"l{key}", key, micros) for key, micros in charged.items()))
    statement = [line(f"l{key}", key, micros) for key, micros in charged.items()]
    clean = match(known, data.draw(st.permutations(statement)))
    assert {f.what for f in clean.findings} == {"matched"}
    assert not clean.disputes
    assert sum(f.theirs for f in clean.findings) == sum(charged.values())

    which = data.draw(st.integers(0, len(statement) - 1))
    hit = statement[which]
    rest = statement[:which] + statement[which + 1 :]
    other = data.draw(st.integers(-(10**9), 10**9).filter(lambda n: n != hit.micros))
    changed, what = data.draw(
        st.sampled_from(
            [
                (rest, "missing there"),
                ([*rest, replace(hit, micros=other)], "different"),
                ([*statement, replace(hit, line_id="again")], "twice"),
                ([*rest, replace(hit, key="zz")], "missing here"),
                ([*rest, replace(hit, key=None)], "unmatched"),
            ]
        )
    )
    found = match(known, data.draw(st.permutations(changed)))
    assert what in {f.what for f in found.findings}
    assert len(found.of("matched")) == len(charged) - 1
    assert bool(found.disputes) == (what != "missing there")
