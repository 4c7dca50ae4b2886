"""metrics.json as values: what was measured for one candidate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailfirst.contracts import Interval

SHOWN = ("accuracy", "balanced_accuracy", "tail_accuracy")
NAMES = (*SHOWN, "head_accuracy", "macro_f1")
WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "tail_accuracy": "tail accuracy",
    "head_accuracy": "head accuracy",
    "macro_f1": "macro F1",
}


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Recall of one class on the holdout."""

    class_id: str
    recall: float | None
    support: int
    tail: bool


@dataclass(frozen=True, slots=True)
class Confusion:
    """Holdout items of one class that were taken for another; `share` is of the true class."""

    truth: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Measures:
    """What evaluation wrote about one candidate."""

    candidate: str
    available: bool
    why: str | None = None
    n_labels: int = 0
    values: Mapping[str, Interval] = field(default_factory=dict)  # keys: NAMES
    versus_zero_shot: Mapping[str, Interval] = field(default_factory=dict)  # paired differences, keys: NAMES
    per_class: tuple[ClassScore, ...] = ()
    confusions: tuple[Confusion, ...] = ()  # worst first
    tail_definition: str = ""
    ece: float | None = None
    holdout_items: int | None = None

    @property
    def tail(self) -> frozenset[str]:
        """Ids of the tail classes."""
        return frozenset(score.class_id for score in self.per_class if score.tail)


def parse(candidate: str, value: Mapping[str, Any]) -> Measures:
    """The measures in a metrics.json, or in the subset of it that a sealed round keeps; what is absent stays empty."""
    tails = set(value.get("tail_classes") or ())
    return Measures(
        candidate=candidate,
        available=bool(value.get("available", True)),
        why=value.get("why"),
        n_labels=int(value.get("n_labels") or 0),
        values=intervals(value),
        versus_zero_shot=intervals(value.get("versus_zero_shot") or {}),
        per_class=tuple(
            ClassScore(name, row.get("recall"), int(row.get("support") or 0), bool(row.get("tail", name in tails)))
            for name, row in (value.get("per_class") or {}).items()
        ),
        confusions=tuple(
            Confusion(row["truth"], row["predicted"], int(row["count"]), float(row["share"]))
            for row in value.get("confusions") or ()
        ),
        tail_definition=str(value.get("tail_definition") or ""),
        ece=number(value.get("ece")),
        holdout_items=(value.get("holdout") or {}).get("items"),
    )


def intervals(value: Mapping[str, Any]) -> dict[str, Interval]:
    """The known metrics of a mapping, as intervals; unmeasured ones are left out."""
    return {name: found for name in NAMES if (found := interval(value.get(name))) is not None}


def interval(value: object) -> Interval | None:
    """An interval from `{value, low, high}` or from a bare number (then without a spread)."""
    if isinstance(value, Mapping):
        middle = number(value.get("value"))
        if middle is None:
            return None
        low, high = number(value.get("low")), number(value.get("high"))
        return Interval(middle, middle if low is None else low, middle if high is None else high)
    middle = number(value)
    return None if middle is None else Interval(middle, middle, middle)


def number(value: object) -> float | None:
    """The value as a float, or None where there is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
