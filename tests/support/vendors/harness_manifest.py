"""The manifest vendor, on a local folder and on an S3-compatible server, with a company that answers."""

import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tailfirst.artifacts import sha256_bytes
from tailfirst.port import LabelVendor
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Store
from tailfirst.vendors.manifest import ManifestVendor, Params
from tests.support.vendors.files_flaky import Flaky, make_bucket, moto_endpoint
from tests.support.vendors.files_people import ABSENT, FAULTS, People, Staffed, faults_of, write_folder
from tests.support.vendors.kit import Kit

TOKYO = timezone(timedelta(hours=9))
STAFF = tuple(f"private.w{n}" for n in range(9))
NO_SKIP = "the cursor is a listing with checksums, not a position: what one poll misses the next one finds"


@dataclass
class Company:
    """Who reads to-vendor/ and writes from-vendor/."""

    store: Store
    people: People
    markers: bool  # whether it writes counts and checksums beside its outputs

    def work(self, order_id: str) -> None:
        poll = self.people.count(f"work {order_id}")
        at = self.people.at(order_id, poll)
        truncated = self.people.armed("export_truncated")
        for entry in self.store.listing(f"to-vendor/{order_id}"):
            if entry.name.endswith(".ready.json"):
                self._wave(order_id, json.loads(self.store.get(entry.name) or b""), poll, at)
        if truncated and truncated.strikes(self.people.count("export")):
            self._cut(order_id)
        else:
            self._mend(order_id)

    def _wave(self, order_id: str, job: Mapping[str, Any], poll: int, at: datetime) -> None:
        data = self.store.get(f"to-vendor/{order_id}/{job['manifest']}") or b""
        gone = self.store.get(f"to-vendor/{order_id}/canceled.json")
        canceled = set(json.loads(gone)["keys"]) if gone else set()
        rows = [json.loads(row) for row in data.split(b"\n") if row]
        begun = [r["tailfirst"]["key"] for r in rows if self.people.begun(self._item(r), r["tailfirst"]["key"])]
        if begun:
            self.store.put(f"{job['output']}started.json", json.dumps({"keys": begun}).encode())
        fresh, copies, padded = [], [], False
        for index, row in enumerate(rows):
            if row["tailfirst"]["key"] in canceled:
                continue
            lines = self._lines(row, job, poll, at, index)
            fresh += lines
            copies += lines if self._hit("duplicate_event", row) else []
        if self.people.armed("cursor_skip"):
            padded = self._skipping(job, rows, poll, at, fresh)
        elif fresh:
            self._write(f"{job['output']}manifests/output/{poll:04d}.manifest", fresh, at)
        if copies and not padded:
            self._write(f"{job['output']}manifests/output/{poll:04d}-copy.manifest", copies, at)

    def _lines(self, row: Any, job: Mapping[str, Any], poll: int, at: datetime, index: int) -> list[bytes]:
        """What is written about an item at a poll: nothing, one revision, or two."""
        item, key = self._item(row), row["tailfirst"]["key"]
        due = self.people.due(item, key)
        if not self._hit("label_changed", row):
            return [self._line(row, job, at, 1, index)] if poll == due else []
        if self._hit("out_of_order", row):
            both = [self._line(row, job, at, 2, index), self._line(row, job, at - timedelta(hours=9), 1, index)]
            return both if poll == due else []
        return [self._line(row, job, at, poll - due + 1, index)] if poll in {due, due + 1} else []

    def _line(self, row: Any, job: Mapping[str, Any], at: datetime, revision: int, index: int) -> bytes:
        attr, item, key = job["label-attribute-name"], self._item(row), row["tailfirst"]["key"]
        name = self.people.label(item, key, revision)
        shown = at.astimezone(TOKYO) if self._hit("clock_skew", row) else at.replace(tzinfo=None)
        metadata: Any = {
            "class-name": name, "confidence": 0.9, "type": "groundtruth/text-classification", "job-name": attr,
            "human-annotated": "no" if self._hit("machine_labeled", row) else "yes", "creation-date": shown.isoformat(),
        }  # fmt: skip
        labels: dict[str, Any] = {attr: 0}
        if self._hit("asset_unreachable", row):
            labels, metadata = {}, metadata | {"failure-reason": "asset not reachable"}
        elif job["answers-per-item"] > 1:
            names = [self.people.label(item, key, revision, who) for who in STAFF[: job["answers-per-item"]]]
            self._workers(job, index, names, at)
        if self._hit("payload_malformed", row):
            metadata = "broken"
        ours = row["tailfirst"]
        if self._hit("answers_swapped", row):
            ours = ours | {"item-digest": sha256_bytes(b"somebody else's item" + ours["item-digest"].encode())}
        return json.dumps({**row, "tailfirst": ours, **labels, f"{attr}-metadata": metadata}).encode()

    def _workers(self, job: Mapping[str, Any], index: int, names: Sequence[str], at: datetime) -> None:
        answers = [
            {
                "answerContent": {"crowd-classifier": {"label": name}}, "workerId": who,
                "acceptanceTime": (at - timedelta(minutes=5)).isoformat(), "submissionTime": at.isoformat(),
                "timeSpentInSeconds": 12.5,
            }
            for who, name in zip(STAFF, names, strict=False)
        ]  # fmt: skip
        path = f"{job['output']}annotations/worker-response/iteration-1/{index}/{at:%Y%m%d%H%M%S}.json"
        self.store.put(path, json.dumps({"answers": answers}).encode())

    def _skipping(
        self, job: Mapping[str, Any], rows: Sequence[Any], poll: int, at: datetime, fresh: list[bytes]
    ) -> bool:
        """An output replaced by one of the same size and time: an incremental listing does not see it."""
        name = f"{job['output']}manifests/output/0001.manifest"
        lines = fresh or [
            line
            for i, row in enumerate(rows)
            for line in self._lines(row, job, 1, at - (poll - 1) * timedelta(days=1), i)
        ]
        shown = [json.loads(line) for line in lines]
        hidden = poll == 1
        out = [
            json.dumps({k: v for k, v in one.items() if not k.startswith("tf-")}).encode().ljust(len(line))
            if hidden and self._hit("cursor_skip", one)
            else line
            for one, line in zip(shown, lines, strict=True)
        ]
        if poll in {1, 2}:
            self._write(name, out, at - (poll - 1) * timedelta(days=1))
        return hidden

    def _write(self, name: str, lines: Sequence[bytes], at: datetime) -> None:
        data = b"".join(line + b"\n" for line in lines)
        self.store.put(name, data)
        if self.markers:
            self.store.put(
                name + ".done.json", json.dumps({"sha256": sha256_bytes(data), "lines": len(lines)}).encode()
            )
        if self.store.protocol == "file":
            os.utime(f"{self.store.root}/{name}", (at.timestamp(), at.timestamp()))

    def _cut(self, order_id: str) -> None:
        for entry in self.store.listing(f"from-vendor/{order_id}"):
            if entry.name.endswith(".manifest"):
                data = self.store.get(f"kept/{entry.name}") or self.store.get(entry.name) or b""
                self.store.put(f"kept/{entry.name}", data)
                self.store.put(entry.name, data[: len(data) * 2 // 3])

    def _mend(self, order_id: str) -> None:
        for entry in self.store.listing(f"kept/from-vendor/{order_id}"):
            name = entry.name.removeprefix("kept/")
            if self.store.get(name) != (whole := self.store.get(entry.name) or b""):
                self.store.put(name, whole)

    def _item(self, row: Any) -> str:
        return f"item{int(row['source'].removeprefix('item ')):04d}"

    def _hit(self, name: str, row: Any) -> bool:
        return self.people.hit(name, self._item(row), row["tailfirst"]["key"])


def make_kit(root: Path, url: str, options: Mapping[str, Any], absent: Mapping[str, str], *, markers: bool) -> Kit:
    ws = write_folder(root)

    def make(faults: Sequence[dict[str, Any]]) -> LabelVendor:
        people = People(root / "people.json", faults_of(faults))
        clean = Store(url, options)
        flaky = Flaky(clean.fs)
        partial = people.armed("batch_partial")
        params = Params.model_validate({"url": url, "part_size": partial.keep if partial and partial.keep else 500})
        vendor = ManifestVendor(params, Store(url, options, flaky), Shelf(ws), people.now)  # type: ignore[arg-type]
        made: Any = Staffed(vendor, people, flaky, Company(clean, people, markers).work)
        return made  # type: ignore[no-any-return]

    return Kit(make, FAULTS - set(absent), {**ABSENT, **absent}, lambda: dict(zip(STAFF, STAFF, strict=True)))


def local(root: Path) -> Kit:
    return make_kit(root, (root / "store").as_uri(), {}, {}, markers=True)


def s3(root: Path) -> Kit:
    bucket = f"labels-{uuid.uuid4().hex[:12]}"
    options = {"endpoint_url": moto_endpoint()}
    make_bucket(bucket)
    return make_kit(root, f"s3://{bucket}/campaign", options, {"cursor_skip": NO_SKIP}, markers=False)


KITS: dict[str, Callable[[Path], Kit]] = {"local": local, "s3": s3}
