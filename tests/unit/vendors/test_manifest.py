"""Manifests on a file store: orders, and what is handed over when."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import Retryable, VendorConflict
from tailfirst.vendors import _manifest_wire as wire
from tailfirst.vendors._files_items import Shown
from tests.support.vendors import harness_manifest as company
from tests.support.vendors.files_flaky import Killed
from tests.support.vendors.manifest_site import ITEMS, KEYS, Site


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


def test_a_company_that_never_heard_of_the_order_writes_nothing(site: Site) -> None:
    people = company.People(site.ws.root / "people.json", ())
    company.Company(site.store, people, markers=True).work("round-0009-000000000000")
    assert site.store.listing("from-vendor") == []
