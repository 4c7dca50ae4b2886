"""The pure part of accrual, with hand-worked values."""

from hypothesis import given
from hypothesis import strategies as st

from tailfirst.ledger.book import Book, Pot, settle
from tailfirst.port import CostLine
from tests.support.ledgers import line

KEYS = ("a", "b", "c")


def book(cap: int = 1_000, round_cap: int = 1_000, reserved: int = 100) -> Book:
    total = reserved * len(KEYS)
    pots = (Pot(cap, total, 0), Pot(round_cap, total, 0))
    return Book("USD", pots, dict.fromkeys(KEYS, reserved), {}, {})


def test_hand_worked() -> None:
    lines = [
        line("1", "a", 100),  # frees 100, charges 100
        line("2", "b", 120, "ESTIMATED"),  # frees 100, charges 120
        line("3", "b", 90),  # replaces the estimate: -30
        line("4", None, 30),  # the batch: frees 30 of c's 100, charges 30
        line("5", "c", 10, "INVOICED"),  # no money
        line("6", "a", -20, "ADJUSTED"),  # a refund
    ]
    settled = settle(book(), lines)
    assert [one.line_id for one in settled.new] == ["1", "2", "3", "4", "5", "6"]
    assert settled.freed == {"a": 100, "b": 100, "c": 30}
    assert settled.charged == 100 + 120 - 30 + 30 + 0 - 20
    assert (settled.over_cap, settled.refused) == ((), ())


def test_an_estimate_after_the_charge_is_free() -> None:
    settled = settle(book(), [line("1", "a", 80), line("2", "a", 100, "ESTIMATED")])
    assert (settled.charged, len(settled.new)) == (80, 2)


def test_the_tighter_cap_decides() -> None:
    over = [line("1", "a", 151)]
    assert settle(book(cap=350), over).over_cap
    assert settle(book(round_cap=350), over).over_cap
    assert settle(book(cap=351, round_cap=351), over).charged == 151


KINDS = st.sampled_from(["ESTIMATED", "ACCRUED", "ADJUSTED", "INVOICED"])
LINES = st.lists(
    st.builds(
        line,
        st.sampled_from("0123456789"),
        st.sampled_from([*KEYS, None, "x"]),
        st.integers(-50, 300),
        KINDS,
        st.sampled_from(["USD", "USD", "USD", "EUR"]),
    ),
    max_size=20,
)


@given(LINES, st.integers(300, 700), st.integers(300, 700))
def test_no_prefix_breaks_a_cap(lines: list[CostLine], cap: int, round_cap: int) -> None:
    start = book(cap, round_cap)
    for end in range(len(lines) + 1):
        settled = settle(start, lines[:end])
        freed = sum(settled.freed.values())
        for pot in start.pots:
            after = pot.after(freed, settled.charged)
            assert after.reserved >= 0
            assert after.accrued >= 0
            assert after.reserved + after.accrued <= pot.cap
        assert all(0 <= amount <= 100 for amount in settled.freed.values())
        charges = [(one.key, one.kind) for one in settled.new if one.key and one.kind in {"ESTIMATED", "ACCRUED"}]
        assert len(set(charges)) == len(charges)


@given(LINES)
def test_lines_applied_twice_change_nothing(lines: list[CostLine]) -> None:
    once, twice = settle(book(), lines), settle(book(), [*lines, *lines])
    assert {one.line_id for one in once.new} <= {one.line_id for one in twice.new}
    if not once.refused and not once.over_cap:
        assert (once.new, once.charged, once.freed) == (twice.new, twice.charged, twice.freed)
