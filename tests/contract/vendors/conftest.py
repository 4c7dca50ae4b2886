"""What the conformance kit needs of a vendor: one entry in HARNESSES per file of tailfirst/vendors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_parquet
from tailfirst.config import Settings
from tailfirst.labeling.keys import batch_key, payload_sha256, submission_key
from tailfirst.paths import Workspace
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
from tailfirst.vendors import simulated

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CLASSES = ("cat", "elk", "owl")
ONTOLOGY = Task("kit", "text", "1", tuple(ClassDef(c, c) for c in CLASSES), ("{}",))


def spec(n: int, attempt: int = 1) -> TaskSpec:
    """The n-th item of the kit."""
    item_id, digest = f"item{n:04d}", sha256_bytes(f"item {n}".encode())
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
    faults: frozenset[str]
    made: LabelVendor | None = field(default=None)

    def vendor(self, *faults: dict[str, Any]) -> LabelVendor:
        """A fresh connection to the same company, with these faults armed."""
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


def simulated_kit(root: Path, **options: Any) -> Kit:
    ws = Workspace(root)
    rows = [{"item_id": item, "class_id": name} for item, name in truth().items()]
    write_parquet(ws.oracle, pa.Table.from_pylist(rows, schema=schemas.LABELED))

    def make(faults: Sequence[dict[str, Any]]) -> LabelVendor:
        params = simulated.Params.model_validate({**options, "faults": list(faults)})
        return simulated.load(params, ws, Settings(_env_file=None))

    return Kit(make, frozenset(simulated_faults()))


def simulated_faults() -> tuple[str, ...]:
    from tailfirst.vendors._simulated_params import IMPLEMENTED

    return IMPLEMENTED


HARNESSES: dict[str, dict[str, Callable[[Path], Kit]]] = {
    "simulated": {
        "NATIVE": simulated_kit,
        "EMULATED": lambda root: simulated_kit(root, idempotency="EMULATED"),
        "NONE": lambda root: simulated_kit(root, idempotency="NONE"),
        "small pages": lambda root: simulated_kit(root, page_size=3, hours_per_poll=6),
    },
}


@pytest.fixture(params=[f"{name}/{variant}" for name, variants in HARNESSES.items() for variant in variants])
def kit(request: Any, tmp_path: Path) -> Kit:
    name, _, variant = request.param.partition("/")
    return HARNESSES[name][variant](tmp_path)


@pytest.fixture
def harnesses() -> dict[str, dict[str, Callable[[Path], Kit]]]:
    return HARNESSES


@pytest.fixture
def items() -> list[TaskSpec]:
    return [spec(n) for n in range(10)]


@pytest.fixture
def make_spec() -> Callable[..., TaskSpec]:
    return spec


@pytest.fixture
def ontology() -> Task:
    return ONTOLOGY
