"""Whether a filled-in sheet can be believed: what is wrong with it, with row numbers, or its rows. Pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tailfirst.errors import InvalidDelivery
from tailfirst.port import Ontology
from tailfirst.vendors._csv_sheet import DIGEST, Record, Sheet, numbers
from tailfirst.vendors._csv_wire import meaning
from tailfirst.vendors._files_book import Line


@dataclass(frozen=True, slots=True)
class Row:
    """One row about a task of ours; `label` "" where it is not filled in."""

    record: Record
    key: str
    copy: int
    label: str

    @property
    def state(self) -> tuple[str, ...]:
        """What an edit changes."""
        cells = self.record.cells
        return (self.label, *(cells.get(name, "").strip() for name in ("annotator", "comment", "digest")))


def rows_of(sheet: Sheet, tasks: Mapping[str, Line], ontology: Ontology, overlap: int) -> tuple[Row, ...]:
    """The rows of a sheet that is what we handed out, filled in or not; missing rows are only not answered yet.

    Raises:
        InvalidDelivery: Columns are swapped, keys are changed, rows are doubled or have moved against their keys.
    """
    _check_columns(sheet, ontology)
    _check_keys(sheet, tasks)
    _check_moved(sheet, tasks)
    found = [Row(r, r.cells["key"].strip(), _copy(r, overlap), r.cells["label"].strip()) for r in sheet.records]
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in found:
        places[row.key, row.copy].append(row.record.row)
    doubled = [n for where in places.values() if len(where) > 1 for n in where]
    _refuse(doubled, "ask about the same item more than once; keep one row of each key")
    return tuple(found)


def _check_columns(sheet: Sheet, ontology: Ontology) -> None:
    swapped = [r.row for r in sheet.records if r.cells["key"].startswith(DIGEST) or r.cells["digest"].startswith("tf-")]
    _refuse(swapped, "have their key and digest columns swapped")
    answered = [r for r in sheet.records if r.cells["label"].strip()]
    for other in ("annotator", "comment"):
        moved = [
            r.row
            for r in answered
            if not _means(r.cells["label"], ontology) and _means(r.cells.get(other, ""), ontology)
        ]
        if 2 * len(moved) > len(answered):
            _refuse(moved, f"have a class in the column {other} and none in the column label: are they swapped?")


def _check_keys(sheet: Sheet, tasks: Mapping[str, Line]) -> None:
    changed = [r.row for r in sheet.records if r.cells["key"].strip() not in tasks and _counts(r)]
    _refuse(changed, "have a key that is not of this order; undo the change of the column key")


def _check_moved(sheet: Sheet, tasks: Mapping[str, Line]) -> None:
    """A digest of another item of the order: one column was sorted without the others."""
    digests: Collection[str] = {DIGEST + line.item_digest for line in tasks.values()}
    moved = [
        r.row
        for r in sheet.records
        if r.cells["digest"] in digests and r.cells["digest"] != DIGEST + tasks[r.cells["key"].strip()].item_digest
    ]
    _refuse(moved, "moved against their key (column digest); sort whole rows only, and undo this sort")


def _counts(record: Record) -> bool:
    return bool(record.cells["label"].strip() or record.cells["key"].strip())


def _copy(record: Record, overlap: int) -> int:
    said = record.cells.get("copy", "").strip()
    return int(said) if said.isdecimal() and 1 <= int(said) <= overlap else 1


def _means(text: str, ontology: Ontology) -> bool:
    meant = meaning(text.strip(), ontology) if text.strip() else None
    return meant is not None and bool(meant.class_id is not None or meant.skip)


def _refuse(rows: Sequence[int], why: str) -> None:
    if rows:
        raise InvalidDelivery(f"row(s) {numbers(rows)} {why}")
