"""Every call of the vendor is one event: names and numbers, never content, never a secret."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from tailfirst.errors import Retryable, Throttled
from tailfirst.observed import Observed, note, outcome_of
from tailfirst.port import BatchKey, BatchRef, SubmissionKey, TaskRef

BATCH = BatchRef(BatchKey("b" * 64), "order-1")


class Acme:
    name = "acme"
    parser_version = "acme/1"
    extra = 7

    def __init__(self) -> None:
        self.down = True

    def capabilities(self) -> str:
        return "all"

    def find(self, batch: BatchRef, keys: Any) -> dict[str, Any]:
        if self.down:
            self.down = False
            raise Retryable("a secret token and the text of an item")
        return {}

    def fetch(self, refs: Any) -> Any:
        yield from refs


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.call for record in caplog.records if record.name == "tailfirst.vendor"]  # type: ignore[attr-defined]


def test_each_call_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    vendor: Any = Observed(Acme(), {BATCH.key: 3}.get)  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO, "tailfirst.vendor"):
        assert (vendor.name, vendor.extra, vendor.capabilities()) == ("acme", 7, "all")
        with pytest.raises(Retryable):
            vendor.find(BATCH, [])
        vendor.find(BATCH, [])
        assert list(vendor.fetch([TaskRef(SubmissionKey("tf-1"), "v1", None, None)]))
    seen = [(e["operation"], e["outcome"], e["attempt"], e["round"], e["batch"]) for e in told(caplog)]
    assert seen == [
        ("find", "RETRYABLE", 1, 3, "b" * 12),
        ("find", "OK", 2, 3, "b" * 12),
        ("fetch", "OK", 1, 3, "b" * 12),
    ]
    assert "secret" not in caplog.text
    assert "tf-1" not in caplog.text


def test_counts_are_handed_over_once() -> None:
    vendor: Any = Observed(Acme(), lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(Retryable):
        vendor.find(BATCH, [])
    vendor.find(BATCH, [])
    note(vendor, "changes", "DUPLICATE_EVENT", 4)
    stored: list[Any] = []
    for _ in range(2):
        vendor.flush(lambda *told: stored.append(told), datetime(2026, 1, 1, tzinfo=UTC))
    ((name, counts, _),) = stored
    assert name == "acme"
    assert {place: n for place, (n, _) in counts.items()} == {
        ("find", "RETRYABLE"): 1, ("find", "OK"): 1, ("changes", "DUPLICATE_EVENT"): 4,
    }  # fmt: skip


def test_the_narrowest_class_is_told() -> None:
    assert outcome_of(Throttled("429", 3)) == "THROTTLED"
    assert outcome_of(ValueError("ours")) == "FAULT"
