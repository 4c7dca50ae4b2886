"""Manifests that come back: what is believed, what a line means, and what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import Money, RawResult, SubmissionKey
from tailfirst.vendors import _manifest_wire as wire
from tests.support.vendors import kit as kits
from tests.support.vendors.manifest_site import KEYS, NOW, Site

META = {"class-name": "cat", "human-annotated": "yes", "creation-date": "2018-10-18T22:18:13.527256", "job-name": "j"}
LINE = {"source-ref": "s3://b/x.jpg", "tailfirst": {"key": "k", "item-digest": "d"}, "tf-a": 0, "tf-a-metadata": META}


def test_counts_and_checksums_decide_what_is_whole(site: Site) -> None:
    vendor, batch = site.order()
    data = site.answer(batch, "a.manifest", dict.fromkeys(KEYS[:2], "cat"))
    done = {"sha256": sha256_bytes(data), "lines": 2}
    site.store.put(f"from-vendor/{batch.vendor_id}/a.manifest.done.json", json.dumps(done).encode())
    site.store.put(f"from-vendor/{batch.vendor_id}/a.manifest", data[: data.index(b"\n") + 1])  # cut at a line
    page = vendor.changes(batch, None)
    assert page.rows == ()
    site.store.put(f"from-vendor/{batch.vendor_id}/a.manifest", data)
    assert len(vendor.changes(batch, page.next_cursor).rows) == 2


def test_without_checksums_whole_lines_count_and_a_cut_one_waits(site: Site) -> None:
    vendor, batch = site.order()
    data = site.answer(batch, "a.manifest", dict.fromkeys(KEYS[:3], "cat"))
    site.store.put(f"from-vendor/{batch.vendor_id}/a.manifest", data[:-30])
    page = vendor.changes(batch, None)
    assert len(page.rows) == 2
    site.store.put(f"from-vendor/{batch.vendor_id}/a.manifest", data[:-1])  # whole, without its last newline
    assert len(vendor.changes(batch, page.next_cursor).rows) == 3


def test_lines_of_nobody_are_kept_and_told(site: Site) -> None:
    vendor, batch = site.order()
    site.store.put(f"from-vendor/{batch.vendor_id}/a.manifest", b'{"broken": \n{"tailfirst": {"key": 7}}\n\xff\xfe\n')
    events = vendor.changes(batch, None).rows
    assert [e.key for e in events] == [None] * 3
    refs = [kits_ref(e.vendor_id) for e in events]
    assert [r.body for r in vendor.fetch(refs)] == [b'{"broken": ', b'{"tailfirst": {"key": 7}}', b"\xff\xfe"]


def kits_ref(vendor_id: str) -> Any:
    from tailfirst.port import TaskRef

    return TaskRef(SubmissionKey(""), vendor_id, None, None)


def body(attr: str, line: dict[str, Any], *workers: dict[str, Any]) -> RawResult:
    raw = json.dumps(line).encode()
    data = wire.body_of(attr, raw, [wire.Worker("w.json", json.dumps(w)) for w in workers])
    return RawResult(SubmissionKey("k"), "o/1", "r", data, sha256_bytes(data), (), NOW)


def test_a_consolidated_label() -> None:
    parsed = wire.parse(body("tf-a", LINE), kits.ONTOLOGY)
    (one,) = parsed.annotations
    assert (one.annotator_id, one.class_ids, one.provenance) == ("j", ("cat",), "HUMAN")
    assert parsed.vendor_updated_at == datetime(2018, 10, 18, 22, 18, 13, 527256, tzinfo=UTC)
    assert parsed.revision.startswith("2018-10-18T22:18:13.527256+00:00-")


def test_worker_responses_count_one_by_one() -> None:
    answers = [
        {
            "workerId": f"private.{who}", "answerContent": content, "acceptanceTime": "2026-02-01T10:00:00Z",
            "submissionTime": "2026-02-01T11:00:30+01:00", "timeSpentInSeconds": 30,
        }
        for who, content in (("a", {"crowd-classifier": {"label": "cat"}}), ("b", {"label": "None of these"}))
    ]  # fmt: skip
    first, second = wire.parse(body("tf-a", LINE, {"answers": answers}), kits.ONTOLOGY).annotations
    assert (first.annotator_id, first.class_ids, first.work_s) == ("private.a", ("cat",), 30.0)
    assert first.submitted_at == datetime(2026, 2, 1, 10, 0, 30, tzinfo=UTC)
    assert (second.skipped, second.reason) == (True, "none_of_these")


def test_answers_inside_the_line_count_too() -> None:
    inside = {"annotationsFromAllWorkers": [{"workerId": "w1", "annotationData": {"content": '{"r":{"label":"owl"}}'}}]}
    (one,) = wire.parse(body("tf-a", {**LINE, "tf-a": inside}), kits.ONTOLOGY).annotations
    assert (one.annotator_id, one.class_ids) == ("w1", ("owl",))


def test_machine_labels_failures_and_unknown_classes_are_told() -> None:
    machine = {**LINE, "tf-a-metadata": META | {"human-annotated": "no", "class-name": "yeti"}}
    parsed = wire.parse(body("tf-a", machine), kits.ONTOLOGY)
    assert (parsed.annotations[0].provenance, parsed.unknown_labels) == ("MACHINE", ("yeti",))
    failed = {**LINE, "tf-a-metadata": META | {"failure-reason": "the asset was not reachable"}}
    (one,) = wire.parse(body("tf-a", failed), kits.ONTOLOGY).annotations
    assert (one.skipped, one.reason) == (True, "the asset was not reachable")


@pytest.mark.parametrize("meta", [{}, "broken", META | {"class-name": 7}, META | {"creation-date": "yesterday"}])
def test_a_line_without_its_metadata_is_unreadable(meta: Any) -> None:
    with pytest.raises(InvalidDelivery, match="the raw bytes are kept"):
        wire.parse(body("tf-a", {**LINE, "tf-a-metadata": meta}), kits.ONTOLOGY)


def test_a_statement_is_booked_line_by_line(tmp_path: Path) -> None:
    site = Site(tmp_path, statement=True)
    vendor, batch = site.order()
    assert vendor.capabilities().cost == "PER_BATCH"
    line = {"line_id": "inv-1", "amount_micros": 560_000, "currency": "USD", "at": "2026-02-28"} | {"kind": "INVOICED"}
    name = f"from-vendor/{batch.vendor_id}/statement-2026-02.jsonl"
    site.store.put(name, json.dumps(line).encode() + b"\n")
    (booked,) = vendor.costs(batch)
    assert (booked.line_id, booked.amount, booked.kind, booked.key) == (
        "inv-1",
        Money(560_000, "USD"),
        "INVOICED",
        None,
    )
    site.store.put(name, b'{"line_id": "inv-1"}\n')
    with pytest.raises(InvalidDelivery, match=r"statement-2026-02.jsonl line 1 is no statement line"):
        vendor.costs(batch)
