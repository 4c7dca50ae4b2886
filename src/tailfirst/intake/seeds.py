"""Labels that existed before round 1: matched to items by id, path or text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tailfirst.errors import UserError
from tailfirst.intake.records import Item, Rejection
from tailfirst.intake.rows import as_label, columns_of, first_of, read_rows
from tailfirst.items import item_id, sha256_text
from tailfirst.task import Task

_ITEM = ("item_id", "item", "path", "text", "id", "file")
_CLASS = ("class_id", "class", "label", "class_name", "category")


@dataclass(frozen=True, slots=True)
class Seed:
    """One known label of a pool item."""

    item_id: str
    class_id: str


@dataclass(frozen=True, slots=True)
class Seeds:
    """Labels sorted by item id, and the rows that were refused."""

    labels: tuple[Seed, ...]
    rejections: tuple[Rejection, ...]


def read_seeds(path: Path, items: Sequence[Item], keys: Mapping[str, str], task: Task) -> Seeds:
    """Read a table with one column for the item (id, path or text) and one for the class.

    Args:
        path: The table.
        items: The items of the task.
        keys: Path in the source -> item id, also for rows that were merged into another.
        task: Its classes.

    Raises:
        UserError: The file is unreadable or lacks such columns.
    """
    found = columns_of(path)
    item_column, class_column = first_of(found, _ITEM), first_of(found, _CLASS)
    if item_column is None or class_column is None:
        raise UserError(
            f"{path} needs a column for the item ({', '.join(_ITEM)}) and one for the class ({', '.join(_CLASS)}); "
            f"it has: {', '.join(found)}"
        )
    lookup = _Lookup.of(items, keys)
    rejections: list[Rejection] = []
    labels: dict[str, dict[str, list[int]]] = {}
    for row in read_rows(path, (item_column, class_column)):
        name, label = as_label(row.values[0]), as_label(row.values[1])
        class_id = task.resolve(label) if label is not None else None
        one = lookup.find(name) if name is not None else None
        if one is None or class_id is None:
            why = f"unknown class {label!r}" if one is not None else f"no item {(name or '')[:80]!r}"
            rejections.append(Rejection(path.name, str(row.number), why))
        elif one not in lookup.pool:
            rejections.append(
                Rejection(path.name, str(row.number), f"item {one} is in the holdout, which never trains")
            )
        else:
            labels.setdefault(one, {}).setdefault(class_id, []).append(row.number)
    return _settle(path, labels, rejections)


def _settle(path: Path, labels: dict[str, dict[str, list[int]]], rejections: list[Rejection]) -> Seeds:
    kept: list[Seed] = []
    for one in sorted(labels):
        if len(labels[one]) == 1:
            kept.append(Seed(one, next(iter(labels[one]))))
            continue
        why = f"item {one} has different labels: {', '.join(sorted(labels[one]))}"
        rejections += [Rejection(path.name, str(n), why) for rows in labels[one].values() for n in rows]
    return Seeds(tuple(kept), tuple(rejections))


@dataclass(frozen=True, slots=True)
class _Lookup:
    pool: frozenset[str]
    known: frozenset[str]
    keys: Mapping[str, str]

    @classmethod
    def of(cls, items: Sequence[Item], keys: Mapping[str, str]) -> "_Lookup":
        ids = {item_id(item.entry.sha256): item.role for item in items}
        return cls(frozenset(one for one, role in ids.items() if role == "pool"), frozenset(ids), keys)

    def find(self, name: str) -> str | None:
        """The item of an id, a path in its source, or a text."""
        if name in self.known:
            return name
        one = self.keys.get(name) or item_id(sha256_text(name))
        return one if one in self.known else None
