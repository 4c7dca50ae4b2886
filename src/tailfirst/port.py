"""The labeling-vendor port (specs/vendor.md section 2): what every adapter in `vendors/` offers, and nothing more.

Adapters translate. Budgets, retries over days, consensus and ontology rules live in the core.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, NewType, Protocol, TypeVar

T = TypeVar("T")

SubmissionKey = NewType("SubmissionKey", str)  # section 3
BatchKey = NewType("BatchKey", str)  # sha256(project | round_no | purpose | shard)
Cursor = NewType("Cursor", str)  # opaque to the core; the adapter builds in the overlap window
Purpose = Literal["TRAIN", "GOLD", "AUDIT", "RELABEL", "CALIBRATION"]
Idempotency = Literal["NATIVE", "NATIVE_TTL", "EMULATED", "NONE"]
Workforce = Literal["INTERNAL", "CONTRACTED", "OPEN_CROWD"]
DataClass = Literal["PUBLIC", "PRIVATE", "PERSONAL"]
EventKind = Literal["CREATED", "STARTED", "RETURNED", "UPDATED", "DELETED", "SKIPPED", "EXPIRED", "CANCELED"]


@dataclass(frozen=True, slots=True)
class Money:  # never a float; task prices go below a cent
    micros: int
    currency: str  # 1_000_000 micros = one currency unit; ISO 4217


@dataclass(frozen=True, slots=True)
class Capabilities:
    idempotency: Idempotency
    idempotency_ttl_s: int | None  # MTurk: 86_400
    key_max_chars: int
    max_batch: int
    staging: bool  # staging: open, fill, then finalize
    cancel: Literal["QUEUED", "ANY", "NONE"]
    review: bool
    rework: bool
    prelabels: bool
    gold: bool
    overlap_max: int
    dynamic_overlap: bool
    push: Literal["NONE", "UNSIGNED", "SIGNED"]
    revisions: bool  # revisions: results carry a revision or update time
    cost: Literal["PER_TASK", "PER_BATCH", "NONE"]
    retention_days: int | None
    workforce: Workforce


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    project: str
    ontology_version: str
    ontology_digest: str
    guideline_digest: str
    data_class: DataClass


@dataclass(frozen=True, slots=True)
class ProjectRef:
    vendor: str
    vendor_id: str
    ontology_digest: str  # as read back from the vendor


@dataclass(frozen=True, slots=True)
class TaskSpec:
    key: SubmissionKey
    item_id: str
    item_digest: str
    asset_url: str
    asset_expires_at: datetime
    purpose: Purpose
    attempt: int
    overlap_slot: int
    payload_sha256: str
    prelabel: str | None


@dataclass(frozen=True, slots=True)
class BatchSpec:
    key: BatchKey
    project: ProjectRef
    round_no: int
    purpose: Purpose
    n_tasks: int
    overlap: int
    sla_at: datetime
    max_price: Money


@dataclass(frozen=True, slots=True)
class BatchRef:
    key: BatchKey
    vendor_id: str


@dataclass(frozen=True, slots=True)
class TaskRef:
    key: SubmissionKey
    vendor_id: str
    payload_sha256: str | None
    vendor_updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Quote:
    total: Money
    per_task: Money
    basis: str
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    key: SubmissionKey
    ref: TaskRef | None
    reason: str
    outcome: Literal["CREATED", "EXISTED", "REJECTED", "UNKNOWN", "CANCELED", "TOO_LATE", "NOT_FOUND", "REVIEWED"]


@dataclass(frozen=True, slots=True)
class SubmitReport:  # CancelReport and ReviewReport have the same shape
    outcomes: tuple[ItemOutcome, ...]  # exactly one per requested item, in any order


CancelReport = SubmitReport
ReviewReport = SubmitReport


@dataclass(frozen=True, slots=True)
class VendorEvent:
    key: SubmissionKey | None
    vendor_id: str
    kind: EventKind
    revision: str
    vendor_updated_at: datetime


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    rows: tuple[T, ...]
    next_cursor: Cursor | None
    more: bool


@dataclass(frozen=True, slots=True)
class RawResult:
    key: SubmissionKey | None
    vendor_id: str
    revision: str
    body: bytes
    sha256: str
    headers: tuple[tuple[str, str], ...]
    fetched_at: datetime  # secrets removed from headers


@dataclass(frozen=True, slots=True)
class Annotation:
    annotator_id: str
    class_ids: tuple[str, ...]
    skipped: bool
    reason: str  # sorted; several = multi-label
    started_at: datetime | None
    submitted_at: datetime
    work_s: float | None
    provenance: Literal["HUMAN", "MACHINE", "UNKNOWN"]
    saw_prelabel: bool | None


@dataclass(frozen=True, slots=True)
class ParsedResult:
    key: SubmissionKey
    item_digest_echo: str
    revision: str
    vendor_updated_at: datetime
    annotations: tuple[Annotation, ...]
    ontology_version: str
    parser_version: str
    unknown_labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CostLine:
    line_id: str
    key: SubmissionKey | None
    batch: BatchKey
    amount: Money
    at: datetime
    kind: Literal["ESTIMATED", "ACCRUED", "INVOICED", "ADJUSTED"]


@dataclass(frozen=True, slots=True)
class WebhookHint:
    delivery_id: str
    vendor_ids: tuple[str, ...]
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Health:
    ok: bool
    checked_at: datetime
    detail: str


class Ontology(Protocol):
    @property
    def version(self) -> str: ...

    def resolve(self, name: str) -> str | None: ...  # class id; None = not in this version


class LabelVendor(Protocol):
    name: str
    parser_version: str

    def capabilities(self) -> Capabilities: ...
    def ensure_project(self, spec: ProjectSpec) -> ProjectRef: ...  # find or create, by ontology digest
    def quote(self, batch: BatchSpec) -> Quote: ...
    def open_batch(self, spec: BatchSpec) -> BatchRef: ...  # find or create, by BatchKey
    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport: ...
    def finalize(self, batch: BatchRef) -> None: ...  # no-op where there is no staging
    def find(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Mapping[SubmissionKey, TaskRef]: ...
    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]: ...
    def fetch(self, refs: Sequence[TaskRef]) -> Iterator[RawResult]: ...
    def parse(self, raw: RawResult, ontology: Ontology) -> ParsedResult: ...  # pure: no I/O, replayable
    def review(
        self, ref: TaskRef, verdict: Literal["ACCEPT", "REJECT", "REWORK"], reason: str, key: str
    ) -> ReviewReport: ...
    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport: ...  # CANCELED | TOO_LATE | NOT_FOUND
    def costs(self, batch: BatchRef) -> Sequence[CostLine]: ...
    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookHint: ...
    def health(self) -> Health: ...
