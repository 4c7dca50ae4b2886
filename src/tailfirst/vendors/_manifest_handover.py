"""What the vendor gets of an order. A wave is an input manifest and, written last, the marker that makes it count."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tailfirst.artifacts import sha256_bytes
from tailfirst.quality.skips import WORDS
from tailfirst.vendors import _manifest_wire as wire
from tailfirst.vendors._files_book import Line, Order
from tailfirst.vendors._files_store import Store
from tailfirst.vendors._manifest_outputs import FOLDER

READY = ".ready.json"
LABELS_VERSION = "2018-11-28"  # of Ground Truth's label category file


def hand_over(store: Store, order: Order, project: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """Write a wave. The same tasks give the same names and bytes, so repeating it after a kill changes nothing."""
    data = "".join(wire.input_line(line, shown_url(store, line)) + "\n" for line in lines).encode()
    sha256 = sha256_bytes(data)
    top, wave = f"to-vendor/{order.order_id}", f"job-{sha256[:12]}"
    names = [c["name"] for c in project["classes"]] + list(WORDS.values())
    marker = {
        "manifest": f"{wave}.manifest",
        "sha256": sha256,
        "lines": len(lines),
        "labels": "labels.json",
        "label-attribute-name": wire.attribute(order.order_id),
        "answers-per-item": order.overlap,
        "due": order.sla_at,
        "output": f"{FOLDER}/{order.order_id}/{wave}/",
        "classes": project["classes"],
    }
    store.put(f"{top}/{wave}.manifest", data)
    store.put(
        f"{top}/labels.json", _pretty({"document-version": LABELS_VERSION, "labels": [{"label": n} for n in names]})
    )
    store.put(f"{top}/{wave}{READY}", _pretty(marker))


def waves(store: Store, order_id: str) -> dict[str, tuple[str, ...]]:
    """Submission keys in manifest order, by the name of each wave whose marker is there."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in store.listing(f"to-vendor/{order_id}"):
        if entry.name.endswith(READY):
            wave = entry.name.rpartition("/")[2].removesuffix(READY)
            data = store.get(f"to-vendor/{order_id}/{wave}.manifest") or b""
            found[wave] = tuple(json.loads(row)[wire.OURS]["key"] for row in data.split(b"\n") if row)
    return found


def tell_canceled(store: Store, order_id: str, keys: Sequence[str]) -> None:
    """The whole list of what was taken back, for the vendor."""
    store.put(f"to-vendor/{order_id}/canceled.json", _pretty({"keys": sorted(keys)}))


def shown_url(store: Store, line: Line) -> str | None:
    """Where the image of a task lies; None for texts."""
    return line.url or (store.address(line.file) if line.file else None)


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
