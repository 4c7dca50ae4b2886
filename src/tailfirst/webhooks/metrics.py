"""Counters of the receiver, in the text format that Prometheus reads."""

from collections import Counter
from dataclasses import dataclass

from tailfirst.ledger.records import InboxStatus, MissRate
from tailfirst.webhooks.outcomes import Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTED = {  # each with its own name, because people set alerts on names
    "forged": (Outcome.FORGED, "Calls without a valid signature."),
    "stale": (Outcome.STALE, "Signed calls outside the time window."),
    "replayed": (Outcome.REPLAYED, "Delivery ids that came again with other bytes."),
    "repeated": (Outcome.REPEATED, "Deliveries that came again, as retries do."),
    "parked": (Outcome.PARKED, "Calls about a vendor id that the ledger did not know yet."),
    "stored": (Outcome.STORED, "New hints."),
    "malformed": (Outcome.MALFORMED, "Bodies that the vendor's adapter cannot read."),
    "oversized": (Outcome.OVERSIZED, "Bodies above the cap."),
    "slow": (Outcome.SLOW, "Bodies that did not arrive in time."),
    "rate_limited": (Outcome.LIMITED, "Calls beyond the caller's rate."),
    "nowhere": (Outcome.NOWHERE, "Calls to a path that nobody serves."),
    "unavailable": (Outcome.UNAVAILABLE, "Calls that the ledger could not take."),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says beside the counters."""

    inbox: InboxStatus
    misses: MissRate


class Metrics:
    """Counts since the start of the process."""

    def __init__(self) -> None:
        self.counts: Counter[Outcome] = Counter()

    def count(self, outcome: Outcome) -> None:
        """One more call ended so."""
        self.counts[outcome] += 1

    def text(self, standing: Standing | None) -> str:
        """The page for Prometheus; without the ledger's part where that cannot be read."""
        lines = _metric("webhook_received_total", "counter", "All calls.", self.counts.total())
        for name, (outcome, told) in COUNTED.items():
            lines += _metric(f"webhook_{name}_total", "counter", told, self.counts[outcome])
        if standing is not None:
            lines += _metric("inbox_waiting", "gauge", "Hints that the next poll answers.", standing.inbox.waiting)
            lines += _metric("inbox_parked", "gauge", "Hints about unknown vendor ids.", standing.inbox.parked)
            lines += _metric("webhook_results", "gauge", "Results stored in 24 hours.", standing.misses.found)
            told = "Share of the results of 24 hours that a poll found before any webhook; NaN = there were none."
            lines += _metric("webhook_miss_rate", "gauge", told, standing.misses.rate)
        return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, told: str, value: float | None) -> list[str]:
    full = f"tailfirst_{name}"
    return [f"# HELP {full} {told}", f"# TYPE {full} {kind}", f"{full} {'NaN' if value is None else value}"]
