"""Short ways to bring a ledger into a state."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from tailfirst.ledger import LeaseRow, Ledger, NewTask
from tailfirst.port import (
    Annotation,
    BatchKey,
    CostLine,
    ItemOutcome,
    Money,
    ParsedResult,
    Quote,
    RawResult,
    SubmissionKey,
    TaskRef,
)

if TYPE_CHECKING:
    from hypothesis import settings

AT = datetime(2025, 3, 1, 12, tzinfo=UTC)
TTL_S = 60.0


def on_a_database(examples: int) -> "settings":
    """Few examples and no shrinking: each one is many commits. A test names its own campaign per example."""
    from hypothesis import HealthCheck, Phase, settings

    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def new_task(rank: int, campaign: str = "c", round_no: int = 1, **changes: object) -> NewTask:
    name = f"{campaign}-{round_no}-{rank}"
    values = {
        "key": f"tf-{name}",
        "item_id": f"item-{name}",
        "item_digest": f"digest-{name}",
        "purpose": "TRAIN",
        "attempt": 0,
        "overlap_slot": 0,
        "rank": rank,
        "inclusion_probability": None,
        "strategy": "tail_first",
        "why": "tail:cup",
        "payload_sha256": f"payload-{name}",
    }
    return NewTask(**(values | changes))


def opened(ledger: Ledger, n: int = 3, campaign: str = "c", round_no: int = 1, cap: int = 10_000) -> list[str]:
    """A round SELECTED with n tasks under a campaign cap; returns the keys in buying order."""
    tasks = [new_task(rank, campaign, round_no) for rank in range(n)]
    ledger.money.caps(campaign, cap)
    ledger.rounds.open(campaign, round_no, f"batch-{round_no}", tasks, AT)
    return [task.key for task in tasks]


def quote_of(total: int, per_task: int = 100, currency: str = "USD", valid_s: float = 86_400) -> Quote:
    return Quote(Money(total, currency), Money(per_task, currency), "price list", later(valid_s))


def approved(
    ledger: Ledger, n: int = 3, price: int = 100, cap: int = 10_000, round_cap: int | None = None, **where: object
) -> list[str]:
    """A round APPROVED; every task costs `price` micros."""
    keys = opened(ledger, n, cap=cap, **where)
    campaign, round_no = str(where.get("campaign", "c")), int(str(where.get("round_no", 1)))
    quote = quote_of(n * price, price)
    ledger.rounds.record_quote(campaign, round_no, quote, dict.fromkeys(keys, price), AT, "quote")
    ledger.rounds.approve(campaign, round_no, n * price if round_cap is None else round_cap, "ann", AT)
    return keys


def take(ledger: Ledger, holder: str = "w1", campaign: str = "c", round_no: int = 1, at: datetime = AT) -> LeaseRow:
    lease = ledger.leases.acquire(f"order:{campaign}:{round_no}", holder, TTL_S, at)
    assert lease is not None
    return lease


def in_outbox(ledger: Ledger, n: int = 3, price: int = 100, **where: object) -> tuple[list[str], LeaseRow]:
    """A round whose tasks wait in the outbox, with the lease that guards it."""
    keys = approved(ledger, n, price, **where)
    campaign, round_no = str(where.get("campaign", "c")), int(str(where.get("round_no", 1)))
    lease = take(ledger, campaign=campaign, round_no=round_no)
    ledger.tasks.to_outbox(campaign, round_no, 10**12, lease, AT)
    ledger.rounds.move(campaign, round_no, "APPROVED", "SUBMITTING", AT, "w1")
    return keys, lease


def submitted(ledger: Ledger, n: int = 3, price: int = 100, **where: object) -> list[str]:
    """A round OPEN, every task SUBMITTED with the vendor id `v-<key>`."""
    keys, lease = in_outbox(ledger, n, price, **where)
    campaign, round_no = str(where.get("campaign", "c")), int(str(where.get("round_no", 1)))
    ledger.tasks.mark_sent(keys, lease.token, AT)
    ledger.tasks.record_outcomes([created(key) for key in keys], lease.token, AT, "w1")
    ledger.rounds.move(campaign, round_no, "SUBMITTING", "OPEN", AT, "w1", opened_at=AT, sla_at=later(3_600))
    ledger.leases.release(lease)
    return keys


def ref(key: str, payload: str | None = None) -> TaskRef:
    return TaskRef(SubmissionKey(key), f"v-{key}", payload, None)


def created(key: str) -> ItemOutcome:
    return outcome(key, "CREATED", with_ref=True)


def outcome(key: str, said: str, reason: str = "", *, with_ref: bool = False) -> ItemOutcome:
    return ItemOutcome(SubmissionKey(key), ref(key) if with_ref else None, reason, said)


def raw(key: str | None, revision: str = "1", body: bytes = b"{}", vendor_id: str | None = None) -> RawResult:
    known = None if key is None else SubmissionKey(key)
    return RawResult(known, vendor_id or f"v-{key}", revision, body, f"sha-{body!r}", (), later(60))


def answer(annotator: str = "ann-1", classes: Sequence[str] = ("cup",), **changes: object) -> Annotation:
    values = {
        "annotator_id": annotator,
        "class_ids": tuple(classes),
        "skipped": False,
        "reason": "",
        "started_at": AT,
        "submitted_at": later(30),
        "work_s": 30.0,
        "provenance": "HUMAN",
        "saw_prelabel": None,
    }
    return Annotation(**(values | changes))


def parsed(key: str, revision: str = "1", *answers: Annotation, updated_s: float = 30) -> ParsedResult:
    return ParsedResult(SubmissionKey(key), "digest", revision, later(updated_s), answers, "1", "parser/1", ())


def line(
    line_id: str, key: str | None, micros: int, kind: str = "ACCRUED", currency: str = "USD", at: datetime = AT
) -> CostLine:
    known = None if key is None else SubmissionKey(key)
    return CostLine(line_id, known, BatchKey("batch"), Money(micros, currency), at, kind)


def finish(ledger: Ledger, campaign: str = "c", round_no: int = 1) -> None:
    """Move an OPEN round on to REPORTED."""
    path = ["OPEN", "COLLECTING", "CLOSING", "SEALED", "TRAINED", "EVALUATED", "HELD", "REPORTED"]
    for before, after in pairwise(path):
        assert ledger.rounds.move(campaign, round_no, before, after, AT, "flow")
