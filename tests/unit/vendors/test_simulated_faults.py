"""Faults and people of the simulated company that a whole round does not show: asked at the port, answer by answer."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tailfirst.errors import Gone, QuotaExceeded
from tailfirst.labeling.keys import batch_key, payload_sha256, submission_key
from tailfirst.port import BatchRef, BatchSpec, Money, ParsedResult, ProjectRef, Purpose, TaskSpec
from tailfirst.vendors.simulated import Book, Params, SimulatedVendor
from tests.support.vendors.kit import CLASSES, NOW, ONTOLOGY, spec, truth

TEN = [spec(n) for n in range(10)]
EXPERTS = [{"id": f"e{n}", "skill": 1.0} for n in range(5)]


class Clock:
    at = datetime(2026, 3, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def vendor(root: Path, *faults: dict[str, Any], clock: Clock | None = None, **options: Any) -> SimulatedVendor:
    params = Params.model_validate({"annotators": EXPERTS, **options, "faults": list(faults)})
    return SimulatedVendor(params, Book(root / "book.db"), truth, clock or Clock())


def order_spec(overlap: int = 1, purpose: Purpose = "TRAIN") -> BatchSpec:
    key = batch_key("kit", 1, purpose)
    return BatchSpec(key, ProjectRef("simulated", "p", "d"), 1, purpose, 10, overlap, NOW, Money(10**7, "USD"))


def bought(made: SimulatedVendor, items: list[TaskSpec], polls: int = 8, overlap: int = 1) -> BatchRef:
    order = made.open_batch(order_spec(overlap))
    made.submit(order, items)
    made.finalize(order)
    for _ in range(polls):
        made.changes(order, None)
    return order


def parsed(made: SimulatedVendor, order: BatchRef, items: list[TaskSpec]) -> list[ParsedResult]:
    refs = list(made.find(order, [i.key for i in items]).values())
    return [made.parse(raw, ONTOLOGY) for raw in made.fetch(refs)]


def named(made: SimulatedVendor, order: BatchRef, items: list[TaskSpec]) -> dict[str, str]:
    return {r.key: r.annotations[0].class_ids[0] for r in parsed(made, order, items)}


def variant(n: int, **changes: Any) -> TaskSpec:
    """The n-th item, asked for another reason or once more."""
    one = replace(spec(n), **changes)
    key = submission_key("kit", "1", one.item_digest, one.purpose, one.attempt, one.overlap_slot)
    digest = payload_sha256(one.item_id, one.item_digest, one.purpose, one.attempt, one.overlap_slot)
    return replace(one, key=key, payload_sha256=digest)


def test_copies_of_an_item_go_to_different_people(tmp_path: Path) -> None:
    made = vendor(tmp_path)
    items = [variant(0, overlap_slot=slot) for slot in range(4)] + [variant(0, purpose="RELABEL")]
    people = [r.annotations[0].annotator_id for r in parsed(made, bought(made, items, polls=20), items)]
    assert len(set(people)) == 5


def test_a_relabel_that_repeats_the_first_mistake(tmp_path: Path) -> None:
    clumsy = [{"id": f"c{n}", "skill": 0.0} for n in range(5)]
    made = vendor(tmp_path, {"name": "relabel_correlated", "rate": 1.0}, annotators=clumsy)
    again = [variant(n, purpose="RELABEL") for n in range(10)]
    order = bought(made, TEN + again)
    first, second = named(made, order, TEN), named(made, order, again)
    assert [first[spec(n).key] for n in range(10)] == [second[i.key] for i in again]


def test_anchored_people_accept_the_prelabel(tmp_path: Path) -> None:
    led = [replace(variant(n), prelabel=CLASSES[(n + 1) % 3]) for n in range(10)]
    made = vendor(tmp_path, {"name": "prelabel_anchoring", "rate": 1.0})
    order = bought(made, led)
    assert named(made, order, led) == {i.key: i.prelabel for i in led}
    assert all(r.annotations[0].saw_prelabel for r in parsed(made, order, led))


def test_a_prelabel_alone_leads_nobody(tmp_path: Path) -> None:
    led = [replace(variant(n), prelabel=CLASSES[(n + 1) % 3]) for n in range(10)]
    made = vendor(tmp_path)
    assert named(made, bought(made, led), led) == {spec(n).key: CLASSES[n % 3] for n in range(10)}


def test_an_unclear_guideline_mixes_one_pair_and_no_other_class(tmp_path: Path) -> None:
    many = [spec(n) for n in range(60)]
    made = vendor(tmp_path, {"name": "guideline_ambiguous", "rate": 1.0, "pair": ["cat", "owl"]})
    given = named(made, bought(made, many, polls=20), many)
    by_truth = Counter((CLASSES[n % 3], given[spec(n).key]) for n in range(60))
    assert by_truth["elk", "elk"] == 20
    assert {answer for is_, answer in by_truth if is_ != "elk"} == {"cat", "owl"}
    assert by_truth["cat", "owl"] + by_truth["owl", "cat"] > 10


def test_spammers_answer_blindly_and_at_once_but_know_the_gold(tmp_path: Path) -> None:
    faults = ({"name": "annotator_spam", "annotators": ["e0"]}, {"name": "gold_leaked", "annotators": ["e0"]})
    made = vendor(tmp_path, *faults, annotators=EXPERTS[:1])
    train = [spec(n) for n in range(30)]
    gold = [variant(n, purpose="GOLD") for n in range(30)]
    order = bought(made, train + gold, polls=20)
    work = named(made, order, train)
    right = sum(work[spec(n).key] == CLASSES[n % 3] for n in range(30))
    assert right < 20
    assert named(made, order, gold) == {gold[n].key: CLASSES[n % 3] for n in range(30)}
    assert all((r.annotations[0].work_s or 9) < 2 for r in parsed(made, order, train))


def test_fatigue_costs_skill_late_in_the_shift(tmp_path: Path) -> None:
    many = [spec(n) for n in range(60)]
    rested = vendor(tmp_path / "a", annotators=[{"id": "x", "skill": 1.0}])
    tired = vendor(tmp_path / "b", annotators=[{"id": "x", "skill": 1.0, "fatigue": 0.1}])
    right = [
        sum(
            answer == CLASSES[int(n) % 3] for n, answer in enumerate(named(v, bought(v, many, polls=20), many).values())
        )
        for v in (rested, tired)
    ]
    assert right[0] == 60
    assert right[1] < 50


def test_hard_items_come_back_last(tmp_path: Path) -> None:
    made = vendor(tmp_path, latency={"median_s": 3600, "p95_s": 7200, "hard_item_factor": 30}, hard_share=0.3)
    back = len(parsed(made, bought(made, TEN, polls=1), TEN))
    assert 0 < back < 10


def test_a_part_is_not_back_for_days(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "sla_partial", "items": [spec(3).item_id]})
    order = bought(made, TEN, polls=5)
    assert {r.key for r in parsed(made, order, TEN)} == {i.key for i in TEN} - {spec(3).key}


def test_a_cut_export_lacks_something_and_the_next_one_does_not(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "export_truncated", "at_call": 1})
    order = bought(made, TEN)
    assert len(parsed(made, order, TEN)) == 5
    assert len(parsed(made, order, TEN)) == 10


def test_what_the_vendor_deleted_is_gone(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "vendor_retention", "items": [spec(0).item_id], "polls": 8})
    order = bought(made, TEN)
    refs = list(made.find(order, [i.key for i in TEN]).values())
    made.changes(order, None)
    with pytest.raises(Gone):
        made.find(order, [spec(0).key])
    with pytest.raises(Gone):
        list(made.fetch(refs))
    assert len(list(made.fetch([r for r in refs if r.key != spec(0).key]))) == 9


def test_an_answer_is_kept_for_a_while_however_late_it_came(tmp_path: Path) -> None:
    """Otherwise a vendor that is late would charge for what nobody can ever get."""
    late = {"name": "late_label", "items": [spec(0).item_id]}
    made = vendor(tmp_path, late, {"name": "vendor_retention", "items": [spec(0).item_id], "polls": 3})
    order = bought(made, TEN, polls=10)
    assert spec(0).key not in {r.key for r in parsed(made, order, TEN)}
    made.changes(order, None)
    assert spec(0).key in {r.key for r in parsed(made, order, TEN)}
    for _ in range(3):
        made.changes(order, None)
    with pytest.raises(Gone):
        made.find(order, [spec(0).key])


def test_two_workers_at_once_buy_once_although_the_key_ages_out(tmp_path: Path) -> None:
    """A token that ages out does not do so between two requests that are on their way together."""
    aged = {"name": "token_expired", "items": [spec(0).item_id]}
    made = vendor(tmp_path, aged, {"name": "double_worker", "at_call": 1}, idempotency="NATIVE_TTL")
    order = bought(made, TEN)
    assert len(list(made.find(order, [i.key for i in TEN]))) == 10
    paid = [charge.key for charge in made.book.charges()]
    assert sorted(paid) == sorted(item.key for item in TEN)


def test_a_skewed_clock_shows_another_time_in_another_zone_and_keeps_the_order(tmp_path: Path) -> None:
    honest, ahead = vendor(tmp_path / "a"), vendor(tmp_path / "b", {"name": "clock_skew", "rate": 1.0})
    one, two = (parsed(v, bought(v, TEN), TEN) for v in (honest, ahead))
    assert {b.vendor_updated_at - a.vendor_updated_at for a, b in zip(one, two, strict=True)} == {timedelta(hours=7)}
    refs = list(
        ahead.find(
            BatchRef(batch_key("kit", 1, "TRAIN"), "order-" + batch_key("kit", 1, "TRAIN")[:16]), [TEN[0].key]
        ).values()
    )
    (raw,) = ahead.fetch(refs)
    assert b"+05:30" in raw.body


def test_prices_move_once_and_stay(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "price_changed", "at_call": 2})
    prices = [made.quote(order_spec()).per_task.micros for _ in range(3)]
    assert prices == [40_000, 50_000, 50_000]
    order = bought(made, TEN)
    assert {line.amount.micros for line in made.costs(order)} == {50_000}


def test_what_was_quoted_holds_for_each_purpose(tmp_path: Path) -> None:
    """A round is quoted by purpose; if the price moves in between, no order could cost what the parts said together."""
    made = vendor(tmp_path, {"name": "price_changed", "at_call": 2})
    train, audit = order_spec(), replace(order_spec(), purpose="AUDIT")
    assert [made.quote(one).per_task.micros for one in (train, audit)] == [40_000, 100_000]
    order = made.open_batch(train)
    one, other = TEN[0], replace(TEN[1], purpose="AUDIT")
    made.submit(order, [one, other])
    made.finalize(order)
    for _ in range(4):
        made.changes(order, None)
    assert {line.key: line.amount.micros for line in made.costs(order)} == {one.key: 40_000, other.key: 100_000}


def test_an_old_key_is_a_new_purchase_after_its_time(tmp_path: Path) -> None:
    clock = Clock()
    made = vendor(tmp_path, clock=clock, idempotency="NATIVE_TTL", idempotency_ttl_s=3600)
    order = made.open_batch(order_spec())
    clock.at = NOW
    assert made.submit(order, TEN[:1]).outcomes[0].outcome == "CREATED"
    clock.at = NOW + timedelta(minutes=59)
    assert made.submit(order, TEN[:1]).outcomes[0].outcome == "EXISTED"
    clock.at = NOW + timedelta(minutes=61)
    assert made.submit(order, TEN[:1]).outcomes[0].outcome == "CREATED"
    made.finalize(order)
    made.changes(order, None), made.changes(order, None), made.changes(order, None)
    assert Counter(line.key for line in made.costs(order)) == {TEN[0].key: 2}  # why the core must look first


def test_requests_that_come_twice_buy_once(tmp_path: Path) -> None:
    faults = ({"name": "double_worker", "rate": 1.0}, {"name": "zombie_worker", "rate": 1.0})
    made = vendor(tmp_path, *faults)
    order = bought(made, TEN)
    assert Counter(line.key for line in made.costs(order)) == Counter(i.key for i in TEN)


def test_begun_work_cannot_be_taken_back(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "cancel_too_late", "items": [spec(0).item_id]})
    order = made.open_batch(order_spec())
    made.submit(order, TEN)
    refs = list(made.find(order, [i.key for i in TEN]).values())
    assert Counter(o.outcome for o in made.cancel(refs, "c").outcomes) == {"TOO_LATE": 1, "CANCELED": 9}


def test_a_wrong_invoice_differs_from_the_charges(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "invoice_mismatch", "rate": 1.0})
    order = bought(made, [spec(n) for n in range(30)], polls=20)
    charged = {line.key: line.amount.micros for line in made.costs(order)}
    lines = made.statement(order)
    assert {line.kind for line in lines} == {"INVOICED"}
    dear = [line for line in lines if line.amount.micros > charged[line.key]]
    twice = [key for key, n in Counter(line.key for line in lines).items() if n == 2]
    missing = set(charged) - {line.key for line in lines}
    assert len(dear) + len(twice) + len(missing) == 30
    assert all((dear, twice, missing))


def test_without_the_fault_the_invoice_is_the_book(tmp_path: Path) -> None:
    made = vendor(tmp_path)
    order = bought(made, TEN)
    book = [(line.key, line.amount) for line in made.costs(order)]
    assert [(line.key, line.amount) for line in made.statement(order)] == book


def test_an_empty_balance_creates_nothing(tmp_path: Path) -> None:
    made = vendor(tmp_path, balance_micros=399_999)
    order = made.open_batch(order_spec())
    with pytest.raises(QuotaExceeded, match="400000 micros asked for, 399999 left"):
        made.submit(order, TEN)
    assert not made.find(order, [i.key for i in TEN])
    assert len(made.submit(order, TEN[:9]).outcomes) == 9


def test_reviews_credit_and_send_back_once_per_key(tmp_path: Path) -> None:
    made = vendor(tmp_path, review=True, rework=True)
    order = bought(made, TEN)
    one, two = list(made.find(order, [TEN[0].key, TEN[1].key]).values())
    for _ in range(2):
        assert made.review(one, "REJECT", "wrong", "r1").outcomes[0].outcome == "REVIEWED"
        assert made.review(two, "REWORK", "again", "r2").outcomes[0].outcome == "REVIEWED"
    credited = [line for line in made.costs(order) if line.kind == "ADJUSTED"]
    assert [(line.key, line.amount.micros) for line in credited] == [(one.key, -40_000)]
    for _ in range(2):
        made.changes(order, None)
    revisions = [made.parse(raw, ONTOLOGY) for raw in made.fetch([two])]
    assert [r.revision for r in revisions] == ["1", "2"]
    assert revisions[0].annotations[0].annotator_id != revisions[1].annotations[0].annotator_id
    assert vendor(tmp_path).review(one, "REJECT", "wrong", "r3").outcomes[0].outcome == "NOT_FOUND"


def test_a_label_taken_back_is_deleted(tmp_path: Path) -> None:
    made = vendor(tmp_path, {"name": "label_changed", "items": [spec(0).item_id], "deleted": True})
    order = bought(made, TEN)
    (event,) = [e for e in made.changes(order, None).rows if e.kind == "DELETED"]
    assert event.key == spec(0).key
    assert len(parsed(made, order, TEN)) == 9
