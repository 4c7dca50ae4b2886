"""Every vendor call as one structured event (specs/vendor.md section 2, rule 8), and counts for `tailfirst status`.

No item content and no secret can enter: only names, numbers and the class of an error are passed on.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

from tailfirst.errors import (
    AuthRefused,
    Gone,
    InvalidDelivery,
    QuotaExceeded,
    Retryable,
    Throttled,
    VendorConflict,
)
from tailfirst.port import BatchRef, BatchSpec, LabelVendor

LOG = logging.getLogger("tailfirst.vendor")
SILENT = ("capabilities", "parse")  # no call of the vendor: they answer from memory
OPERATIONS = {name for name, one in vars(LabelVendor).items() if callable(one) and name[0] != "_"} - set(SILENT)
CLASSES = (
    (Throttled, "THROTTLED"),
    (Retryable, "RETRYABLE"),
    (AuthRefused, "AUTH"),
    (QuotaExceeded, "QUOTA"),
    (VendorConflict, "CONFLICT"),
    (InvalidDelivery, "INVALID"),
    (Gone, "GONE"),
)


class Observed:
    """A vendor that tells of its calls; everything else is passed on."""

    def __init__(self, vendor: LabelVendor, round_of: Callable[[str], int | None]) -> None:
        self._vendor = vendor
        self._round_of = round_of
        self._batch: str | None = None  # calls that name only tasks are about the order named last
        self._failed: Counter[str] = Counter()
        self._counts: dict[tuple[str, str], tuple[int, float]] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._vendor, name)
        if name not in OPERATIONS:
            return found
        return partial(self._listing if name == "fetch" else self._call, name, found)

    def note(self, operation: str, outcome: str, n: int = 1) -> None:
        """Count something that is no call, for example an event that came twice."""
        if n:
            before, seconds = self._counts.get((operation, outcome), (0, 0.0))
            self._counts[operation, outcome] = (before + n, seconds)

    def flush(
        self, store: Callable[[str, dict[tuple[str, str], tuple[int, float]], datetime], None], at: datetime
    ) -> None:
        """Hand the counts over and start at zero."""
        if self._counts:
            store(self._vendor.name, self._counts, at)
            self._counts = {}

    def _call(self, name: str, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        started = perf_counter()
        self._about(args)
        try:
            answer = method(*args, **options)
        except Exception as error:
            self._tell(name, outcome_of(error), started)
            raise
        self._tell(name, "OK", started)
        return answer

    def _listing(self, name: str, method: Callable[..., Any], *args: Any, **options: Any) -> Iterator[Any]:
        """A call whose answer is read bit by bit: told when it ends."""
        started = perf_counter()
        try:
            yield from method(*args, **options)
        except Exception as error:
            self._tell(name, outcome_of(error), started)
            raise
        self._tell(name, "OK", started)

    def _about(self, args: tuple[Any, ...]) -> None:
        for one in args[:1]:
            if isinstance(one, BatchRef | BatchSpec):
                self._batch = one.key

    def _tell(self, operation: str, outcome: str, started: float) -> None:
        seconds = perf_counter() - started
        attempt = self._failed[operation] + 1
        self._failed[operation] = 0 if outcome == "OK" else attempt
        before, together = self._counts.get((operation, outcome), (0, 0.0))
        self._counts[operation, outcome] = (before + 1, together + seconds)
        batch = self._batch
        told = {
            "vendor": self._vendor.name,
            "operation": operation,
            "outcome": outcome,
            "latency_ms": round(seconds * 1000, 3),
            "attempt": attempt,
            "round": None if batch is None else self._round_of(batch),
            "batch": None if batch is None else batch[:12],
        }
        level = logging.INFO if outcome == "OK" else logging.WARNING
        LOG.log(level, "%s", " ".join(f"{name}={value}" for name, value in told.items()), extra={"call": told})


def outcome_of(error: Exception) -> str:
    """The class of an error; anything that is no vendor error is a fault of ours."""
    return next((name for kind, name in CLASSES if isinstance(error, kind)), "FAULT")


def note(vendor: LabelVendor, operation: str, outcome: str, n: int = 1) -> None:
    """Count something at a vendor that is observed; nothing otherwise."""
    if isinstance(vendor, Observed):
        vendor.note(operation, outcome, n)
