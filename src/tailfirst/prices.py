"""What labels cost, from cost lines. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Line(Protocol):
    """What counts of a cost line, be it of the ledger or of a sealed round."""

    @property
    def key(self) -> str | None:
        """Submission key; None = the order as a whole."""

    @property
    def kind(self) -> str:
        """ESTIMATED | ACCRUED | INVOICED | ADJUSTED."""

    @property
    def amount_micros(self) -> int:
        """The amount."""


@dataclass(frozen=True, slots=True)
class Price:
    """Labels and what they cost together, in micros."""

    labels: int
    micros: int

    @property
    def per_label(self) -> int | None:
        """Micros, rounded down; None without a label."""
        return self.micros // self.labels if self.labels else None


@dataclass(frozen=True, slots=True)
class Prices:
    """What accepted labels cost. `without_label` was paid for items that have none, `whole_orders` for no key."""

    all: Price  # everything that was charged
    by_class: Mapping[str, Price]
    by_purpose: Mapping[str, Price]
    without_label: int
    whole_orders: int


def cost_micros(lines: Sequence[Line]) -> int:
    """What the lines cost: an accrued line replaces the estimate of its task; an invoice only repeats."""
    accrued = {line.key for line in lines if line.kind == "ACCRUED" and line.key is not None}
    return sum(
        line.amount_micros
        for line in lines
        if line.kind in {"ACCRUED", "ADJUSTED"} or (line.kind == "ESTIMATED" and line.key not in accrued)
    )


def by_kind(lines: Sequence[Line]) -> dict[str, Price]:
    """How many lines of each kind, and their sum."""
    kinds = sorted({line.kind for line in lines})
    found = {kind: [line.amount_micros for line in lines if line.kind == kind] for kind in kinds}
    return {kind: Price(len(amounts), sum(amounts)) for kind, amounts in found.items()}


def prices(
    lines: Sequence[Line], items: Mapping[str, str], purposes: Mapping[str, str], labels: Mapping[str, str]
) -> Prices:
    """What labels cost.

    Args:
        lines: Cost lines.
        items: Submission key -> item. A line of another key counts as paid without a label.
        purposes: Submission key -> purpose.
        labels: Item -> class of its accepted label.

    Every key that was bought for an item is in the price of its class, repeated questions too. An item counts in each
    purpose for which it was charged.
    """
    keyed = [line for line in lines if line.key is not None]
    per_class = class_prices(keyed, items, labels)
    reached: defaultdict[str, set[str]] = defaultdict(set)
    paid: defaultdict[str, list[Line]] = defaultdict(list)
    for line in keyed:
        purpose, item = purposes.get(line.key or "", "UNKNOWN"), items.get(line.key or "", "")
        paid[purpose].append(line)
        if item in labels and line.kind != "INVOICED":
            reached[purpose].add(item)
    whole, attributed = cost_micros(lines), cost_micros(keyed)
    return Prices(
        all=Price(len(labels), whole),
        by_class=per_class,
        by_purpose={p: Price(len(reached[p]), cost_micros(paid[p])) for p in sorted(paid)},
        without_label=attributed - sum(price.micros for price in per_class.values()),
        whole_orders=whole - attributed,
    )


def class_prices(lines: Sequence[Line], items: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Price]:
    """What the labels of each class cost: every key that was bought for their items, among these lines."""
    paid: defaultdict[str, list[Line]] = defaultdict(list)
    bought: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        item = items.get(line.key or "", "")
        if item in labels and line.kind != "INVOICED":
            paid[labels[item]].append(line)
            bought[labels[item]].add(item)
    return {name: Price(len(bought[name]), cost_micros(paid[name])) for name in sorted(paid)}
