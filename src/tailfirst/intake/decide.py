"""Which of the rows that were found become items, with which role and class; pure, whatever the order of the rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tailfirst import artifacts
from tailfirst.intake.records import Entry, Item, Rejection, Role
from tailfirst.takedowns import Takedowns
from tailfirst.task import Task


@dataclass(frozen=True, slots=True)
class Decision:
    """The items, sorted by id, and the rows that are not taken."""

    items: tuple[Item, ...]
    rejections: tuple[Rejection, ...]


def decide(entries: Iterable[Entry], task: Task, holdout_share: float | None) -> Decision:
    """Resolve labels, merge rows of the same bytes, keep the holdout out of the pool, and draw a holdout where asked.

    Rows of the same bytes are one item; when their labels disagree none is taken. An item of the holdout leaves the
    pool. A holdout row needs a label.
    """
    rejections: list[Rejection] = []
    groups: dict[str, list[_Known]] = {}
    for entry in entries:
        known = _resolve(entry, task)
        if isinstance(known, Rejection):
            rejections.append(known)
        else:
            groups.setdefault(entry.sha256, []).append(known)
    items: list[Item] = []
    for digest in sorted(groups):
        kept, refused = _merge(groups.pop(digest))
        rejections += refused
        items += kept
    return Decision(tuple(_draw(items, holdout_share) if holdout_share else items), tuple(rejections))


def without(entries: Iterable[Entry], banned: Takedowns) -> tuple[tuple[Entry, ...], tuple[Rejection, ...]]:
    """The entries that were not taken down, and a refusal for each of the others."""
    allowed, refused = [], []
    for entry in entries:
        if entry.sha256 in banned.shas:
            refused.append(Rejection(entry.source, entry.row, "taken down: on the list of --takedowns", "takedown"))
        else:
            allowed.append(entry)
    return tuple(allowed), tuple(refused)


def draw_rank(sha256: str) -> str:
    """The place of an item in the draw of a holdout: a hash of its hash, so that ids and roles do not go together."""
    return artifacts.sha256_bytes(b"holdout|" + sha256.encode())


@dataclass(frozen=True, slots=True)
class _Known:
    entry: Entry
    class_id: str | None


def _resolve(entry: Entry, task: Task) -> _Known | Rejection:
    if entry.label is None:
        if entry.role == "holdout":
            return Rejection(entry.source, entry.row, "a holdout item needs a label; its label is missing")
        return _Known(entry, None)
    class_id = task.resolve(entry.label)
    if class_id is None:
        return Rejection(entry.source, entry.row, f"unknown class {entry.label!r}")
    return _Known(entry, class_id)


def _merge(group: Sequence[_Known]) -> tuple[list[Item], list[Rejection]]:
    by_role: Mapping[Role, list[_Known]] = {
        "holdout": [k for k in group if k.entry.role == "holdout"],
        "pool": [k for k in group if k.entry.role == "pool"],
    }
    kept: list[Item] = []
    refused: list[Rejection] = []
    for role, rows in by_role.items():
        if kept:
            first = kept[0].entry
            refused += [
                _refuse(k, "overlap", f"the same bytes are in the holdout ({first.source}, row {first.row})")
                for k in rows
            ]
            continue
        classes = sorted({k.class_id for k in rows if k.class_id is not None})
        if len(classes) > 1:
            refused += [_refuse(k, "fault", f"same bytes, different labels: {', '.join(classes)}") for k in rows]
        elif rows:
            first = rows[0].entry
            kept.append(Item(first, role, classes[0] if classes else None))
            refused += [_refuse(k, "duplicate", f"same bytes as {first.source}, row {first.row}") for k in rows[1:]]
    return kept, refused


def _refuse(known: _Known, kind: str, reason: str) -> Rejection:
    assert kind in {"fault", "duplicate", "overlap"}
    return Rejection(known.entry.source, known.entry.row, reason, kind)  # type: ignore[arg-type]


def _draw(items: Sequence[Item], share: float) -> list[Item]:
    """Per class the items with the lowest ranks; at least one from every class that has two."""
    of_class: dict[str, list[Item]] = {}
    for item in items:
        if item.class_id is not None:
            of_class.setdefault(item.class_id, []).append(item)
    drawn: set[str] = set()
    for members in of_class.values():
        n = min(max(1, math.floor(share * len(members) + 0.5)), len(members) - 1)
        ranked = sorted(members, key=lambda item: draw_rank(item.entry.sha256))
        drawn.update(item.entry.sha256 for item in ranked[:n])
    return [Item(item.entry, "holdout" if item.entry.sha256 in drawn else item.role, item.class_id) for item in items]
