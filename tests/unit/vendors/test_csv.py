"""The spreadsheet vendor as somebody in an office meets it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tailfirst import plugins
from tailfirst.errors import ConfigError, InvalidDelivery
from tailfirst.port import BatchRef, BatchSpec, Money, ProjectSpec, SubmissionKey, TaskRef
from tailfirst.vendors import csv
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Store
from tailfirst.vendors.csv import Params, SpreadsheetVendor
from tests.support.vendors import harness_csv as office
from tests.support.vendors import kit as kits
from tests.support.vendors.files_flaky import Flaky, Killed
from tests.support.vendors.files_people import write_folder

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = [kits.spec(n) for n in range(6)]
Row = dict[str, str]


class Desk:
    """A vendor, its order, and somebody who edits the sheet."""

    def __init__(self, root: Path, overlap: int = 1) -> None:
        self.ws = write_folder(root)
        self.at = NOW
        self.flaky = Flaky(Store((self.ws.vendor / "csv").absolute().as_uri()).fs)
        self.overlap = overlap

    def vendor(self) -> SpreadsheetVendor:
        store = Store((self.ws.vendor / "csv").absolute().as_uri(), None, self.flaky)  # type: ignore[arg-type]
        return SpreadsheetVendor(Params(), store, Shelf(self.ws), lambda: self.at)

    def order(self) -> tuple[SpreadsheetVendor, BatchRef]:
        vendor = self.vendor()
        digest = kits.ONTOLOGY.digest
        project = vendor.ensure_project(ProjectSpec("kit", "1", digest, digest, "PRIVATE"))
        due = NOW + timedelta(days=30)
        batch = vendor.open_batch(
            BatchSpec(kits.batch_key("kit", 1, "TRAIN"), project, 1, "TRAIN", 6, self.overlap, due, Money(1, "USD"))
        )
        vendor.submit(batch, ITEMS)
        vendor.finalize(batch)
        return vendor, batch

    def sheets(self, batch: BatchRef) -> list[Path]:
        return sorted((self.ws.vendor / "csv" / batch.vendor_id).glob("label-me*.csv"))

    def save(self, path: Path, edit: Callable[[int, Row], Row], encoding: str = "utf-8-sig") -> None:
        """Edit every row, save, and let a minute pass."""
        rows = [edit(n, row) for n, row in enumerate(office.read(path.read_bytes()))]
        path.write_bytes(office.write(rows, ";", encoding))
        self.at += timedelta(minutes=1)
        os.utime(path, (self.at.timestamp(), self.at.timestamp()))
        self.at += timedelta(minutes=1)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def fill(label: str, *which: int) -> Callable[[int, Row], Row]:
    return lambda n, row: row | {"label": label, "annotator": "anna"} if n in which else row


def parsed(vendor: SpreadsheetVendor, batch: BatchRef) -> list[Any]:
    refs = list(vendor.find(batch, [i.key for i in ITEMS]).values())
    return [vendor.parse(raw, kits.ONTOLOGY) for raw in vendor.fetch(refs)]


def test_half_a_sheet_then_the_rest(desk: Desk) -> None:
    vendor, batch = desk.order()
    (sheet,) = desk.sheets(batch)
    assert vendor.changes(batch, None).rows == ()
    assert "0 of 6 items read back" in vendor.health().detail
    assert str(sheet.parent) in vendor.health().detail
    desk.save(sheet, fill("cat", 0, 1))
    first = vendor.changes(batch, None)
    assert [e.kind for e in first.rows] == ["RETURNED"] * 2
    desk.save(sheet, fill("Elk", 2, 3, 4, 5))
    rest = vendor.changes(batch, first.next_cursor)
    assert len({e.key for e in rest.rows if e.revision not in {x.revision for x in first.rows}}) == 4
    assert [p.annotations[0].class_ids for p in parsed(vendor, batch)].count(("elk",)) == 4
    assert "6 of 6 items read back" in vendor.health().detail


def test_saved_again_is_a_new_revision_and_wiped_out_is_deleted(desk: Desk) -> None:
    vendor, batch = desk.order()
    (sheet,) = desk.sheets(batch)
    desk.save(sheet, fill("cat", 0))
    first = vendor.changes(batch, None)
    desk.save(sheet, fill("owl", 0))
    second = vendor.changes(batch, first.next_cursor)
    assert [e.kind for e in second.rows] == ["UPDATED"]
    old, new = parsed(vendor, batch)
    assert (old.annotations[0].class_ids, new.annotations[0].class_ids) == (("cat",), ("owl",))
    assert (old.vendor_updated_at, old.revision) < (new.vendor_updated_at, new.revision)
    desk.save(sheet, fill("", 0))
    third = vendor.changes(batch, second.next_cursor)
    assert [e.kind for e in third.rows] == ["DELETED"]
    assert third.rows[0].vendor_updated_at > new.vendor_updated_at


def test_first_class_skips_and_what_does_not_load(desk: Desk) -> None:
    vendor, batch = desk.order()
    words = ["None of these", "unusable", "UNSURE", "does not load", "3.0", "cat"]
    desk.save(desk.sheets(batch)[0], lambda n, row: row | {"label": words[n]})
    vendor.changes(batch, None)
    found = parsed(vendor, batch)
    reasons = sorted(p.annotations[0].reason for p in found if p.annotations[0].skipped)
    assert reasons == ["does not load", "none_of_these", "unsure", "unusable"]
    assert [p.unknown_labels for p in found if p.unknown_labels] == [("3.0",)]
    assert {p.annotations[0].annotator_id for p in found} == {"copy-1"}


def test_copies_are_one_result_with_several_people(tmp_path: Path) -> None:
    desk = Desk(tmp_path, overlap=2)
    vendor, batch = desk.order()
    one, two = desk.sheets(batch)
    desk.save(one, fill("cat", 0, 1))
    assert vendor.changes(batch, None).rows == ()  # one of two answers is no result yet
    desk.save(two, lambda n, row: row | {"label": "owl", "annotator": "ben"} if n == 0 else row)
    vendor.changes(batch, None)
    (result,) = parsed(vendor, batch)
    assert [(a.annotator_id, a.class_ids) for a in result.annotations] == [("anna", ("cat",)), ("ben", ("owl",))]
    desk.at = NOW + timedelta(days=31)
    assert len(parsed(vendor, batch)) == 2 + 1  # after the SLA what there is must do; the earlier state shows too


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (
            lambda n, row: row | {"key": row["digest"], "digest": row["key"]},
            r"2, 3, 4, 5, 6, 7 have their key and digest",
        ),
        (lambda n, row: row | {"label": "anna", "annotator": "cat"}, r"have a class in the column annotator"),
        (lambda n, row: row | {"label": "cat", "key": row["key"] + "x"} if n == 3 else row, r"row\(s\) 5 have a key"),
        (
            lambda n, row: row | {"label": "cat", "key": ITEM_KEYS[0]} if n < 2 else row,
            r"row\(s\) .* (moved|more than once)",
        ),
    ],
)
def test_swapped_changed_and_doubled_rows_are_refused_with_their_numbers(desk: Desk, edit: Any, match: str) -> None:
    vendor, batch = desk.order()
    (sheet,) = desk.sheets(batch)
    good = sheet.read_bytes()
    desk.save(sheet, edit)
    with pytest.raises(InvalidDelivery, match=match):
        vendor.changes(batch, None)
    assert "NOT READ" in vendor.health().detail
    sheet.write_bytes(good)
    desk.save(sheet, fill("cat", 0))  # mended and saved again
    assert len(vendor.changes(batch, None).rows) == 1
    assert "NOT READ" not in vendor.health().detail


ITEM_KEYS = sorted(i.key for i in ITEMS)


def test_a_column_sorted_alone_is_refused(desk: Desk) -> None:
    vendor, batch = desk.order()
    (sheet,) = desk.sheets(batch)
    digests = sorted(row["digest"] for row in office.read(sheet.read_bytes()))
    desk.save(sheet, lambda n, row: row | {"label": "cat", "digest": digests[n]})
    with pytest.raises(InvalidDelivery, match=r"moved against their key .column digest.; sort whole rows only"):
        vendor.changes(batch, None)


def test_rows_sorted_as_a_whole_are_fine(desk: Desk) -> None:
    vendor, batch = desk.order()
    (sheet,) = desk.sheets(batch)
    rows = office.read(sheet.read_bytes())[::-1]
    sheet.write_bytes(office.write([row | {"label": "cat"} for row in rows], ",", "utf-8"))
    assert len(vendor.changes(batch, None).rows) == 6


def test_every_save_is_kept_whole(desk: Desk) -> None:
    vendor, batch = desk.order()
    (sheet,) = desk.sheets(batch)
    desk.save(sheet, fill("cat", 0))
    saved = sheet.read_bytes()
    vendor.changes(batch, None)
    sheet.unlink()
    blobs = (desk.ws.vendor / "csv" / ".tailfirst" / "orders" / batch.vendor_id / "blobs").glob("*.csv")
    assert saved in [blob.read_bytes() for blob in blobs]
    assert len(parsed(vendor, batch)) == 1  # their file is gone, the answer is not


def test_killed_at_every_write_it_is_one_order(tmp_path: Path) -> None:
    whole = Desk(tmp_path / "whole")
    whole.order()
    points = [(n, when) for n in range(1, whole.flaky.writes + 1) for when in ("before", "after")]
    assert len(points) == 16  # project, order, part, commit, sheet, classes, how-to, note
    for n, when in points:
        desk = Desk(tmp_path / f"{n}-{when}")

        def die(count: int, _: str, now: str, n: int = n, when: str = when) -> None:
            if (count, now) == (n, when):
                raise Killed

        desk.flaky.on_write = die
        with pytest.raises(Killed):
            desk.order()
        desk.flaky.on_write = lambda *_: None
        vendor, batch = desk.order()
        (sheet,) = desk.sheets(batch)
        assert sorted(row["key"] for row in office.read(sheet.read_bytes())) == ITEM_KEYS
        assert set(vendor.find(batch, [i.key for i in ITEMS])) == set(ITEM_KEYS)


def test_unknown_tasks_and_empty_orders(desk: Desk) -> None:
    vendor, batch = desk.order()
    assert list(vendor.fetch([TaskRef(SubmissionKey("x"), f"{batch.vendor_id}/nothing", None, None)])) == []
    assert csv.load(Params(), desk.ws, None).health().ok  # type: ignore[arg-type]


def test_free_answers_are_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="TRAIN: a quote of nothing cannot be approved"):
        plugins.params("vendors", "csv", {"price_micros": {"TRAIN": 0}})
