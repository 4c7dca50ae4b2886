"""Webhooks change when answers come in, and nothing else: one campaign with all of them, one with none.

The vendor is the simulated one behind a gate: each answer shows at its own hour of our clock, and a signed webhook
says so at that minute. With webhooks a poll follows each of them; without, a poll comes every twelve hours.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tailfirst.context import Context
from tailfirst.port import BatchRef, Capabilities, CostLine, Cursor, Page, VendorEvent, WebhookHint
from tailfirst.webhooks.app import make_app
from tailfirst.webhooks.receiver import Receiver
from tailfirst.webhooks.signing import verify
from tests.support.webhooks import SECRET, call, task_ids

POLL = timedelta(hours=12)
VENDOR = {"hours_per_poll": 1000}  # behind the gate all answers are there at once


class Gate:
    """Shows each answer of the vendor behind it when its hour has come."""

    def __init__(self, inner: Any, now: Any) -> None:
        self._inner, self._now = inner, now
        self.due: dict[str, datetime] = {}  # vendor id -> when its answer shows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def capabilities(self) -> Capabilities:
        return replace(self._inner.capabilities(), push="SIGNED")

    def submit(self, batch: BatchRef, items: Sequence[Any]) -> Any:
        report = self._inner.submit(batch, items)
        for number, outcome in enumerate(sorted(report.outcomes, key=lambda o: o.key)):
            self.due[outcome.ref.vendor_id] = self._now() + timedelta(hours=1 + 5 * number, minutes=7)
        return report

    def changes(self, batch: BatchRef, _cursor: Cursor | None) -> Page[VendorEvent]:
        rows = []
        page, cursor = self._inner.changes(batch, None), None
        while True:
            rows += page.rows
            if not page.more:
                return Page(tuple(e for e in rows if self._shows(e.vendor_id)), None, more=False)
            cursor = page.next_cursor
            page = self._inner.changes(batch, cursor)

    def costs(self, batch: BatchRef) -> tuple[CostLine, ...]:
        shown = {ref.key for ref in self._inner.find(batch, self._keys(batch)).values() if self._shows(ref.vendor_id)}
        return tuple(line for line in self._inner.costs(batch) if line.key in shown)

    def _keys(self, batch: BatchRef) -> list[Any]:
        return [line.key for line in self._inner.costs(batch)]

    def _shows(self, vendor_id: str) -> bool:
        return self.due[vendor_id] <= self._now()

    def verify_webhook(self, headers: Any, body: bytes, now: datetime) -> WebhookHint:
        seen = verify([SECRET], headers, body, now)
        return WebhookHint(seen.delivery_id, task_ids(body), seen.sent_at)


@pytest.fixture
def gated(world) -> Iterator[Context]:
    world.vendor = VENDOR
    with world.context() as ctx:
        yield replace(ctx, vendor=Gate(ctx.vendor, ctx.now))


def run(ctx: Context, world: Any, stepper: Any, client: TestClient | None) -> list[timedelta]:
    """Two rounds, by the clock; gives how long each was open."""
    lasted = []
    for number in (1, 2):
        used = {t.item_id for r in range(1, number) for t in ctx.ledger.tasks.list("tiny", r)}
        world.batch([i for i in world.pool() if i not in used][:4])
        while (row := ctx.ledger.rounds.current("tiny")) is None or row.round_no < number or row.state != "OPEN":
            stepper(ctx)
        opened, next_poll = ctx.now(), ctx.now() + POLL
        while ctx.ledger.rounds.current("tiny").state in {"OPEN", "COLLECTING"}:
            wake = next_poll
            coming = sorted((at, vid) for vid, at in ctx.vendor.due.items() if at > ctx.now())
            if client is not None and coming and coming[0][0] < wake:
                wake, vendor_id = coming[0]
                world.clock.at = wake
                headers, body = call(vendor_id, at=wake)
                assert client.post("/webhooks/tiny", headers=headers, content=body).status_code == 200
                assert len(ctx.ledger.inbox.waiting("tiny")) == 1
            else:
                world.clock.at, next_poll = wake, wake + POLL
            stepper(ctx)
            assert ctx.ledger.inbox.waiting("tiny") == []
        lasted.append(ctx.now() - opened)
        while ctx.ledger.rounds.current("tiny").state != "REPORTED":
            stepper(ctx)
    return lasted


@pytest.fixture
def with_webhooks(gated) -> Iterator[TestClient]:
    receiver = Receiver("tiny", gated.vendor, gated.ledger, gated.now)
    with TestClient(make_app(receiver)) as client:
        yield client


def test_every_webhook_lost_gives_the_same_ledger_only_later(world, gated, with_webhooks, stepper, tmp_path):
    from tests.unit.labeling.conftest import World, write_folder

    prompt = run(gated, world, stepper, with_webhooks)
    assert gated.ledger.inbox.status("tiny").waiting == 0
    assert gated.ledger.inbox.miss_rate("tiny", world.clock.at - timedelta(days=99)).rate == 0

    (tmp_path / "deaf").mkdir()
    write_folder(tmp_path / "deaf")
    other = World(tmp_path / "deaf", vendor=VENDOR)
    with other.context() as ctx:
        deaf = replace(ctx, vendor=Gate(ctx.vendor, ctx.now))
        late = run(deaf, other, stepper, None)
        assert deaf.ledger.inbox.miss_rate("tiny", other.clock.at - timedelta(days=99)).rate == 1
        assert json.dumps(deaf.ledger.export("tiny"), default=str) == json.dumps(
            gated.ledger.export("tiny"), default=str
        )
    assert all(one < two for one, two in zip(prompt, late, strict=True))
    assert world.labels() == other.labels()
