"""A sealed round as values: what was bought and why, who answered, what it cost, what the checks said."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from tailfirst import artifacts, schemas
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace
from tailfirst.prices import class_prices
from tailfirst.report import quality
from tailfirst.report.history import read_json
from tailfirst.report.quality import Quality


@dataclass(frozen=True, slots=True)
class Votes:
    """How many annotators gave an item to a class."""

    class_id: str
    count: int


@dataclass(frozen=True, slots=True)
class Pick:
    """One bought item."""

    item_id: str
    rank: int
    purpose: str
    stage: str
    reason: str
    score: float | None
    inclusion_probability: float | None
    predicted: str | None
    probability: float | None
    label: str | None  # None: it came back without an accepted answer
    votes: tuple[Votes, ...]  # most first

    @property
    def disagreed(self) -> bool:
        """Whether the annotators named different classes."""
        return len(self.votes) > 1


@dataclass(frozen=True, slots=True)
class Annotator:
    """One person (or machine) of the vendor in this round."""

    annotator_id: str
    answers: int
    skipped: int
    judged: int  # answers on items that got a label
    agreed: int  # of those: the label is theirs
    work_s: float | None  # median


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost lines of one kind."""

    kind: str
    lines: int
    micros: int


@dataclass(frozen=True, slots=True)
class Line:
    """A sealed cost line, as far as prices need it."""

    key: str | None
    kind: str
    amount_micros: int


@dataclass(frozen=True, slots=True)
class ClassPrice:
    """What the labels of a class cost: every question asked about their items."""

    class_id: str
    labels: int
    micros: int


