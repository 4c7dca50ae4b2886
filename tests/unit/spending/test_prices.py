"""Prices by hand: overlap, a skip, a refund, an order's fee, an invoice that only repeats."""

from datetime import UTC, datetime

from tailfirst.ledger.records import CostRow
from tailfirst.prices import Price, by_kind, class_prices, prices

AT = datetime(2026, 3, 31, tzinfo=UTC)


def cost(key: str | None, micros: int, kind: str = "ACCRUED") -> CostRow:
    return CostRow(f"{key}-{kind}-{micros}", "c", 1, key, kind, micros, "USD", AT)


LINES = [
    cost("cat-1", 50, "ESTIMATED"),  # replaced by what was charged
    cost("cat-1", 40),
    cost("cat-2", 40),  # the second answer about the same item
    cost("dog-1", 40),
    cost("dog-1", -10, "ADJUSTED"),
    cost("dog-1", 99, "INVOICED"),
    cost("skip-1", 40),
    cost("gold-1", 80),
    cost(None, 7),
]
ITEMS = {"cat-1": "i1", "cat-2": "i1", "dog-1": "i2", "skip-1": "i3", "gold-1": "i4"}
PURPOSES = {"cat-1": "TRAIN", "cat-2": "RELABEL", "dog-1": "AUDIT", "skip-1": "TRAIN", "gold-1": "GOLD"}
LABELS = {"i1": "cat", "i2": "dog"}


def test_prices_by_hand() -> None:
    found = prices(LINES, ITEMS, PURPOSES, LABELS)
    assert found.all == Price(2, 237)
    assert found.all.per_label == 118
    assert found.by_class == {"cat": Price(1, 80), "dog": Price(1, 30)}
    assert found.by_purpose == {
        "AUDIT": Price(1, 30), "GOLD": Price(0, 80), "RELABEL": Price(1, 40), "TRAIN": Price(1, 80),
    }  # fmt: skip
    assert found.by_purpose["GOLD"].per_label is None
    assert (found.without_label, found.whole_orders) == (120, 7)
    parts = sum(price.micros for price in found.by_class.values()) + found.without_label + found.whole_orders
    assert parts == found.all.micros


def test_only_items_with_a_label_have_a_class() -> None:
    assert class_prices(LINES, ITEMS, {}) == {}
    assert class_prices([], ITEMS, LABELS) == {}


def test_kinds_are_counted_as_they_stand() -> None:
    assert by_kind(LINES) == {
        "ACCRUED": Price(6, 247), "ADJUSTED": Price(1, -10), "ESTIMATED": Price(1, 50), "INVOICED": Price(1, 99),
    }  # fmt: skip
