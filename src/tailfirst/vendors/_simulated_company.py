"""What happens on the simulated vendor's side: tasks are created, people work, charges arise, faults strike."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Literal

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import AuthRefused, Gone, QuotaExceeded, Retryable, Throttled
from tailfirst.port import TaskSpec
from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._simulated_answers import fires, start_of
from tailfirst.vendors._simulated_book import BatchRow, Book, Charge, EventRow, Job, ResultRow, Session
from tailfirst.vendors._simulated_params import SERVICE_FAULTS, Fault, Params, Prices

NO_ANSWERS = (
    "the simulated vendor answers from known labels: `tailfirst init --label-column NAME` keeps them in "
    "data/oracle.parquet; a real vendor is a plugin, one file in vendors/"
)


@dataclass(frozen=True, slots=True)
class Created:
    """What became of one requested labeling task."""

    key: str
    outcome: Literal["CREATED", "EXISTED", "REJECTED"]
    job: Job | None
    reason: str = ""


class Company:
    """The company: its book, its people and its armed faults."""

    def __init__(self, params: Params, book: Book, truth: Callable[[], Mapping[str, str]]) -> None:
        self.params = params
        self.book = book
        self._read_truth = truth

    @cached_property
    def truth(self) -> Mapping[str, str]:
        """Known class per item id, read when first needed."""
        return self._read_truth()

    @cached_property
    def class_ids(self) -> tuple[str, ...]:
        """Every class that occurs."""
        return tuple(sorted(set(self.truth.values())))

    @contextmanager
    def call(self, operation: str) -> Iterator[tuple[Session, int]]:
        """One request: its transaction and its number among the requests of this operation.

        Raises:
            VendorError: A fault of the whole service strikes before anything is done.
        """
        if any(self.params.armed(name) for name in SERVICE_FAULTS):
            with self.book.session() as session:
                every = session.count_call("any")
            self._strike(every)
        with self.book.session() as session:
            yield session, session.count_call(operation)

    def fault(self, name: str, call: int) -> Fault | None:
        """The armed call fault that hits this call."""
        return next((f for f in self.params.armed(name) if fires(f, self.params.seed, call=call)), None)

    def order(self, session: Session, vendor_id: str) -> BatchRow:
        """An order.

        Raises:
            Gone: No such order.
        """
        found = session.batch(vendor_id)
        if found is None:
            raise Gone(f"no order {vendor_id} at the simulated vendor; was {self.book.path.name} deleted?")
        return found

    def create(self, session: Session, order: BatchRow, item: TaskSpec) -> Created:
        """One labeling task.

        The book itself allows a key twice, like a vendor with EMULATED or NONE; looking first makes it one purchase.
        """
        known = session.jobs(item.key)
        if known and known[0].payload_sha256 != item.payload_sha256:
            return Created(item.key, "REJECTED", known[0], "the key exists with another payload")
        if known:
            return Created(item.key, "EXISTED", known[0])
        truth = self.truth.get(item.item_id)
        if truth is None:
            return Created(item.key, "REJECTED", None, f"no known label for item {item.item_id}; {NO_ANSWERS}")
        job = Job(
            vendor_id=f"task-{sha256_bytes(item.key.encode())[:16]}",
            batch=order.vendor_id,
            key=item.key,
            item_id=item.item_id,
            item_digest=item.item_digest,
            purpose=item.purpose,
            payload_sha256=item.payload_sha256,
            due_s=0,
        )
        job = replace(job, due_s=wire.due_s(self.params, order, job, truth, self.class_ids))
        session.add_job(job)
        conflict = wire.hits(self.params, "conflict_409", job)  # created, answered 409: looking it up shows it is ours
        return Created(item.key, "EXISTED" if conflict else "CREATED", job)

    def work(self, session: Session, vendor_id: str) -> None:
        """Let the time between two polls pass on an order, once its staging phase is over."""
        if not self.order(session, vendor_id).finalized:
            return
        session.poll(vendor_id)
        order = self.order(session, vendor_id)
        elapsed = self.params.poll * order.polls
        for job in session.due(order.vendor_id, elapsed.total_seconds()):
            self._return(session, order, job, elapsed)

    def deliver(self, session: Session, vendor_id: str) -> tuple[ResultRow, ...]:
        """Every revision of a labeling task's result, in the order in which this vendor hands them out."""
        rows, job = session.results(vendor_id), session.job(vendor_id)
        return rows[::-1] if job and wire.hits(self.params, "out_of_order", job) else rows

    def cancel(self, session: Session, vendor_id: str) -> Literal["CANCELED", "TOO_LATE", "NOT_FOUND"]:
        """Take a labeling task back: only before somebody has answered or, for late ones, begun."""
        job = session.job(vendor_id)
        if job is None:
            return "NOT_FOUND"
        begun = bool(session.results(vendor_id)) or wire.hits(self.params, "late_label", job)
        if begun or self.params.cancel == "NONE":
            return "TOO_LATE"
        session.cancel(vendor_id)
        return "CANCELED"

    def _return(self, session: Session, order: BatchRow, job: Job, elapsed: timedelta) -> None:
        made = wire.results(self.params, order, job, self.truth[job.item_id], self.class_ids, elapsed)
        fresh = [row for row in made if session.add_result(row)]
        if wire.hits(self.params, "out_of_order", job):
            fresh.reverse()
        copies = 2 if wire.hits(self.params, "duplicate_event", job) else 1
        for row in fresh:
            kind = "RETURNED" if row.revision == "1" else "UPDATED"
            event = EventRow(0, job.vendor_id, job.key, kind, row.revision, row.updated_at, copies)
            session.add_event(order.vendor_id, event, hidden=wire.hits(self.params, "cursor_skip", job))
        at = start_of(order.round_no) + timedelta(seconds=job.due_s)
        price = price_of(self.params.price_micros, job.purpose) * order.overlap
        line = Charge(f"{job.vendor_id}-answers", job.key, price, self.params.currency, at.isoformat())
        session.charge(order.vendor_id, line)

    def _strike(self, call: int) -> None:
        if self.fault("vendor_down", call):
            raise Retryable("the simulated vendor is down (503)")
        if self.fault("rate_limited", call):
            raise Throttled("the simulated vendor asks to slow down (429)", retry_after_s=30)
        if self.fault("auth_revoked", call):
            raise AuthRefused("the simulated vendor refuses the key (401)")
        if self.fault("balance_empty", call):
            raise QuotaExceeded("the balance at the simulated vendor is used up (402)")


def price_of(prices: Prices, purpose: str) -> int:
    """Micros of one answer."""
    return int(getattr(prices, purpose))
