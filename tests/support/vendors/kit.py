"""What the conformance kit needs of a vendor. Each file of tailfirst/vendors has a `harness_<name>.py` beside this one
with `KITS`: variant -> how to make the kit in a folder. Adding a vendor file without a harness fails the kit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tailfirst.artifacts import sha256_bytes
from tailfirst.labeling.keys import batch_key, payload_sha256, submission_key
from tailfirst.port import (
    BatchRef,
    BatchSpec,
    LabelVendor,
    Money,
    Page,
    ProjectSpec,
    RawResult,
    TaskSpec,
    VendorEvent,
)
from tailfirst.task import ClassDef, Task

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CLASSES = ("cat", "elk", "owl")
ONTOLOGY = Task("kit", "text", "1", tuple(ClassDef(c, c) for c in CLASSES), ("{}",))


def text(n: int) -> str:
    """What an annotator reads of the n-th item."""
    return f"item {n}"


def spec(n: int, attempt: int = 1) -> TaskSpec:
    """The n-th item of the kit."""
    item_id, digest = f"item{n:04d}", sha256_bytes(text(n).encode())
    return TaskSpec(
        key=submission_key("kit", "1", digest, "TRAIN", attempt, 0),
        item_id=item_id,
        item_digest=digest,
        asset_url=f"item:{item_id}",
        asset_expires_at=NOW + timedelta(days=30),
        purpose="TRAIN",
        attempt=attempt,
        overlap_slot=0,
        payload_sha256=payload_sha256(item_id, digest, "TRAIN", attempt, 0),
        prelabel=None,
    )


def truth(n: int = 60) -> dict[str, str]:
    """Known classes of the kit's items."""
    return {spec(i).item_id: CLASSES[i % 3] for i in range(n)}


@dataclass
class Kit:
    """A vendor under test, and how its faults are armed and its time passes."""

    make: Callable[[Sequence[dict[str, Any]]], LabelVendor]
    faults: frozenset[str]  # of specs/vendor.md section 5: which this harness can arm
    absent: Mapping[str, str] = field(default_factory=dict)  # row of section 5 -> why this vendor cannot have it
    staff: Callable[[], Mapping[str, str]] = dict  # people: as faults name them -> as their answers name them
    made: LabelVendor | None = field(default=None)

    def vendor(self, *faults: dict[str, Any]) -> LabelVendor:
        """A fresh connection to the same company, with these faults armed."""
        for why in (self.absent[f["name"]] for f in faults if f["name"] in self.absent):
            pytest.skip(why)  # a row that this vendor cannot have, declared with its reason
        missing = {f["name"] for f in faults} - self.faults
        assert not missing, f"this harness cannot arm {missing}"
        self.made = self.make(faults)
        return self.made

    def order(self, vendor: LabelVendor, round_no: int = 1, overlap: int = 1) -> BatchRef:
        """An open order."""
        project = vendor.ensure_project(ProjectSpec("kit", "1", ONTOLOGY.digest, ONTOLOGY.digest, "PUBLIC"))
        key = batch_key("kit", round_no, "TRAIN")
        money = Money(10_000_000, "USD")
        return vendor.open_batch(BatchSpec(key, project, round_no, "TRAIN", 10, overlap, NOW, money))

    def poll_all(self, vendor: LabelVendor, batch: BatchRef, polls: int = 8) -> list[VendorEvent]:
        """Events of several polls, page by page, each from the last cursor."""
        cursor, found = None, []
        for _ in range(polls):
            page: Page[VendorEvent] = vendor.changes(batch, cursor)
            found += page.rows
            cursor = page.next_cursor or cursor
            while page.more:
                page = vendor.changes(batch, cursor)
                found += page.rows
                cursor = page.next_cursor or cursor
        return found

    def results(self, vendor: LabelVendor, batch: BatchRef, items: Sequence[TaskSpec]) -> list[RawResult]:
        """Everything that can be fetched for these items now."""
        return list(vendor.fetch(list(vendor.find(batch, [i.key for i in items]).values())))
