"""Manifests on a file store: what is written when, what is believed, and what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tailfirst import plugins
from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Settings
from tailfirst.errors import AuthRefused, ConfigError, InvalidDelivery, Retryable, Throttled, VendorConflict
from tailfirst.paths import Workspace
from tailfirst.port import BatchRef, BatchSpec, Money, ProjectSpec, RawResult, SubmissionKey
from tailfirst.vendors import _manifest_wire as wire
from tailfirst.vendors import manifest
from tailfirst.vendors._files_items import Shelf, Shown
from tailfirst.vendors._files_store import Store
from tailfirst.vendors.manifest import ManifestVendor, Params
from tests.support.vendors import harness_manifest as company
from tests.support.vendors import kit as kits
from tests.support.vendors.files_flaky import Flaky, Killed, make_bucket, moto_endpoint
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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_killed_at_every_write_it_is_one_order(tmp_path: Path) -> None:
    whole = Site(tmp_path / "whole")
    whole.order()
    points = [(n, when) for n in range(1, whole.flaky.writes + 1) for when in ("before", "after")]
    assert len(points) == 2 * (2 + 3 * 2 + 3)  # project, order; part, commit of 3 + 3 + 1; manifest, labels, ready
    for n, when in points:
        site = Site(tmp_path / f"{n}-{when}")

        def die(count: int, _: str, now: str, n: int = n, when: str = when) -> None:
            if (count, now) == (n, when):
                raise Killed

        site.flaky.on_write = die
        with pytest.raises(Killed):
            site.order()
        site.flaky.on_write = lambda *_: None
        vendor, batch = site.order()
        assert sorted(site.handed(batch)) == KEYS
        assert sorted(vendor.find(batch, [i.key for i in ITEMS])) == KEYS


def test_two_creators_without_a_lease_still_hand_over_each_key_once(site: Site) -> None:
    vendor, batch = site.open()
    other = site.vendor()
    other._book.tasks = lambda _: {}  # type: ignore[method-assign]  # it looked before the first one wrote
    vendor.submit(batch, ITEMS[:4])
    other.submit(batch, ITEMS[2:])
    vendor.finalize(batch)
    assert sorted(site.handed(batch)) == KEYS


def test_a_second_wave_holds_only_what_is_new(site: Site) -> None:
    vendor, batch = site.open()
    vendor.submit(batch, ITEMS[:4])
    vendor.finalize(batch)
    vendor.finalize(batch)
    vendor.submit(batch, ITEMS)
    vendor.finalize(batch)
    assert sorted(site.handed(batch)) == KEYS


def test_the_vendor_is_told_neither_purpose_nor_more_than_it_needs(site: Site) -> None:
    _, batch = site.order()
    (name,) = [e.name for e in site.store.listing(f"to-vendor/{batch.vendor_id}") if e.name.endswith(".manifest")]
    row = json.loads((site.store.get(name) or b"").splitlines()[0])
    assert set(row) == {"source", "tailfirst"}
    assert set(row["tailfirst"]) == {"key", "item-digest", "payload-sha256", "attempt"}


def test_each_round_has_its_own_label_attribute(site: Site) -> None:
    names = {wire.attribute(site.open(n)[1].vendor_id) for n in (1, 2)}
    assert len(names) == 2
    assert all(len(n) < 128 and not n.endswith(("-ref", "-metadata")) for n in names)


def test_an_order_of_another_shape_is_a_conflict(site: Site) -> None:
    site.open(overlap=1)
    with pytest.raises(VendorConflict, match="holds another order"):
        site.open(overlap=3)


def test_a_part_that_is_not_what_its_commit_names_is_not_believed(site: Site) -> None:
    _, batch = site.order()
    (part, *_) = [e.name for e in site.store.listing(f"ours/orders/{batch.vendor_id}/parts")]
    site.store.put(part, b"{}\n")
    with pytest.raises(Retryable, match="names a part of"):
        site.vendor().find(batch, [ITEMS[0].key])


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


META = {"class-name": "cat", "human-annotated": "yes", "creation-date": "2018-10-18T22:18:13.527256", "job-name": "j"}
LINE = {"source-ref": "s3://b/x.jpg", "tailfirst": {"key": "k", "item-digest": "d"}, "tf-a": 0, "tf-a-metadata": META}


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


def test_what_somebody_works_on_cannot_be_taken_back(site: Site) -> None:
    vendor, batch = site.order()
    refs = vendor.find(batch, [i.key for i in ITEMS])
    begun, free = ITEMS[0].key, ITEMS[1].key
    site.store.put(f"from-vendor/{batch.vendor_id}/started.json", json.dumps({"keys": [begun]}).encode())
    said = {o.key: o.outcome for o in vendor.cancel([refs[begun], refs[free]], "c").outcomes}
    assert said == {begun: "TOO_LATE", free: "CANCELED"}
    assert json.loads(site.store.get(f"to-vendor/{batch.vendor_id}/canceled.json") or b"") == {"keys": [free]}
    site.answer(batch, "a.manifest", {free: "cat", begun: "owl"})
    assert [e.key for e in vendor.changes(batch, None).rows] == [begun]


@pytest.mark.parametrize(
    ("error", "ours"),
    [(PermissionError("403"), AuthRefused), (OSError(16, "slow down"), Throttled), (TimeoutError(), Retryable)],
)
def test_failures_of_the_store_are_classified_once(site: Site, error: OSError, ours: type[Exception]) -> None:
    vendor, batch = site.order()

    def fail() -> None:
        raise error

    site.flaky.on_any = fail
    with pytest.raises(ours):
        vendor.changes(batch, None)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "s3://key:secret@bucket/x"},
        {"endpoint_url": "http://user:pw@127.0.0.1:9000"},
        {"options": {"secret": "x"}},
        {"options": {"client_kwargs": {"aws_secret_access_key": "x"}}},
    ],
)
def test_secrets_are_refused_in_params(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="environment only"):
        plugins.params("vendors", "manifest", given)


def test_unknown_protocols_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file system for nosuch://"):
        manifest.load(Params(url="nosuch://x/y"), Workspace(tmp_path), Settings(_env_file=None))


def test_texts_too_long_and_items_that_are_gone_are_rejected_alone(site: Site) -> None:
    vendor, batch = site.open()
    long, gone = ITEMS[:2]
    shown: dict[Any, Shown | str] = {long: Shown(text="x" * 100_000), gone: "it is gone"}
    vendor._shelf.show = lambda s: shown.get(s, Shown(text="t"))  # type: ignore[method-assign]
    said = {o.key: (o.outcome, o.reason) for o in vendor.submit(batch, ITEMS).outcomes}
    assert said[ITEMS[0].key][0] == said[ITEMS[1].key][0] == "REJECTED"
    assert "a line takes 100,000" in said[ITEMS[0].key][1]
    assert sum(o == "CREATED" for o, _ in said.values()) == 5


def test_images_lie_under_the_hash_of_their_content(site: Site, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    vendor, batch = site.open()
    vendor._shelf.show = lambda _: Shown(data=data)  # type: ignore[method-assign]
    vendor.submit(batch, ITEMS)
    (image,) = site.store.listing("items")  # one content, one object
    assert image.name == f"items/{sha256_bytes(data)[:32]}.png"
    vendor.finalize(batch)
    (name,) = [e.name for e in site.store.listing(f"to-vendor/{batch.vendor_id}") if e.name.endswith(".manifest")]
    row = json.loads((site.store.get(name) or b"").splitlines()[0])
    assert row["source-ref"] == site.store.address(image.name)


def test_s3_says_no_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"endpoint_url": moto_endpoint()}
    make_bucket("labels-words")
    store = Store("s3://labels-words/campaign", options)
    store.put("a/b.json", b"1")
    assert [e.name for e in store.listing("a")] == ["a/b.json"]
    Store("s3://labels-words/campaign", options).put("a/c.json", b"22")
    assert [(e.name, e.size, e.sure) for e in store.listing("a")] == [("a/b.json", 1, True), ("a/c.json", 2, True)]
    assert store.get("a/none") is None
    assert store.address("a/b.json") == "s3://labels-words/campaign/a/b.json"
    with pytest.raises(Retryable, match=r"cannot write x at s3://no-such-bucket-here"):
        Store("s3://no-such-bucket-here/y", options).put("x", b"")
    with pytest.raises(Retryable, match=r"cannot read a/b\.json"):
        Store("s3://labels-words/campaign", {"endpoint_url": "http://127.0.0.1:9"}).get("a/b.json")


def test_a_company_that_never_heard_of_the_order_writes_nothing(site: Site) -> None:
    people = company.People(site.ws.root / "people.json", ())
    company.Company(site.store, people, markers=True).work("round-0009-000000000000")
    assert site.store.listing("from-vendor") == []
