"""The inbox on both databases: once per delivery, parked until known, taken by a poll, forgotten in time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tailfirst.ledger import Ledger, MissRate, NewHint
from tailfirst.ledger.records import InboxStatus
from tailfirst.port import RawResult
from tests.support.ledgers import AT, later, raw, submitted


def hint(delivery_id: str = "d-1", *ids: str, body: str = "b", at: float = 10, campaign: str = "c") -> NewHint:
    return NewHint(campaign, "stub", delivery_id, body, ids, later(at), later(at))


def fetched(key: str, revision: str, at: float) -> RawResult:
    return replace(raw(key, revision), fetched_at=later(at))


@pytest.fixture
def known(ledger: Ledger) -> list[str]:
    """Vendor ids of two tasks at the vendor."""
    submitted(ledger, 2)
    return [str(t.vendor_task_id) for t in ledger.tasks.list("c", 1)]


def test_a_delivery_is_stored_once_and_its_repetitions_are_counted(ledger, known):
    assert ledger.inbox.store(hint("d-1", known[0])) == "WAITING"
    assert ledger.inbox.store(hint("d-1", known[0], at=20)) == "REPEATED"
    assert ledger.inbox.store(hint("d-1", known[0], body="other")) == "REPLAYED"
    assert ledger.inbox.status("c") == InboxStatus(waiting=1, parked=0, repeats=1)
    assert len(ledger.inbox.waiting("c")) == 1


def test_the_same_id_of_another_vendor_or_campaign_is_another_delivery(ledger, known):
    one = hint("d-1")
    others = replace(one, vendor="other"), replace(one, campaign="d")
    assert [ledger.inbox.store(h) for h in (one, *others)] == ["WAITING"] * 3


def test_taken_hints_wait_no_longer_and_later_ones_do(ledger, known):
    ledger.inbox.store(hint("d-1", known[0]))
    seen = ledger.inbox.waiting("c")
    ledger.inbox.store(hint("d-2", known[1]))
    ledger.inbox.take(seen, later(30))
    assert ledger.inbox.status("c").waiting == 1
    ledger.inbox.take([], later(30))
    assert ledger.inbox.store(hint("d-1", known[0])) == "REPEATED"
    assert ledger.inbox.status("c").waiting == 1


def test_a_repetition_of_an_unsigned_delivery_counts_as_news(ledger, known):
    ledger.inbox.store(hint("d-1", known[0]))
    ledger.inbox.take(ledger.inbox.waiting("c"), later(30))
    assert ledger.inbox.store(hint("d-1", known[0]), again=True) == "REPEATED"
    assert ledger.inbox.status("c").waiting == 1


def test_an_unknown_vendor_id_is_parked_until_it_is_known(ledger):
    assert ledger.inbox.store(hint("d-1", "v-tf-c-1-0")) == "PARKED"
    assert ledger.inbox.waiting("c") == []
    submitted(ledger, 1)
    assert len(ledger.inbox.waiting("c")) == 1
    assert ledger.inbox.store(hint("d-2", "nobody's")) == "PARKED"
    assert len(ledger.inbox.waiting("c")) == 1


def test_an_order_is_known_too_and_a_hint_without_ids_means_anything(ledger, known):
    assert ledger.inbox.store(hint("d-1", "order-9")) == "PARKED"
    assert ledger.inbox.waiting("c") == []
    ledger.rounds.annotate("c", 1, vendor_batch_id="order-9")
    assert len(ledger.inbox.waiting("c")) == 1
    assert ledger.inbox.store(hint("d-2")) == "WAITING"


def test_a_hint_may_name_many_ids_and_one_twice(ledger, known):
    assert ledger.inbox.store(hint("d-1", *known, *known, *(f"x{n}" for n in range(2000)))) == "WAITING"


def test_the_miss_rate_counts_what_the_poll_found_first(ledger, known):
    keys = [t.key for t in ledger.tasks.list("c", 1)]
    ledger.inbox.store(hint("d-1", known[0], at=10))
    for key in keys:
        ledger.deliveries.store_raw("c", 1, fetched(key, "1", 20))
    ledger.inbox.store(hint("d-2", known[1], at=30))  # too late: the poll was first
    assert ledger.inbox.miss_rate("c", AT) == MissRate(found=2, missed=1)
    assert ledger.inbox.miss_rate("c", AT).rate == 0.5
    assert ledger.inbox.miss_rate("c", later(21)).rate is None
    # The second revision of the first task needs a hint of its own.
    ledger.deliveries.store_raw("c", 1, fetched(keys[0], "2", 40))
    assert ledger.inbox.miss_rate("c", AT) == MissRate(3, 2)
    ledger.deliveries.store_raw("c", 1, fetched(keys[1], "2", 41))
    assert ledger.inbox.miss_rate("c", AT) == MissRate(4, 2)


def test_a_hint_about_the_order_announces_all_its_tasks(ledger, known):
    ledger.rounds.annotate("c", 1, vendor_batch_id="order-9")
    ledger.inbox.store(hint("d-1", "order-9", at=10))
    keys = [t.key for t in ledger.tasks.list("c", 1)]
    for key in keys:
        ledger.deliveries.store_raw("c", 1, fetched(key, "1", 20))
    assert ledger.inbox.miss_rate("c", AT) == MissRate(2, 0)


def test_old_hints_are_forgotten(ledger, known):
    ledger.inbox.store(hint("d-1", known[0], at=0))
    ledger.inbox.store(hint("d-2", "nobody's", at=100))
    assert ledger.inbox.prune(later(50)) == 1
    assert ledger.inbox.status("c") == InboxStatus(0, 1, 0)
    assert ledger.inbox.prune(later(50) + timedelta(days=1)) == 1


def test_an_alarm_is_told_once(ledger):
    assert ledger.alarms.told("c", 1) == set()
    for at in (1, 2):
        ledger.alarms.tell("c", 1, "late", f"late at {at}", later(at))
    ledger.alarms.tell("c", 2, "sla-50", "half", later(3))
    assert ledger.alarms.told("c", 1) == {"late"}