@dataclass(frozen=True, slots=True)
class Check:
    """One gate's result."""

    suite: str
    success: bool
    evaluated: int
    rows: int
    failed: int  # expectations
    failed_ids: tuple[str, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Everything in data/rounds/NNNN/ that a page shows."""

    round_no: int
    record: Mapping[str, Any]  # round.json
    picks: tuple[Pick, ...]
    annotators: tuple[Annotator, ...]
    costs: tuple[Cost, ...]
    prices: tuple[ClassPrice, ...]  # of the labels sealed here, dearest per label first
    checks: tuple[Check, ...]
    quality: Quality | None  # None: sealed before quality.json existed
    files: Mapping[str, str]  # name -> sha256
    sha256: str  # of the folder as a whole

    @property
    def n_labels(self) -> int:
        """Accepted labels, audit and late ones included."""
        return int(self.record.get("n_labels") or 0)

    @property
    def n_late(self) -> int:
        """Of those, labels that an earlier round had ordered."""
        return int(self.record.get("n_late") or 0)

    @property
    def vendor(self) -> str:
        """The vendor's name."""
        return str((self.record.get("vendor") or {}).get("name") or "an unnamed vendor")

    @property
    def cost_micros(self) -> int:
        """Money of this round."""
        return int(self.record.get("cost_micros") or 0)

    @property
    def strategy(self) -> str:
        """The acquisition strategy's name."""
        return str((self.record.get("strategy") or {}).get("plugin") or "an unnamed strategy")

    @property
    def exhausted(self) -> tuple[str, ...]:
        """Classes that the batch did not search for, because searches brought no member and the pool had not grown."""
        return tuple((self.record.get("acquisition") or {}).get("exhausted") or ())

    @property
    def currency(self) -> str:
        """ISO 4217."""
        return str(self.record.get("currency") or "USD")


def read_sealed(ws: Workspace, round_no: int) -> Sealed:
    """The sealed round.

    Raises:
        TaskFolderError: Not sealed, or a file of its folder cannot be read.
    """
    folder = ws.sealed(round_no)
    record = read_json(folder / "round.json")
    answers = _rows(folder / "annotations.parquet")
    labels = {row["item_id"]: row["class_id"] for row in _rows(folder / "labels.parquet")}
    lines = _rows(folder / "costs.parquet")
    by_item: dict[str, list[dict[str, Any]]] = {}
    for answer in answers:
        by_item.setdefault(answer["item_id"], []).append(answer)
    path = folder / "batch.parquet"
    batch = schemas.read(path, schemas.BATCH).to_pylist() if path.exists() else []
    return Sealed(
        round_no=round_no,
        record=record,
        picks=tuple(_pick(row, labels, by_item.get(row["item_id"], ())) for row in sorted(batch, key=_rank)),
        annotators=_annotators(answers, labels),
        costs=_costs(lines),
        prices=_prices(lines, {a["key"]: a["item_id"] for a in answers}, labels),
        checks=_checks(folder / "checks.json"),
        quality=quality.read(folder),
        files={path.name: artifacts.sha256_file(path) for path in sorted(folder.iterdir()) if path.is_file()},
        sha256=artifacts.sha256_tree(folder),
    )


def _rank(row: Mapping[str, Any]) -> int:
    return int(row["rank"])


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` restores it") from error
    return rows


def _pick(row: Mapping[str, Any], labels: Mapping[str, str], answers: Sequence[Mapping[str, Any]]) -> Pick:
    counted = Counter(c for answer in answers if not answer["skipped"] for c in class_ids(answer))
    return Pick(
        item_id=row["item_id"],
        rank=row["rank"],
        purpose=row["purpose"],
        stage=row["stage"],
        reason=row["reason"],
        score=row["score"],
        inclusion_probability=row["inclusion_probability"],
        predicted=row["predicted"],
        probability=row["probability"],
        label=labels.get(row["item_id"]),
        votes=tuple(Votes(c, n) for c, n in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))),
    )


def class_ids(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes of an answer: the sealed table keeps them comma separated."""
    return tuple(filter(None, str(answer["class_ids"] or "").split(",")))


def _annotators(answers: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> tuple[Annotator, ...]:
    names = sorted({answer["annotator_id"] for answer in answers})
    return tuple(_annotator(name, [a for a in answers if a["annotator_id"] == name], labels) for name in names)


def _annotator(name: str, answers: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Annotator:
    given = [a for a in answers if not a["skipped"] and a["item_id"] in labels]
    times = [float(a["work_s"]) for a in answers if a.get("work_s") is not None]
    return Annotator(
        annotator_id=name,
        answers=len(answers),
        skipped=sum(bool(a["skipped"]) for a in answers),
        judged=len(given),
        agreed=sum(labels[a["item_id"]] in class_ids(a) for a in given),
        work_s=median(times) if times else None,
    )


def _costs(lines: Sequence[Mapping[str, Any]]) -> tuple[Cost, ...]:
    kinds = sorted({line["kind"] for line in lines})
    found = {kind: [int(line["amount_micros"]) for line in lines if line["kind"] == kind] for kind in kinds}
    return tuple(Cost(kind, len(amounts), sum(amounts)) for kind, amounts in found.items())


def _prices(
    lines: Sequence[Mapping[str, Any]], items: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[ClassPrice, ...]:
    rows = [Line(line["key"], line["kind"], int(line["amount_micros"])) for line in lines]
    found = class_prices(rows, items, labels)
    made = [ClassPrice(name, price.labels, price.micros) for name, price in found.items()]
    return tuple(sorted(made, key=lambda one: (-one.micros / one.labels, one.class_id)))


def _checks(path: Path) -> tuple[Check, ...]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` restores it") from error
    return tuple(
        Check(
            suite=str(row["suite"]),
            success=bool(row["success"]),
            evaluated=int(row.get("evaluated") or 0),
            rows=int(row.get("rows") or 0),
            failed=int(row.get("failed") or 0),
            failed_ids=tuple(map(str, row.get("failed_ids") or ())),
            details=_details(row.get("details") or ""),
        )
        for row in value
    )


def _details(text: str) -> tuple[str, ...]:
    """One line per expectation that was not met: why, how often, how bad."""
    rows = json.loads(text or "[]")
    return tuple(f"{row['why']}: {row['failed']} ({row['severity']})" for row in rows)
