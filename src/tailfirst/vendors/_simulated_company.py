"""What happens on the simulated vendor's side: orders are taken and taken back, charges arise, faults strike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal

from tailfirst.errors import AuthRefused, Gone, QuotaExceeded, Retryable, Throttled
from tailfirst.port import BatchSpec, TaskSpec
from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._simulated_answers import start_of
from tailfirst.vendors._simulated_book import BatchRow, Book, Charge, Job, ResultRow, Review, Session
from tailfirst.vendors._simulated_desk import Created, Desk
from tailfirst.vendors._simulated_faults import SERVICE_FAULTS, Fault, fires
from tailfirst.vendors._simulated_money import percent_now
from tailfirst.vendors._simulated_params import Params
from tailfirst.vendors._simulated_work import Known, Told, Work, elapsed_of


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a request: what was created, and whether the answer ever arrives."""

    created: tuple[Created, ...]
    lost: bool


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Company:
    """The company: its book, its people and its armed faults.

    Args:
        params: Its options.
        book: Its memory.
        truth: Known class per item id, read when first needed.
        now: Its clock, for what has nothing to do with people's work: how old a key is.
        told: What to do about every new line of the change list, in the same transaction.
        truth_at: The truth in the classes of an ontology version; None = all versions have the same classes.
    """

    def __init__(
        self,
        params: Params,
        book: Book,
        truth: Callable[[], Mapping[str, str]],
        now: Callable[[], datetime] = utc_now,
        told: Told | None = None,
        truth_at: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        self.params = params
        self.book = book
        self._read_truth = truth
        self._now = now
        self._told = told
        self._truth_at = truth_at
        self._known: dict[str | None, Known] = {}

    @cached_property
    def truth(self) -> Mapping[str, str]:
        """Known class per item id, read when first needed."""
        return self._read_truth()

    def known(self, order: BatchRow) -> Known:
        """The truth in the classes that an order asks for."""
        version = order.ontology_version
        if version not in self._known:
            truth = self.truth if version is None or self._truth_at is None else self._truth_at(version)
            self._known[version] = Known(truth, tuple(sorted(set(truth.values()))))
        return self._known[version]

    @property
    def people(self) -> Work:
        """Those who answer, under the faults that are armed now."""
        return Work(self.params, self.known, self._told)

    @property
    def desk(self) -> Desk:
        """Where orders come in."""
        return Desk(self.params, self.people, self.known, self._now)

    @contextmanager
    def call(self, operation: str, *, counted: bool = True) -> Iterator[tuple[Session, int]]:
        """One request: its transaction and its number among the requests of this operation.

        Args:
            operation: Its name.
            counted: Whether it counts for service faults that are not `on` one operation.

        Raises:
            VendorError: A fault of the whole service strikes before anything is done.
        """
        if any(self.params.armed(name) for name in SERVICE_FAULTS):
            with self.book.session() as session:
                every = session.count_call("any") if counted else 0
                numbers = {None: every, operation: session.count_call(f"service-{operation}")}
            self._strike(operation, numbers)
        with self.book.session() as session:
            yield session, session.count_call(operation)

    def fault(self, name: str, call: int) -> Fault | None:
        """The armed call fault that hits this call."""
        return self.params.hit(name, call=call)

    def order(self, session: Session, vendor_id: str) -> BatchRow:
        """An order.

        Raises:
            Gone: No such order.
        """
        found = session.batch(vendor_id)
        if found is None:
            raise Gone(f"no order {vendor_id} at the simulated vendor; was {self.book.path.name} deleted?")
        return found

    def open(self, session: Session, spec: BatchSpec) -> str:
        """Find or create an order, at the prices of now; its id."""
        vendor_id = f"order-{spec.key[:16]}"
        if session.batch(vendor_id) is None:
            percent = percent_now(session)
            session.add_batch(vendor_id, spec.key, spec.project.vendor_id, spec.round_no, spec.overlap, percent)
        return vendor_id

    def submit(
        self, session: Session, call: int, vendor_id: str, items: Sequence[TaskSpec], *, looks: bool = True
    ) -> Submitted:
        """Create labeling tasks, as far as the faults of this call let it come.

        Args:
            session: The request's transaction.
            call: Its number among the submits.
            vendor_id: The order.
            items: What is asked for.
            looks: Whether a known key is recognised; without it a repeated key is a second purchase.

        Raises:
            QuotaExceeded: The balance does not reach; nothing was created.
        """
        timeout, partial = self.fault("create_timeout", call), self.fault("batch_partial", call)
        reach = len(items)
        if partial and partial.keep is not None and partial.of:
            reach = len(items) * partial.keep // partial.of
        if timeout and not timeout.after_commit:
            reach = 0
        order = self.order(session, vendor_id)
        left = self._balance(session)
        desk = self.desk
        made = [desk.create(session, order, item, looks=looks) for item in items[:reach]]
        if self.fault("double_worker", call):  # a second worker's request, while ours is on its way
            made = [desk.create(session, order, item, looks=True, at_once=True) for item in items[:reach]]
        spent = sum(c.job.price_micros for c in made if c.job is not None and c.outcome == "CREATED")
        if left is not None and spent > left:
            raise QuotaExceeded(f"{spent} micros asked for, {left} left at the simulated vendor (402)")
        return Submitted(tuple(made), lost=timeout is not None)

    def find(self, session: Session, vendor_id: str, keys: Sequence[str]) -> dict[str, Job]:
        """What an order holds under these keys; the oldest where there are two.

        Raises:
            Gone: One of them was deleted after the retention time.
        """
        order = self.order(session, vendor_id)
        jobs = {key: [j for j in session.jobs(key) if j.batch == vendor_id] for key in keys}
        found = {key: some[0] for key, some in jobs.items() if some}
        self._refuse_gone([(order, job) for job in found.values()])
        return found

    def pass_by(self, session: Session, vendor_id: str, call: int = 0) -> None:
        """Let the time between two polls pass on an order, once its staging phase is over."""
        if not self.order(session, vendor_id).finalized:
            return
        if self.fault("zombie_worker", call):
            self.desk.haunt(session, self.order(session, vendor_id))
        session.poll(vendor_id)
        self.people.pass_by(session, self.order(session, vendor_id))

    def jump(self, span: timedelta) -> None:
        """Let time pass on every order."""
        with self.book.session() as session:
            session.jump(span.total_seconds())
            people = self.people
            for order in session.open_batches():
                people.pass_by(session, order)

    def deliver(self, session: Session, call: int, vendor_ids: Sequence[str]) -> tuple[ResultRow, ...]:
        """Every revision of these labeling tasks' results, in the order in which this vendor hands them out.

        Raises:
            Gone: The vendor has deleted one of them after its retention time.
        """
        jobs = [job for vendor_id in vendor_ids if (job := session.job(vendor_id)) is not None]
        self._refuse_gone([(self.order(session, job.batch), job) for job in jobs])
        rows: list[ResultRow] = []
        for job in jobs:
            made = session.results(job.vendor_id)
            rows += made[::-1] if wire.hits(self.params, "out_of_order", job) else made
        if self.fault("export_truncated", call):  # at least one is missing, and nothing says so
            return tuple(rows[: len(rows) // 2])
        return tuple(rows)

    def cancel(self, session: Session, vendor_id: str) -> Literal["CANCELED", "TOO_LATE", "NOT_FOUND"]:
        """Take a labeling task back: only before somebody has answered or, for late ones, begun."""
        job = session.job(vendor_id)
        if job is None:
            return "NOT_FOUND"
        begun = bool(session.results(vendor_id)) or wire.hits(self.params, "late_label", job)
        if begun or self.params.cancel == "NONE" or wire.hits(self.params, "cancel_too_late", job):
            return "TOO_LATE"
        session.cancel(vendor_id)
        return "CANCELED"

    def review(self, session: Session, vendor_id: str, verdict: str, reason: str, key: str) -> str:
        """Take a verdict down, once per key: a rejected answer is credited, one for rework is given anew.

        Returns:
            Why not, or nothing.
        """
        job = session.job(vendor_id)
        if not self.params.review or (verdict == "REWORK" and not self.params.rework):
            return f"the simulated vendor takes no {verdict} (vendor.review, vendor.rework)"
        if job is None or not session.results(vendor_id):
            return "there is no answer to review"
        order = self.order(session, job.batch)
        elapsed = elapsed_of(self.params, order)
        fresh = session.add_review(Review(key, vendor_id, verdict, reason, elapsed.total_seconds()))
        if fresh and verdict == "REJECT":
            at = (start_of(order.round_no) + elapsed).isoformat()
            line = Charge(f"{vendor_id}-credit", job.key, -job.price_micros, self.params.currency, at, "ADJUSTED")
            session.charge(order.vendor_id, line)
        return ""

    def _balance(self, session: Session) -> int | None:
        """Micros that can still be spent; None = the vendor sends a bill."""
        paid_in = session.note("balance_micros") or self.params.balance_micros
        return None if paid_in is None else int(paid_in) - session.committed()

    def _refuse_gone(self, asked: Sequence[tuple[BatchRow, Job]]) -> None:
        lost = [job.key for order, job in asked if self.people.gone(order, job)]
        if lost:
            raise Gone(
                f"{len(lost)} of {len(asked)} labeling tasks were deleted at the simulated vendor: {lost[0]} ..."
            )

    def _strike(self, operation: str, numbers: Mapping[str | None, int]) -> None:
        def struck(name: str) -> Fault | None:
            mine = [f for f in self.params.armed(name) if f.on == operation or (f.on is None and numbers[None])]
            return next((f for f in mine if fires(f, self.params.seed, call=numbers[f.on])), None)

        if struck("vendor_down"):
            raise Retryable("the simulated vendor is down (503)")
        if slow := struck("rate_limited"):
            raise Throttled("the simulated vendor asks to slow down (429)", retry_after_s=slow.retry_after_s)
        if struck("auth_revoked"):
            raise AuthRefused("the simulated vendor refuses the key (401)")
        if struck("balance_empty"):
            raise QuotaExceeded("the balance at the simulated vendor is used up (402)")
