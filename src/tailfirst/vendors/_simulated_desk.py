"""The simulated vendor's front desk: what becomes of each labeling task that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from tailfirst.artifacts import sha256_bytes
from tailfirst.port import SubmissionKey, TaskSpec
from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._simulated_book import BatchRow, Job, Session
from tailfirst.vendors._simulated_params import Params
from tailfirst.vendors._simulated_work import Known, Work

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


class Desk:
    """Takes labeling tasks in, as far as its memory for keys goes."""

    def __init__(
        self, params: Params, people: Work, known: Callable[[BatchRow], Known], now: Callable[[], datetime]
    ) -> None:
        self._params = params
        self._people = people
        self._known = known
        self._now = now

    def create(
        self,
        session: Session,
        order: BatchRow,
        item: TaskSpec,
        *,
        looks: bool,
        closed: bool = False,
        at_once: bool = False,
    ) -> Created:
        """One labeling task.

        Args:
            session: The request's transaction.
            order: Where it goes.
            item: What is asked.
            looks: Whether a known key is recognised; the book itself allows a key twice.
            closed: Take nothing new.
            at_once: The request comes while another one with the same keys is on its way: no token ages so fast.
        """
        known = session.jobs(item.key)
        if known and looks and (at_once or not self._forgotten(known[-1])):
            if known[0].payload_sha256 != item.payload_sha256:
                return Created(item.key, "REJECTED", known[0], "the key exists with another payload")
            return Created(item.key, "EXISTED", known[0])
        before = session.jobs(item.key, canceled=True)
        taken_back = bool(before) and not known and self._params.idempotency == "NATIVE"  # a unique id is used for good
        if closed or taken_back:
            return Created(item.key, "REJECTED", None, "the order is closed" if closed else "the key was taken back")
        if item.item_id not in self._known(order).truth:
            return Created(item.key, "REJECTED", None, f"no known label for item {item.item_id}; {NO_ANSWERS}")
        job = Job(
            vendor_id=f"task-{sha256_bytes(item.key.encode())[:16]}" + (f"-{len(before) + 1}" if before else ""),
            batch=order.vendor_id,
            key=item.key,
            item_id=item.item_id,
            item_digest=item.item_digest,
            purpose=item.purpose,
            payload_sha256=item.payload_sha256,
            prelabel=item.prelabel if self._params.prelabels else None,
            created_at=self._now().astimezone(UTC).isoformat(),
            asset_url=item.asset_url,
        )
        copy = item.overlap_slot > 0 or item.purpose == "RELABEL"
        job = self._people.assigned(session, order, job, copy=copy)
        session.add_job(job)
        conflict = wire.hits(self._params, "conflict_409", job)  # created, answered 409: looking it up shows it is ours
        return Created(item.key, "EXISTED" if conflict else "CREATED", job)

    def _forgotten(self, job: Job) -> bool:
        """Whether the vendor no longer knows that this key was used (NATIVE_TTL, or a token that aged out)."""
        if wire.hits(self._params, "token_expired", job):
            return True
        if self._params.idempotency != "NATIVE_TTL" or not job.created_at:
            return False
        age = self._now() - datetime.fromisoformat(job.created_at)
        return age > timedelta(seconds=self._params.idempotency_ttl_s)

    def haunt(self, session: Session, order: BatchRow) -> None:
        """An old request of ours for this order comes in again; closed, it takes nothing that it does not have."""
        for job in session.jobs_of_batch(order.vendor_id, canceled=True):
            at = datetime.fromisoformat(job.created_at)
            again = TaskSpec(
                SubmissionKey(job.key), job.item_id, job.item_digest, job.asset_url, at, job.purpose, 1, 0,
                job.payload_sha256, job.prelabel,
            )  # fmt: skip
            if self.create(session, order, again, looks=True, closed=True).outcome == "CREATED":
                raise AssertionError("a closed order took a labeling task")
