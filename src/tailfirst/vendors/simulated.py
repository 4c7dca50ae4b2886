"""The simulated vendor: priced, slow like people and wrong like people, with its own memory and its own money book.

It stands for a company outside (specs/vendor.md section 11): it remembers in `state/vendor/simulated.db`, takes its
answers from `data/oracle.parquet` and its people's confusions, and each poll lets simulated time pass. Every byte it
delivers is a function of (seed, submission key, annotator, round), so a killed and resumed campaign gets the same ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Settings
from tailfirst.errors import Unavailable, UserError
from tailfirst.ontology.tables import read_known
from tailfirst.paths import Workspace
from tailfirst.port import (
    BatchRef,
    BatchSpec,
    CancelReport,
    Capabilities,
    CostLine,
    Cursor,
    Health,
    ItemOutcome,
    Money,
    Ontology,
    Page,
    ParsedResult,
    ProjectRef,
    ProjectSpec,
    Quote,
    RawResult,
    ReviewReport,
    SubmissionKey,
    SubmitReport,
    TaskRef,
    TaskSpec,
    VendorEvent,
)
from tailfirst.vendors import _simulated_wire as wire
from tailfirst.vendors._not_offered import NoWebhooks
from tailfirst.vendors._simulated_answers import answers
from tailfirst.vendors._simulated_book import Book, EventRow, Job
from tailfirst.vendors._simulated_company import Company, utc_now
from tailfirst.vendors._simulated_desk import NO_ANSWERS, Created
from tailfirst.vendors._simulated_money import percent_quoted, statement
from tailfirst.vendors._simulated_params import Params

__all__ = ["Params", "SimulatedVendor", "answers", "load", "read_truth"]

QUOTE_HOLDS = timedelta(days=30)


def load(params: Params, ws: Workspace, settings: Settings) -> "SimulatedVendor":  # noqa: ARG001 - shape of every load
    """The simulated vendor of a workspace."""
    book = Book(ws.vendor / "simulated.db")
    return SimulatedVendor(params, book, lambda: read_truth(ws), truth_at=partial(read_truth, ws))


def read_truth(ws: Workspace, version: str | None = None) -> dict[str, str]:
    """Known class per item id, in the classes of today or of an older ontology version.

    Raises:
        Unavailable: There are none.
    """
    there = ws.oracle.exists()
    table = read_known(ws, ws.oracle, schemas.LABELED, version) if there else schemas.LABELED.empty_table()
    if not table.num_rows:
        raise Unavailable(f"{ws.oracle} holds no known labels; {NO_ANSWERS}")
    return dict(zip(table["item_id"].to_pylist(), table["class_id"].to_pylist(), strict=True))


class SimulatedVendor(NoWebhooks):
    """The port's face of the simulated company: it only translates."""

    name = "simulated"
    parser_version = wire.PARSER_VERSION
    who_sends_none = "the simulated vendor"
    simulated_clock = True  # its times must not be compared with ours

    def __init__(
        self,
        params: Params,
        book: Book,
        truth: Callable[[], Mapping[str, str]],
        now: Callable[[], datetime] = utc_now,
        truth_at: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        self.params = params
        self.book = book
        self._company = Company(params, book, truth, now, truth_at=truth_at)
        self._now = now

    def capabilities(self) -> Capabilities:
        """What this vendor can do."""
        ttl = self.params.idempotency_ttl_s if self.params.idempotency == "NATIVE_TTL" else None
        return Capabilities(
            idempotency=self.params.idempotency, idempotency_ttl_s=ttl, key_max_chars=128,
            max_batch=self.params.max_batch, staging=True, cancel=self.params.cancel, review=self.params.review,
            rework=self.params.rework, prelabels=self.params.prelabels, gold=self.params.gold,
            overlap_max=len(self.params.annotators), dynamic_overlap=False, push="NONE", revisions=True,
            cost="PER_TASK", retention_days=self.params.retention_days, workforce="INTERNAL",
        )  # fmt: skip

    def ensure_project(self, spec: ProjectSpec) -> ProjectRef:
        """Find or create, by ontology digest.

        Raises:
            Unavailable: There are no known labels to answer from.
        """
        _ = self._company.truth  # say so before any money is reserved
        vendor_id = "project-" + sha256_bytes(f"{spec.project}|{spec.ontology_digest}".encode())[:16]
        with self._company.call("ensure_project") as (session, call):
            session.add_project(vendor_id, spec.ontology_digest, spec.ontology_version)
        drifted = self._company.fault("ontology_drift", call)
        return ProjectRef(self.name, vendor_id, "drifted" if drifted else spec.ontology_digest)

    def quote(self, batch: BatchSpec) -> Quote:
        """Price list times items times answers per item, in the prices of now."""
        with self._company.call("quote", counted=False) as (session, _):
            each = (
                self.params.price_micros.of(batch.purpose) * percent_quoted(self.params, session, batch.purpose) // 100
            )
        return Quote(
            total=self._money(each * batch.overlap * batch.n_tasks),
            per_task=self._money(each * batch.overlap),
            basis=f"{batch.n_tasks} {batch.purpose} items x {batch.overlap} answers x {each} micros",
            valid_until=batch.sla_at + QUOTE_HOLDS,
        )

    def open_batch(self, spec: BatchSpec) -> BatchRef:
        """Find or create, by batch key.

        Raises:
            UserError: More answers per item than there are people.
        """
        if spec.overlap > len(self.params.annotators):
            raise UserError(f"round.overlap is {spec.overlap}, but vendor.annotators has {len(self.params.annotators)}")
        with self._company.call("open_batch") as (session, _):
            vendor_id = self._company.open(session, spec)
        return BatchRef(spec.key, vendor_id)

    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport:
        """Create labeling tasks; every requested key comes back exactly once."""
        with self._company.call("submit") as (session, call):
            report = self._company.submit(session, call, batch.vendor_id, items)
        done = [_outcome(one) for one in report.created]
        why = "the call timed out" if report.lost else "not in the vendor's answer"
        lost = [ItemOutcome(item.key, None, why, "UNKNOWN") for item in items]
        return SubmitReport(tuple(lost if report.lost else done + lost[len(done) :]))

    def finalize(self, batch: BatchRef) -> None:
        """Close the staging phase: the people start."""
        with self._company.call("finalize") as (session, _):
            session.finalize(batch.vendor_id)

    def find(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Mapping[SubmissionKey, TaskRef]:
        """What exists under these keys.

        Raises:
            Gone: One of them was deleted after the retention time.
        """
        with self._company.call("find") as (session, _):
            found = self._company.find(session, batch.vendor_id, keys)
        return {SubmissionKey(key): _ref(job) for key, job in found.items()}

    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]:
        """Let time pass, then list what happened after the cursor."""
        after = int(cursor) if cursor else 0
        with self._company.call("changes") as (session, call):
            self._company.pass_by(session, batch.vendor_id, call)
            rows = session.events(batch.vendor_id, after, self.params.page_size)
            full = len(rows) == self.params.page_size
            last = rows[-1].seq if full else max(after, session.last_seq(batch.vendor_id))
            session.unhide(batch.vendor_id)
        events = tuple(event for row in rows for event in [_event(row)] * row.copies)
        return Page(events, Cursor(str(last)), full)

    def fetch(self, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
        """Every revision of each labeling task's result; nothing for those without one.

        Raises:
            Gone: One of them was deleted after the retention time.
        """
        with self._company.call("fetch") as (session, call):
            rows = self._company.deliver(session, call, [ref.vendor_id for ref in refs])
        for row in rows:
            yield RawResult(
                SubmissionKey(row.key), row.vendor_id, row.revision, row.body, sha256_bytes(row.body),
                (("content-type", "application/json"),), wire.moment(row.updated_at),
            )  # fmt: skip

    def parse(self, raw: RawResult, ontology: Ontology) -> ParsedResult:
        """Annotations from bytes; pure.

        Raises:
            InvalidDelivery: Not our format.
        """
        return wire.parse(raw, ontology)

    def review(
        self, ref: TaskRef, verdict: Literal["ACCEPT", "REJECT", "REWORK"], reason: str, key: str
    ) -> ReviewReport:
        """A verdict on an answer: a rejected one is credited, one for rework is given anew by others, for nothing."""
        with self._company.call("review") as (session, _):
            refused = self._company.review(session, ref.vendor_id, verdict, reason, key)
        return ReviewReport((ItemOutcome(ref.key, ref, refused, "NOT_FOUND" if refused else "REVIEWED"),))

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:  # noqa: ARG002 - repeating is harmless anyway
        """Take back what has no result yet."""
        with self._company.call("cancel") as (session, _):
            said = {ref.vendor_id: self._company.cancel(session, ref.vendor_id) for ref in refs}
        return CancelReport(tuple(ItemOutcome(ref.key, ref, "", said[ref.vendor_id]) for ref in refs))

    def costs(self, batch: BatchRef) -> Sequence[CostLine]:
        """The lines of the money book for an order: charged when the answers are in."""
        with self._company.call("costs") as (session, _):
            charges = session.charges(batch.vendor_id)
        return tuple(
            wire.cost_line(c.line_id, c.key, batch.key, c.amount_micros, c.currency, c.at, c.kind) for c in charges
        )

    def statement(self, batch: BatchRef) -> Sequence[CostLine]:
        """The lines of the vendor's invoice for an order, as INVOICED: what `reconcile` compares with the ledger."""
        with self._company.call("statement", counted=False) as (session, _):
            lines = statement(self.params, session, self._company.order(session, batch.vendor_id))
        return tuple(
            wire.cost_line(c.line_id, c.key, batch.key, c.amount_micros, c.currency, c.at, c.kind) for c in lines
        )

    def health(self) -> Health:
        """Whether its database can be opened."""
        with self.book.session():
            return Health(ok=True, checked_at=self._now(), detail=self.book.path.name)

    def _money(self, micros: int) -> Money:
        return Money(micros, self.params.currency)


def _ref(job: Job) -> TaskRef:
    return TaskRef(SubmissionKey(job.key), job.vendor_id, job.payload_sha256, None)


def _outcome(made: Created) -> ItemOutcome:
    return ItemOutcome(SubmissionKey(made.key), _ref(made.job) if made.job else None, made.reason, made.outcome)


def _event(row: EventRow) -> VendorEvent:
    return VendorEvent(
        SubmissionKey(row.key), row.vendor_id, wire.event_kind(row.kind), row.revision, wire.moment(row.at)
    )
