"""Every save of a sheet, kept whole before anything reads it, and what the saves of an order amount to.

    saves/<number>.json     file, its time and the sha256 of its bytes; counts from 1
    blobs/<sha256>.csv      the bytes

Kept in our part of the folder, so that people may go on editing, rename or delete their files.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import Ontology
from tailfirst.vendors._csv_judge import Row, rows_of
from tailfirst.vendors._csv_sheet import Sheet, read
from tailfirst.vendors._csv_wire import Given, body_of, revision_of
from tailfirst.vendors._files_book import Line, task_id
from tailfirst.vendors._files_store import Entry, Store

SHEETS = (".csv", ".tsv", ".txt")
NOT_SHEETS = ("classes.csv", "README.txt", "WITHDRAWN.txt")


@dataclass(frozen=True, slots=True)
class Save:
    """One state of one file."""

    number: int
    file: str
    sha256: str
    tag: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """A task's answers as of a save; `n` how many copies are answered."""

    save: int
    key: str
    revision: str
    at: datetime
    body: bytes
    n: int


@dataclass(frozen=True, slots=True)
class Told:
    """That a save holds an answer: new, changed, seen before, or wiped out."""

    save: int
    kind: Literal["RETURNED", "UPDATED", "DELETED"]
    result: Result
    at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """What the saves of an order amount to."""

    results: tuple[Result, ...]
    told: tuple[Told, ...]
    begun: frozenset[str]  # keys of rows that hold a label, or a name or comment
    refused: Mapping[str, str]  # per file whose newest save cannot be believed: why
    saves: int


class Saves:
    """The archive of one store."""

    def __init__(
        self, store: Store, folder: str, settled: Callable[[Entry], bool], now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._folder = folder
        self._settled = settled
        self._now = now

    def keep(self, order_id: str, *, sweep: bool) -> tuple[Save, ...]:
        """Archive what changed; every save, oldest first.

        A file is looked at again when its size or time differ, when it is young, and always in a sweep.
        """
        saves = list(self.all(order_id))
        last = {save.file: save for save in saves}
        for entry in self._store.listing(order_id):
            file = entry.name.removeprefix(f"{order_id}/")
            if "/" in file or file in NOT_SHEETS or file.startswith("~") or not file.lower().endswith(SHEETS):
                continue
            before = last.get(file)
            if before is not None and before.tag == entry.tag and self._settled(entry) and not sweep:
                continue
            data = self._store.get(entry.name)
            if data is None or (before is not None and (before.sha256, before.tag) == (sha256_bytes(data), entry.tag)):
                continue
            saves.append(self._archive(order_id, len(saves) + 1, file, entry, data))
        return tuple(saves)

    def all(self, order_id: str) -> tuple[Save, ...]:
        """Every save, oldest first."""
        found = []
        for entry in self._store.listing(f"{self._folder}/orders/{order_id}/saves"):
            value = json.loads(self._store.get(entry.name) or b"{}")
            found.append(Save(**value | {"saved_at": datetime.fromisoformat(value["saved_at"])}))
        return tuple(found)

    def history(
        self, order_id: str, tasks: Mapping[str, Line], gone: Collection[str], ontology: Ontology, overlap: int
    ) -> History:
        """What all saves amount to; the same saves always give the same.

        Args:
            order_id: The order.
            tasks: What was ordered, by key.
            gone: Task ids that were taken back: their rows are passed over.
            ontology: Shows a class in a wrong column.
            overlap: Answers per item.
        """
        tale = _Tale()
        texts = {key: line.text or "" for key, line in tasks.items()}
        saves = self.all(order_id)
        for save in saves:
            data = self._store.get(f"{self._folder}/orders/{order_id}/blobs/{save.sha256}.csv") or b""
            try:
                sheet = read(data, texts)
                rows = rows_of(sheet, tasks, ontology, overlap)
                tale.tell(save, sheet, [r for r in rows if task_id(r.key) not in gone])
                tale.refused.pop(save.file, None)
            except InvalidDelivery as error:
                tale.refused[save.file] = f"{order_id}/{save.file}: {error}"
        return History(tuple(tale.results), tuple(tale.told), frozenset(tale.begun), tale.refused, len(saves))

    def _archive(self, order_id: str, number: int, file: str, entry: Entry, data: bytes) -> Save:
        top, sha256 = f"{self._folder}/orders/{order_id}", sha256_bytes(data)
        save = Save(number, file, sha256, entry.tag, entry.modified or self._now())
        self._store.put(f"{top}/blobs/{sha256}.csv", data)
        value = {
            "number": number, "file": file, "sha256": sha256, "tag": entry.tag, "saved_at": save.saved_at.isoformat()
        }  # fmt: skip
        self._store.put(f"{top}/saves/{number:06d}.json", canonical_json(value).encode())
        return save


class _Tale:
    """Saves told one after the other: an answer counts from the save in which it first stood."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.told: list[Told] = []
        self.begun: set[str] = set()
        self.refused: dict[str, str] = {}
        self._now: dict[tuple[str, int], Given] = {}
        self._latest: dict[str, Result] = {}

    def tell(self, save: Save, sheet: Sheet, rows: Sequence[Row]) -> None:
        """Add a save."""
        for row in rows:
            before = self._now.get((row.key, row.copy))
            if any(row.state[:3]):
                self.begun.add(row.key)
            if row.label:
                self._answered(save, sheet, row, before)
            elif before is not None and before.file == save.file and before.saved_at <= save.saved_at:
                del self._now[row.key, row.copy]
                gone = replace(self._latest[row.key], revision=f"{save.saved_at.isoformat(timespec='microseconds')}-0")
                self.told.append(Told(save.number, "DELETED", gone, save.saved_at))

    def _answered(self, save: Save, sheet: Sheet, row: Row, before: Given | None) -> None:
        given = Given(
            row.copy, save.file, save.sha256, save.saved_at, sheet.delimiter, sheet.encoding, row.record.row,
            sheet.header, row.record.text, row.state,
        )  # fmt: skip
        if before is not None and before.state == given.state:
            self.told.append(Told(save.number, self._kind(row.key), self._latest[row.key], self._latest[row.key].at))
            return
        older = before is not None and given.saved_at < before.saved_at
        if not older:
            self._now[row.key, row.copy] = given
        others = [g for (key, _), g in self._now.items() if key == row.key]
        result = self._result(save, row.key, [given] if older else others)
        if not older:
            self._latest[row.key] = result
        self.results.append(result)
        self.told.append(Told(save.number, self._kind(row.key), result, result.at))

    def _result(self, save: Save, key: str, given: Sequence[Given]) -> Result:
        body, at = body_of(key, given), max(g.saved_at for g in given)
        return Result(save.number, key, revision_of(at, len(given), body), at, body, len(given))

    def _kind(self, key: str) -> Literal["RETURNED", "UPDATED"]:
        return "RETURNED" if sum(r.key == key for r in self.results) <= 1 else "UPDATED"
