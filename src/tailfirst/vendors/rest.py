"""A labeling vendor with a Scale-like REST API: unique ids, staged batches, cursors, signed callbacks.

The fake vendor (`tailfirst fake-vendor`) speaks it; a real one of this shape needs other paths and names at most. The
key comes from TAILFIRST_REST_API_KEY, the secrets of callbacks from TAILFIRST_WEBHOOK_SECRETS (two while they change).
"""

import json
import ssl
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.config import Settings
from tailfirst.errors import AuthRefused, ConfigError, Gone, VendorError
from tailfirst.paths import Workspace
from tailfirst.port import (
    BatchRef,
    BatchSpec,
    CancelReport,
    Capabilities,
    CostLine,
    Cursor,
    Health,
    Idempotency,
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
    WebhookHint,
    Workforce,
)
from tailfirst.vendors import _simulated_wire as format_
from tailfirst.vendors._rest_http import Wire
from tailfirst.vendors._rest_orders import Orders
from tailfirst.vendors._rest_pages import Place
from tailfirst.vendors._rest_results import exported
from tailfirst.webhooks.signing import several, verify

PARSER_VERSION = "rest/1"
BODY_MAX = 1_000_000  # bytes of a callback; a hint needs a fraction of it


class Params(BaseModel):
    """Options of `vendor: {plugin: rest, ...}`: the address, and what the contract with the vendor says it can do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(pattern=r"^https?://")
    timeout_s: float = Field(30.0, gt=0, le=600)
    overlap_s: float = Field(120.0, ge=60)  # read again before the end of the last listing; larger behind replicas
    page_size: int = Field(1_000, ge=1, le=5_000)
    max_batch: int = Field(200, ge=1, le=5_000)
    asset_base_url: str | None = None  # where the vendor can load images by item id; null = bytes are sent along
    idempotency: Idempotency = "NATIVE"
    idempotency_ttl_s: int = Field(86_400, ge=1)  # NATIVE_TTL only
    overlap_max: int = Field(5, ge=1)
    cancel: Literal["QUEUED", "ANY", "NONE"] = "QUEUED"
    review: bool = False
    rework: bool = False
    prelabels: bool = True
    gold: bool = True
    push: Literal["NONE", "SIGNED"] = "SIGNED"
    retention_days: int | None = Field(None, ge=1)
    workforce: Workforce = "CONTRACTED"
    simulated_clock: bool = False  # the fake vendor's people live in their own time


def load(params: Params, ws: Workspace, settings: Settings) -> "RestVendor":
    """The vendor behind an address.

    Raises:
        ConfigError: No key in the environment.
    """
    if settings.rest_api_key is None:
        raise ConfigError("vendor rest: no key; set TAILFIRST_REST_API_KEY in the environment or in .env")
    given = settings.webhook_secrets
    secrets = several(given.get_secret_value() if given else None)
    return RestVendor(params, ws, settings.rest_api_key.get_secret_value(), secrets)


class RestVendor:
    """The port's face of a REST vendor: it only translates."""

    name = "rest"
    parser_version = PARSER_VERSION

    def __init__(
        self,
        params: Params,
        ws: Workspace,
        key: str,
        secrets: Sequence[str] = (),
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.params = params
        self.simulated_clock = params.simulated_clock  # then its times must not be compared with ours
        self._secrets = tuple(secrets)
        self._now = now
        client = httpx.Client(
            base_url=params.base_url.rstrip("/") + "/v1/", auth=(key, ""), timeout=params.timeout_s,
            transport=transport, trust_env=False, follow_redirects=False, verify=_authorities(),
        )  # fmt: skip
        weakref.finalize(self, client.close)  # nobody closes a vendor; its connections end with it
        self._wire = Wire(client, sleep)
        self._orders = Orders(self._wire, ws, params.asset_base_url, params.idempotency)

    def capabilities(self) -> Capabilities:
        """What the contract says."""
        offered = self.params
        ttl = offered.idempotency_ttl_s if offered.idempotency == "NATIVE_TTL" else None
        return Capabilities(
            idempotency=offered.idempotency, idempotency_ttl_s=ttl, key_max_chars=128, max_batch=offered.max_batch,
            staging=True, cancel=offered.cancel, review=offered.review, rework=offered.rework,
            prelabels=offered.prelabels, gold=offered.gold, overlap_max=offered.overlap_max, dynamic_overlap=False,
            push=offered.push, revisions=True, cost="PER_TASK", retention_days=offered.retention_days,
            workforce=offered.workforce,
        )  # fmt: skip

    def ensure_project(self, spec: ProjectSpec) -> ProjectRef:
        """Find or create, by ontology digest."""
        asked = {
            "name": spec.project,
            "ontology_digest": spec.ontology_digest,
            "ontology_version": spec.ontology_version,
        }
        made = self._wire.read("POST", "projects", asked)  # named by us: the same one however often it is asked for
        return ProjectRef(self.name, str(made["id"]), str(made["ontology_digest"]))

    def quote(self, batch: BatchSpec) -> Quote:
        """The vendor's price for a batch."""
        asked = {
            "purpose": batch.purpose,
            "n_tasks": batch.n_tasks,
            "overlap": batch.overlap,
            "sla_at": batch.sla_at.isoformat(),
        }
        said = self._wire.read("POST", "quotes", asked)
        return Quote(
            total=Money(int(said["total_micros"]), str(said["currency"])),
            per_task=Money(int(said["per_task_micros"]), str(said["currency"])),
            basis=str(said["basis"]),
            valid_until=format_.moment(said["valid_until"]),
        )

    def open_batch(self, spec: BatchSpec) -> BatchRef:
        """Find or create, by batch key: the vendor refuses a second batch of the same name and tells us the first."""
        return self._orders.open(spec)

    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport:
        """Create labeling tasks; every requested key comes back exactly once, UNKNOWN where no answer came.

        Raises:
            Throttled, AuthRefused, QuotaExceeded: The vendor refused the whole call; nothing was created.
        """
        return self._orders.submit(batch, items)

    def finalize(self, batch: BatchRef) -> None:
        """Close the staging phase: the people start."""
        self._wire.read("POST", f"batches/{batch.vendor_id}/finalize")

    def find(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Mapping[SubmissionKey, TaskRef]:
        """What exists under these keys: by search, or by listing the batch where the vendor cannot search.

        Raises:
            Gone: One of them was deleted after the retention time.
        """
        return self._orders.find(batch, keys)

    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]:
        """A page of what changed since the cursor, less the overlap window."""
        place, overlap_s = Place.of(cursor), self.params.overlap_s
        asked = {"limit": str(self.params.page_size), **place.asks(overlap_s)}
        said = self._wire.read("GET", f"batches/{batch.vendor_id}/changes", params=asked)
        events = tuple(_event(row) for row in place.fresh(said["changes"]))
        after = place.after(said, overlap_s)
        return Page(events, after.cursor(), bool(after.page))

    def fetch(self, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
        """Every revision of each labeling task's result; nothing for those without one.

        Raises:
            Gone: One of them was deleted after the retention time.
            Retryable: The export came back cut, however small it was asked for.
        """
        ids = list(dict.fromkeys(ref.vendor_id for ref in refs))
        for start in range(0, len(ids), self.params.page_size):
            yield from exported(self._wire, ids[start : start + self.params.page_size], self._now)

    def parse(self, raw: RawResult, ontology: Ontology) -> ParsedResult:
        """Annotations from bytes; pure.

        Raises:
            InvalidDelivery: Not the vendor's format.
        """
        return format_.parse(raw, ontology, PARSER_VERSION)

    def review(
        self, ref: TaskRef, verdict: Literal["ACCEPT", "REJECT", "REWORK"], reason: str, key: str
    ) -> ReviewReport:
        """A verdict on an answer; the same key twice is one verdict."""
        asked = {"verdict": verdict, "reason": reason, "key": key}
        try:
            self._wire.read("POST", f"tasks/{ref.vendor_id}/review", asked)
        except Gone as error:
            return ReviewReport((ItemOutcome(ref.key, ref, str(error), "NOT_FOUND"),))
        return ReviewReport((ItemOutcome(ref.key, ref, "", "REVIEWED"),))

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:
        """Take back what has no result yet; harmless to repeat."""
        return self._orders.cancel(refs, key)

    def costs(self, batch: BatchRef) -> Sequence[CostLine]:
        """The lines of the vendor's money book for an order: charged when the answers are in."""
        return self._lines(batch, "charges")

    def statement(self, batch: BatchRef) -> Sequence[CostLine]:
        """The lines of the vendor's invoice for an order, as INVOICED: what `reconcile` compares with the ledger."""
        return self._lines(batch, "statement")

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookHint:
        """Check a callback by its signature and its age; what it says is a hint and no more.

        Raises:
            AuthRefused: Too large, not signed with one of our secrets, stale, or signed and yet unreadable.
            ConfigError: No secret is set.
        """
        if len(body) > BODY_MAX:
            raise AuthRefused(f"a callback of {len(body)} bytes; at most {BODY_MAX} are read")
        signed = verify(self._secrets, headers, body, now)
        try:
            ids = json.loads(body)["task_ids"]
            return WebhookHint(signed.delivery_id, tuple(map(str, ids)), signed.sent_at)
        except (ValueError, KeyError, TypeError) as error:
            raise AuthRefused(f"a signed callback that is no hint: {type(error).__name__}") from error

    def health(self) -> Health:
        """Whether the vendor answers to our key."""
        try:
            said = self._wire.read("GET", "health")
        except VendorError as error:
            return Health(ok=False, checked_at=self._now(), detail=str(error))
        return Health(ok=bool(said["ok"]), checked_at=self._now(), detail=self.params.base_url)

    def _lines(self, batch: BatchRef, which: str) -> tuple[CostLine, ...]:
        said = self._wire.read("GET", f"batches/{batch.vendor_id}/{which}")
        return tuple(
            format_.cost_line(
                str(line["line_id"]), line["unique_id"], batch.key, int(line["amount_micros"]), str(line["currency"]),
                str(line["at"]), str(line["kind"]),
            )
            for line in said["lines"]
        )  # fmt: skip


@cache
def _authorities() -> ssl.SSLContext:
    """Whose certificates count; reading them takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def _event(row: Mapping[str, Any]) -> VendorEvent:
    key = SubmissionKey(str(row["unique_id"])) if row["unique_id"] else None
    kind = format_.event_kind(str(row["kind"]))
    return VendorEvent(key, str(row["task_id"]), kind, str(row["revision"]), format_.moment(row["updated_at"]))
