"""The quality of a sealed round's answers as values, from its quality.json; rounds from before it have none."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailfirst.contracts import Interval
from tailfirst.report.history import read_json

PAIRS = 8  # class pairs in the table, those that are mixed up most
SKIP_WORDS = {"none_of_these": "none of these", "unusable": "unusable", "unsure": "unsure", "other": "other reasons"}


@dataclass(frozen=True, slots=True)
class OnGold:
    """One annotator's answers to items with known answers, over all rounds so far, and what speaks against her."""

    answers: int
    accuracy: Interval | None
    peers: Interval | None  # agreement with others on the same items
    signs: tuple[str, ...]
    dropped: bool  # answers since her last right answer to gold are not counted


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes that people mixed up."""

    one: str
    other: str
    agreement: float
    kappa: float
    ambiguous: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of the order cost."""

    purpose: str
    tasks: int
    micros: int


@dataclass(frozen=True, slots=True)
class Quality:
    """What a page says about the answers of a round."""

    consensus: str
    people: Mapping[str, OnGold]
    pairs: tuple[Pair, ...]
    ambiguous: tuple[tuple[str, str], ...]
    gold: tuple[int, int, int]  # items shown, answers, right ones
    skips: tuple[tuple[str, int], ...]  # words, how many
    shares: tuple[Share, ...]
    again: int
    experts: int
    suspects: int
    warning: str
    anchoring: tuple[Interval | None, Interval | None] | None  # agreement with the model's guess: shown, blind


def read(folder: Path) -> Quality | None:
    """The quality of a sealed folder; None where it has no quality.json.

    Raises:
        TaskFolderError: It is there and cannot be read.
    """
    path = folder / "quality.json"
    if not path.exists():
        return None
    value = read_json(path)
    ambiguous = tuple((a, b) for a, b in value["ambiguous"])
    gold = value["gold"]
    return Quality(
        consensus=value["consensus"],
        people={row["annotator_id"]: _person(row) for row in value["annotators"]},
        pairs=tuple(_pair(row, ambiguous) for row in value["pairs"][:PAIRS]),
        ambiguous=ambiguous,
        gold=(gold["items"], gold["answers"], gold["right"]),
        skips=tuple((SKIP_WORDS[kind], n) for kind, n in value["skips"].items() if n),
        shares=tuple(Share(name, one["tasks"], one["micros"]) for name, one in value["cost_by_purpose"].items()),
        again=len(value["again"]),
        experts=len(value["experts"]),
        suspects=len(value["suspects"]),
        warning=value["gold_leak"],
        anchoring=_anchoring(value.get("anchoring")),
    )


def _person(row: Mapping[str, Any]) -> OnGold:
    return OnGold(
        row["gold_answers"],
        _interval(row["gold_accuracy"]),
        _interval(row["peers"]),
        tuple(sign["why"] for sign in row["signs"]),
        row["dropped"],
    )


def _interval(value: Mapping[str, float] | None) -> Interval | None:
    return None if value is None else Interval(value["value"], value["low"], value["high"])


def _anchoring(value: Mapping[str, Any] | None) -> tuple[Interval | None, Interval | None] | None:
    return None if value is None else (_interval(value["shown"]), _interval(value["blind"]))


def _pair(row: Mapping[str, Any], ambiguous: tuple[tuple[str, str], ...]) -> Pair:
    return Pair(row["one"], row["other"], row["agreement"], row["kappa"], (row["one"], row["other"]) in ambiguous)
