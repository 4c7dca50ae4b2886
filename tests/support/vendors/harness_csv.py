"""The spreadsheet vendor, with people who fill in its sheets between two polls."""

import csv
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tailfirst.artifacts import sha256_bytes
from tailfirst.port import LabelVendor
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Store
from tailfirst.vendors.csv import Params, SpreadsheetVendor
from tests.support.vendors.files_flaky import Flaky
from tests.support.vendors.files_people import ABSENT, FAULTS, People, Staffed, faults_of, write_folder
from tests.support.vendors.kit import Kit

Row = dict[str, str]
BY_HAND = {"machine_labeled": "people fill the sheet in; nothing in a spreadsheet could say otherwise"}


@dataclass
class Office:
    """Who opens the sheets of an order and saves them again."""

    store: Store
    people: People
    delimiter: str
    encoding: str

    def work(self, order_id: str) -> None:
        poll = self.people.count(f"work {order_id}")
        at = self.people.at(order_id, poll)
        cut = self.people.armed("export_truncated")
        cutting = cut is not None and cut.strikes(self.people.count("export"))
        for entry in self.store.listing(order_id):
            if "/label-me" in entry.name and entry.name.endswith(".csv"):
                self._fill(entry.name, poll, at, cut=cutting)

    def _fill(self, name: str, poll: int, at: datetime, *, cut: bool) -> None:
        kept = f"kept/{name}"
        data = self.store.get(kept) or self.store.get(name) or b""
        rows = read(data)
        filled = [self._row(row, poll) for row in rows]
        if self.people.armed("cursor_skip") and poll > 1:
            at -= timedelta(days=poll - 1)
        if self.people.armed("clock_skew"):
            at += timedelta(hours=9)
        new = write(filled, self.delimiter, self.encoding)
        if filled != rows or self.store.get(kept) is None:
            self.store.put(kept, new)
        shown = new[: len(new) * 2 // 3] if cut else new
        touched = self.people.armed("duplicate_event") is not None and poll == 2
        if self.store.get(name) != shown or touched:
            self._save(name, shown, at)
        self._backup(name, filled, poll, at)

    def _backup(self, name: str, rows: Sequence[Row], poll: int, at: datetime) -> None:
        """An older save, put beside the newer one later."""
        old = [
            row | {"label": self.people.label(item(row), row["key"], 1)}
            for row in rows
            if self.people.hit("out_of_order", item(row), row["key"]) and row["label"]
        ]
        if old and poll == 2:
            self._save(
                name.replace("label-me", "backup"), write(old, self.delimiter, self.encoding), at - timedelta(days=2)
            )

    def _row(self, row: Row, poll: int) -> Row:
        """The row as somebody leaves it at a poll."""
        one, key = item(row), row["key"]
        hit = self.people.hit
        due = self.people.due(one, key)
        if poll < due:
            return row | {"annotator": "anna"} if self.people.begun(one, key) else row
        revision = 2 if hit("out_of_order", one, key) else min(poll - due + 1, 2)
        label = self.people.label(one, key, revision, f"anna-{row['copy']}")
        done = row | {"label": label, "annotator": f"anna-{row['copy']}"}
        if hit("asset_unreachable", one, key):
            done["label"] = "does not load"
        if hit("cursor_skip", one, key) and poll == 1:
            done |= {"label": "", "annotator": "", "comment": " " * (len(label) + len(done["annotator"]))}
        elif hit("cursor_skip", one, key):
            done["comment"] = ""
        if hit("answers_swapped", one, key):
            done["digest"] = "sha256-" + sha256_bytes(b"somebody else's item" + one.encode())
        if hit("payload_malformed", one, key):
            done["digest"] = ""
        return done

    def _save(self, name: str, data: bytes, at: datetime) -> None:
        self.store.put(name, data)
        os.utime(f"{self.store.root}/{name}", (at.timestamp(), at.timestamp()))


def item(row: Row) -> str:
    return f"item{int(row['item'].removeprefix('item ')):04d}"


def read(data: bytes) -> list[Row]:
    encoding = "utf-16" if data.startswith(b"\xff\xfe") else "utf-8-sig"
    text = data.decode(encoding)
    delimiter = next(d for d in "\t;," if d in text.splitlines()[0])
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [{name: cell for name, cell in row.items() if name} for row in rows]


def write(rows: Sequence[Row], delimiter: str, encoding: str) -> bytes:
    """As a spreadsheet program saves: its own delimiter and encoding, empty columns at the end."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([*rows[0], "", ""])
    writer.writerows([*row.values(), "", ""] for row in rows)
    return out.getvalue().encode(encoding)


def make_kit(root: Path, delimiter: str = ",", encoding: str = "utf-8-sig") -> Kit:
    ws = write_folder(root)
    folder = ws.vendor / "csv"

    def make(faults: Sequence[dict[str, Any]]) -> LabelVendor:
        people = People(root / "people.json", faults_of(faults))
        clean = Store(folder.absolute().as_uri())
        flaky = Flaky(clean.fs)
        partial = people.armed("batch_partial")
        size = partial.keep if partial and partial.keep else 500
        params = Params.model_validate({"part_size": size, "price_micros": {}})
        vendor = SpreadsheetVendor(params, Store(clean.url, None, flaky), Shelf(ws), people.now)  # type: ignore[arg-type]
        made: Any = Staffed(vendor, people, flaky, Office(clean, people, delimiter, encoding).work)
        return made  # type: ignore[no-any-return]

    people = {f"anna-{n}": f"anna-{n}" for n in (1, 2, 3)}
    return Kit(make, FAULTS - set(BY_HAND), {**ABSENT, **BY_HAND}, lambda: people)


KITS: dict[str, Callable[[Path], Kit]] = {
    "utf-8 with commas": make_kit,
    "utf-16 with tabs": lambda root: make_kit(root, "\t", "utf-16"),
}
