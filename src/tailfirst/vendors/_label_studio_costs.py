"""What answers cost where the server knows no money: by our own price list."""

from collections.abc import Iterable, Mapping
from typing import Any

from tailfirst.port import BatchKey, CostLine, Money
from tailfirst.vendors import _label_studio_seen as listed


def estimates(batch: BatchKey, tasks: Iterable[Mapping[str, Any]], price: Money) -> tuple[CostLine, ...]:
    """One line per answered task, for all answers that it wants, dated with its first answer.

    Args:
        batch: The order.
        tasks: As the server lists them, with their answers.
        price: Of one answer.
    """
    lines = []
    for task in tasks:
        one = listed.seen(task)
        if one is None or not one.answers or one.duplicate_of is not None:
            continue
        at = min(listed.moment(answer["created_at"]) for answer in task["annotations"])
        amount = Money(price.micros * one.wanted, price.currency)
        lines.append(CostLine(f"estimated-{one.key}", one.key, batch, amount, at, "ESTIMATED"))
    return tuple(lines)
