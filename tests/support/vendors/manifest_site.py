"""A store with manifests, and a vendor on it whose writes a test can break."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tailfirst.artifacts import sha256_bytes
from tailfirst.port import BatchRef, BatchSpec, Money, ProjectSpec
from tailfirst.vendors import _manifest_wire as wire
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Store
from tailfirst.vendors.manifest import ManifestVendor, Params
from tests.support.vendors import kit as kits
from tests.support.vendors.files_flaky import Flaky
from tests.support.vendors.files_people import write_folder

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = [kits.spec(n) for n in range(7)]
KEYS = sorted(i.key for i in ITEMS)


class Site:
    """A store, and a vendor on it whose writes a test can break."""

    def __init__(self, root: Path, **params: Any) -> None:
        self.ws = write_folder(root)
        self.store = Store((root / "store").as_uri())
        self.flaky = Flaky(self.store.fs)
        self.params = Params.model_validate({"part_size": 3, **params})

    def vendor(self) -> ManifestVendor:
        store = Store(self.store.url, None, self.flaky)  # type: ignore[arg-type]
        return ManifestVendor(self.params, store, Shelf(self.ws), lambda: NOW)

    def open(self, round_no: int = 1, overlap: int = 1) -> tuple[ManifestVendor, BatchRef]:
        vendor, digest = self.vendor(), kits.ONTOLOGY.digest
        project = vendor.ensure_project(ProjectSpec("kit", "1", digest, digest, "PRIVATE"))
        key = kits.batch_key("kit", round_no, "TRAIN")
        return vendor, vendor.open_batch(
            BatchSpec(key, project, round_no, "TRAIN", 7, overlap, NOW, Money(1_000_000, "USD"))
        )

    def order(self) -> tuple[ManifestVendor, BatchRef]:
        vendor, batch = self.open()
        vendor.submit(batch, ITEMS)
        vendor.finalize(batch)
        return vendor, batch

    def handed(self, batch: BatchRef) -> list[str]:
        """Keys of every input manifest that has its ready marker."""
        found = []
        for entry in self.store.listing(f"to-vendor/{batch.vendor_id}"):
            if entry.name.endswith(".ready.json"):
                job = json.loads(self.store.get(entry.name) or b"")
                data = self.store.get(f"to-vendor/{batch.vendor_id}/{job['manifest']}") or b""
                assert (sha256_bytes(data), data.count(b"\n")) == (job["sha256"], job["lines"])
                found += [json.loads(row)["tailfirst"]["key"] for row in data.splitlines()]
        return found

    def answer(self, batch: BatchRef, name: str, labels: dict[str, str], at: str = "2026-02-01T10:00:00") -> bytes:
        attr = wire.attribute(batch.vendor_id)
        digests = {i.key: i.item_digest for i in ITEMS}
        rows = [
            {
                "source": "x", "tailfirst": {"key": key, "item-digest": digests[key]}, attr: 0,
                f"{attr}-metadata": {"class-name": label, "human-annotated": "yes", "creation-date": at},
            }
            for key, label in labels.items()
        ]  # fmt: skip
        data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        self.store.put(f"from-vendor/{batch.vendor_id}/{name}", data)
        return data
