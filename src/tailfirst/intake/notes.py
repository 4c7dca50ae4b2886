"""What people should know about their data although nothing is wrong with it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tailfirst.intake.records import Entry, Rejection
from tailfirst.intake.write import TaskFacts

_FEW = 10


def about(entries: Sequence[Entry], facts: TaskFacts, rejections: Sequence[Rejection]) -> tuple[str, ...]:
    """Notes on missing labels, doubled and overlapping rows, and classes that cannot be measured."""
    return (*_unlabeled(entries), *_harmless(rejections), *_unmeasured(facts))


def of_prototypes(class_ids: Sequence[str]) -> tuple[str, ...]:
    """Their rows carry no names: in another order zero-shot would name the wrong classes without a word."""
    return (f"the rows of the prototypes were taken to be the classes in the order of task.yaml: {_few(class_ids)}",)


def _unlabeled(entries: Sequence[Entry]) -> Iterator[str]:
    if not any(entry.label is not None for entry in entries if entry.role == "pool"):
        return
    rows = [entry for entry in entries if entry.label is None and entry.role == "pool"]
    if rows:
        first = ", ".join(entry.row for entry in rows[:_FEW])
        yield f"{len(rows):,} pool row(s) have no label and are unlabeled items: row(s) {first}{_more(rows)}"


def _harmless(rejections: Sequence[Rejection]) -> Iterator[str]:
    counts = Counter(r.kind for r in rejections)
    if counts["duplicate"]:
        yield f"{counts['duplicate']:,} doubled row(s) were merged: the same bytes are one item"
    if counts["overlap"]:
        yield f"{counts['overlap']:,} pool row(s) were left out because the holdout has the same bytes"
    if counts["takedown"]:
        yield f"{counts['takedown']:,} row(s) were left out because they were taken down"


def _unmeasured(facts: TaskFacts) -> Iterator[str]:
    held = {item.class_id for item in facts.items if item.role == "holdout"}
    missing = [one for one in facts.task.class_ids if one not in held]
    if missing:
        yield f"{len(missing):,} class(es) have no holdout item and cannot be measured: {_few(missing)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW]) + _more(names)


def _more(values: Sequence[object]) -> str:
    return ", ..." if len(values) > _FEW else ""
