"""The conformance kit: the same tests for every adapter (specs/vendor.md section 11)."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tailfirst import plugins
from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import AuthRefused, InvalidDelivery
from tailfirst.ontology import acts
from tailfirst.port import BatchSpec, Money, ProjectSpec, TaskRef
from tailfirst.task import load_task


def test_every_vendor_file_has_a_harness(harnesses: Any) -> None:
    assert set(plugins.names("vendors")) == set(harnesses)


def test_every_vendor_file_names_itself(kit: Any) -> None:
    vendor = kit.vendor()
    assert vendor.name in plugins.names("vendors")
    assert vendor.parser_version
    offered = vendor.capabilities()
    assert offered.key_max_chars >= 40
    assert offered.max_batch >= 1
    assert offered.overlap_max >= 1
    assert vendor.health().ok


def test_project_is_found_by_its_ontology(kit: Any, row_world: Any, ontology: Any) -> None:
    vendor = kit.vendor()
    asked = ProjectSpec("kit", "1", ontology.digest, ontology.digest, "PUBLIC")
    first, again = vendor.ensure_project(asked), vendor.ensure_project(asked)
    assert first == again
    assert first.ontology_digest == ontology.digest
    path = row_world.root / "0002-yak.yaml"
    path.write_text("{from: 1, to: 2, steps: [{add: {class: yak}}]}")
    with row_world.context() as ctx:
        acts.apply(ctx, path)
    digest = load_task(row_world.ws.task).digest
    vendor = kit.vendor()
    other = vendor.ensure_project(ProjectSpec("kit", "2", digest, digest, "PUBLIC"))
    assert other.vendor_id != first.vendor_id
    assert (other.ontology_digest, vendor.ensure_project(asked)) == (digest, first)


def test_order_is_found_by_its_key(kit: Any) -> None:
    vendor = kit.vendor()
    assert kit.order(vendor) == kit.order(vendor)
    assert kit.order(vendor, 2) != kit.order(vendor, 1)


def test_quote_adds_up(kit: Any, ontology: Any) -> None:
    vendor = kit.vendor()
    project = vendor.ensure_project(ProjectSpec("kit", "1", ontology.digest, ontology.digest, "PUBLIC"))
    batch, due = kit.order(vendor), datetime(2026, 3, 5, tzinfo=UTC)
    for n_tasks, overlap in ((1, 1), (10, 1), (10, 3)):
        asked = BatchSpec(batch.key, project, 1, "TRAIN", n_tasks, overlap, due, Money(10**9, "USD"))
        quote = vendor.quote(asked)
        assert quote.total.micros == n_tasks * quote.per_task.micros > 0
        assert quote.total.currency == quote.per_task.currency
        assert quote.valid_until > due
        assert quote == vendor.quote(asked)


def test_submit_twice_is_one_order(kit: Any, items: Any) -> None:
    vendor = kit.vendor()
    batch = kit.order(vendor)
    first, again = vendor.submit(batch, items), kit.vendor().submit(batch, items)
    assert Counter(o.key for o in first.outcomes) == Counter(i.key for i in items)
    assert Counter(o.key for o in again.outcomes) == Counter(i.key for i in items)
    assert {o.outcome for o in first.outcomes} == {"CREATED"}
    assert {o.outcome for o in again.outcomes} == {"EXISTED"}
    assert {o.key: o.ref.vendor_id for o in first.outcomes} == {o.key: o.ref.vendor_id for o in again.outcomes}
    vendor.finalize(batch)
    kit.poll_all(vendor, batch)
    charged = Counter(line.key for line in vendor.costs(batch))
    assert charged == Counter(i.key for i in items)


OUTCOMES = {
    "plain": [],
    "timeout before": [{"name": "create_timeout", "at_call": 1}],
    "timeout after": [{"name": "create_timeout", "at_call": 1, "after_commit": True}],
    "partial": [{"name": "batch_partial", "keep": 3, "of": 10, "at_call": 1}],
    "conflict": [{"name": "conflict_409", "rate": 0.5}],
}


@pytest.mark.parametrize("case", sorted(OUTCOMES))
def test_find_agrees_after_every_outcome(kit: Any, items: Any, case: str) -> None:
    """What submit said is what find says; UNKNOWN may be either, and sending what is missing makes the order whole."""
    vendor = kit.vendor(*OUTCOMES[case])
    batch = kit.order(vendor)
    report = vendor.submit(batch, items)
    assert Counter(o.key for o in report.outcomes) == Counter(i.key for i in items)
    found = vendor.find(batch, [i.key for i in items])
    for outcome in report.outcomes:
        if outcome.outcome in {"CREATED", "EXISTED"}:
            assert found[outcome.key].vendor_id == outcome.ref.vendor_id
        else:
            assert outcome.outcome == "UNKNOWN"
            assert outcome.reason
    missing = [i for i in items if i.key not in found]
    vendor.submit(batch, missing)
    assert set(vendor.find(batch, [i.key for i in items])) == {i.key for i in items}
    vendor.finalize(batch)
    kit.poll_all(vendor, batch)
    assert Counter(line.key for line in vendor.costs(batch)) == Counter(i.key for i in items)


def test_timeout_after_accept_is_found_not_bought_again(kit: Any, items: Any) -> None:
    vendor = kit.vendor(*OUTCOMES["timeout after"])
    batch = kit.order(vendor)
    assert {o.outcome for o in vendor.submit(batch, items).outcomes} == {"UNKNOWN"}
    assert set(vendor.find(batch, [i.key for i in items])) == {i.key for i in items}


def test_find_knows_nothing_else(kit: Any, items: Any, make_spec: Any) -> None:
    vendor = kit.vendor()
    batch = kit.order(vendor)
    vendor.submit(batch, items)
    assert not vendor.find(batch, [make_spec(50).key])
    assert not vendor.find(batch, [])


def test_known_key_with_another_payload_is_not_overwritten(kit: Any, items: Any) -> None:
    vendor = kit.vendor()
    batch = kit.order(vendor)
    vendor.submit(batch, items)
    (outcome,) = vendor.submit(batch, [replace(items[0], payload_sha256="f" * 64)]).outcomes
    assert outcome.outcome == "REJECTED"
    assert outcome.reason
    assert vendor.find(batch, [items[0].key])[items[0].key].payload_sha256 in {None, items[0].payload_sha256}


def delivered(kit: Any, items: Any, *faults: dict[str, Any], polls: int = 8, overlap: int = 1) -> Any:
    vendor = kit.vendor(*faults)
    batch = kit.order(vendor, overlap=overlap)
    vendor.submit(batch, items)
    vendor.finalize(batch)
    events = kit.poll_all(vendor, batch, polls)
    return vendor, batch, events


def test_answers_echo_key_and_item(kit: Any, items: Any, ontology: Any) -> None:
    vendor, batch, _ = delivered(kit, items)
    raws = kit.results(vendor, batch, items)
    by_key = {i.key: i for i in items}
    assert sorted(r.key for r in raws) == sorted(by_key)
    for raw in raws:
        assert raw.sha256 == sha256_bytes(raw.body)
        parsed = vendor.parse(raw, ontology)
        assert parsed.key == raw.key
        assert parsed.item_digest_echo == by_key[raw.key].item_digest
        assert parsed.revision == raw.revision
        assert parsed.vendor_updated_at.tzinfo is not None
        for one in parsed.annotations:
            assert one.skipped or len(one.class_ids) == 1
            assert set(one.class_ids) <= set(ontology.class_ids)


def test_parse_is_deterministic_and_pure(kit: Any, items: Any, ontology: Any) -> None:
    vendor, batch, _ = delivered(kit, items)
    for raw in kit.results(vendor, batch, items):
        assert vendor.parse(raw, ontology) == vendor.parse(raw, ontology) == kit.vendor().parse(raw, ontology)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"responses": 3}'])
def test_unreadable_bytes_are_named_not_guessed(kit: Any, items: Any, ontology: Any, body: bytes) -> None:
    vendor, batch, _ = delivered(kit, items)
    raw = kit.results(vendor, batch, items)[0]
    with pytest.raises(InvalidDelivery, match="raw bytes are kept"):
        vendor.parse(replace(raw, body=body), ontology)


def test_overlap_asks_different_people(kit: Any, items: Any, ontology: Any) -> None:
    vendor, batch, _ = delivered(kit, items, overlap=3)
    for raw in kit.results(vendor, batch, items):
        people = [a.annotator_id for a in vendor.parse(raw, ontology).annotations]
        assert len(people) == len(set(people)) == 3


def test_duplicate_delivery_has_the_same_bytes(kit: Any, items: Any) -> None:
    vendor, batch, events = delivered(kit, items, {"name": "duplicate_event", "rate": 1.0})
    seen = Counter((e.vendor_id, e.revision) for e in events)
    assert set(seen.values()) == {2}
    once, twice = kit.results(vendor, batch, items), kit.results(vendor, batch, items)
    assert [r.body for r in once] == [r.body for r in twice]


def test_partial_delivery_is_completed_later(kit: Any, items: Any) -> None:
    late = {"name": "late_label", "items": [items[0].item_id]}
    vendor, batch, _ = delivered(kit, items, late, polls=5)
    first = {r.key for r in kit.results(vendor, batch, items)}
    kit.poll_all(vendor, batch, polls=60)
    whole = {r.key for r in kit.results(vendor, batch, items)}
    assert items[0].key not in first
    assert whole == {i.key for i in items}


def test_label_outside_the_ontology_is_told_not_mapped(kit: Any, items: Any, ontology: Any) -> None:
    bad = items[4]
    vendor, batch, _ = delivered(kit, items, {"name": "label_unknown_class", "items": [bad.item_id]})
    for raw in kit.results(vendor, batch, items):
        parsed = vendor.parse(raw, ontology)
        assert bool(parsed.unknown_labels) == (raw.key == bad.key)
        if parsed.unknown_labels:
            assert parsed.annotations[0].class_ids == ()


def test_answers_for_another_item_are_visible(kit: Any, items: Any, ontology: Any) -> None:
    vendor, batch, _ = delivered(kit, items, {"name": "answers_swapped", "items": [items[2].item_id]})
    echo = {r.key: vendor.parse(r, ontology).item_digest_echo for r in kit.results(vendor, batch, items)}
    assert {i.key for i in items if echo[i.key] != i.item_digest} == {items[2].key}


def test_skipped_events_are_found_by_a_sweep(kit: Any, items: Any) -> None:
    vendor, batch, events = delivered(kit, items, {"name": "cursor_skip", "rate": 0.5})
    assert len({e.vendor_id for e in events}) < len(items)
    swept = vendor.changes(batch, None)
    rows = list(swept.rows)
    while swept.more:
        swept = vendor.changes(batch, swept.next_cursor)
        rows += swept.rows
    assert len({e.vendor_id for e in rows}) == len(items)


def test_newest_revision_wins_by_the_vendors_time(kit: Any, items: Any, ontology: Any) -> None:
    faults = {"name": "label_changed", "rate": 1.0}, {"name": "out_of_order", "rate": 1.0}
    if "out_of_order" in kit.absent:
        pytest.skip(kit.absent["out_of_order"])
    vendor, batch, _ = delivered(kit, items, *faults, polls=12)
    by_key: dict[str, list[Any]] = {}
    for raw in kit.results(vendor, batch, items):
        by_key.setdefault(raw.key, []).append(vendor.parse(raw, ontology))
    for revisions in by_key.values():
        assert len(revisions) == 2
        newest = max(revisions, key=lambda p: (p.vendor_updated_at, p.revision))
        assert newest.revision == max(p.revision for p in revisions)
        assert newest is revisions[0]  # and it arrived first


def test_costs_never_change_once_told(kit: Any, items: Any) -> None:
    vendor, batch, _ = delivered(kit, items)
    lines = vendor.costs(batch)
    kit.poll_all(vendor, batch)
    assert kit.vendor().costs(batch) == lines
    assert len({line.line_id for line in lines}) == len(lines) == len(items)
    assert all(line.amount.micros > 0 for line in lines)


def test_cancel_only_what_has_not_come(kit: Any, items: Any) -> None:
    vendor = kit.vendor()
    batch = kit.order(vendor)
    vendor.submit(batch, items)
    refs = list(vendor.find(batch, [i.key for i in items]).values())
    early = vendor.cancel(refs[:3], "c1")
    assert {o.outcome for o in early.outcomes} == {"CANCELED"}
    assert {o.outcome for o in vendor.cancel(refs[:3], "c1").outcomes} <= {"CANCELED", "NOT_FOUND"}
    vendor.finalize(batch)
    kit.poll_all(vendor, batch)
    assert {o.outcome for o in vendor.cancel(refs[3:], "c2").outcomes} == {"TOO_LATE"}
    assert {line.key for line in vendor.costs(batch)} == {ref.key for ref in refs[3:]}


def test_the_company_remembers(kit: Any, items: Any) -> None:
    """A new connection finds the order, its answers and its charges: nothing lives in our process."""
    vendor, batch, _ = delivered(kit, items)
    other = kit.vendor()
    assert kit.results(other, batch, items) == kit.results(vendor, batch, items)
    assert other.costs(batch) == vendor.costs(batch)


def test_unsigned_hints_are_refused(kit: Any) -> None:
    with pytest.raises(AuthRefused):
        kit.vendor().verify_webhook({}, b"{}", datetime(2026, 1, 1, tzinfo=UTC))


def test_fetch_of_what_is_not_there_is_empty(kit: Any, items: Any) -> None:
    vendor = kit.vendor()
    batch = kit.order(vendor)
    vendor.submit(batch, items)
    assert list(vendor.fetch([TaskRef(items[0].key, "nothing-like-it", None, None)])) == []
    assert kit.results(vendor, batch, items) == []
