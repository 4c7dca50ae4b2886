"""Orders at a REST vendor: opening, filling, looking up, taking back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tailfirst.errors import VendorConflict, VendorError
from tailfirst.paths import Workspace
from tailfirst.port import (
    BatchRef,
    BatchSpec,
    CancelReport,
    Idempotency,
    ItemOutcome,
    SubmissionKey,
    SubmitReport,
    TaskRef,
    TaskSpec,
)
from tailfirst.vendors._rest_assets import Attachment, attachments
from tailfirst.vendors._rest_http import Failed, Unanswered, Wire

LIST_PAGE = 1_000
PAGES_MAX = 10_000  # a listing that never ends must not hold a worker for ever
LEFT_OUT = "not in the vendor's answer"


class Orders:
    """The calls about orders; how a key is looked up depends on what the vendor offers."""

    def __init__(self, wire: Wire, ws: Workspace, asset_base_url: str | None, idempotency: Idempotency) -> None:
        self._wire = wire
        self._ws = ws
        self._asset_base_url = asset_base_url
        self._idempotency = idempotency

    def open(self, spec: BatchSpec) -> BatchRef:
        """Find or create; names are unique at the vendor, and a 409 tells which batch has ours."""
        asked = {
            "name": spec.key,
            "project": spec.project.vendor_id,
            "round_no": spec.round_no,
            "purpose": spec.purpose,
            "n_tasks": spec.n_tasks,
            "overlap": spec.overlap,
            "sla_at": spec.sla_at.isoformat(),
            "max_price_micros": spec.max_price.micros,
            "currency": spec.max_price.currency,
        }
        try:
            made = self._wire.read(
                "POST", "batches", asked
            )  # a name is taken once, so asking again opens no second one
        except VendorConflict:
            made = self._wire.read("GET", "batches", params={"name": spec.key})
        return BatchRef(spec.key, str(made["id"]))

    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport:
        """Create what is missing; a vendor that does not refuse a known key is looked at first."""
        known = {} if self._idempotency in {"NATIVE", "NATIVE_TTL"} else self.find(batch, [item.key for item in items])
        ready, bad = attachments(self._ws, [item for item in items if item.key not in known], self._asset_base_url)
        outcomes = [_same(item, known[item.key]) for item in items if item.key in known]
        outcomes += [ItemOutcome(SubmissionKey(key), None, why, "REJECTED") for key, why in bad.items()]
        wanted = [item for item in items if item.key in ready]
        return SubmitReport((*outcomes, *(self._create(batch, wanted, ready) if wanted else ())))

    def find(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> dict[SubmissionKey, TaskRef]:
        """What the batch holds under these keys."""
        if not keys:
            return {}
        rows = self._listed(batch) if self._idempotency == "NONE" else self._searched(batch, keys)
        wanted, found = set(keys), dict[SubmissionKey, TaskRef]()
        for row in rows:
            ref = _ref(row)
            if ref.key in wanted:
                found.setdefault(ref.key, ref)
        return found

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:
        """Take back what nobody has answered."""
        asked = {"task_ids": [ref.vendor_id for ref in refs], "key": key}
        said = self._wire.read("POST", "tasks/cancel", asked)["tasks"]
        return CancelReport(tuple(_canceled(ref, str(said.get(ref.vendor_id, ""))) for ref in refs))

    def _searched(self, batch: BatchRef, keys: Sequence[SubmissionKey]) -> Iterable[dict[str, Any]]:
        path = f"batches/{batch.vendor_id}/tasks/search"
        found: list[dict[str, Any]] = self._wire.read("POST", path, {"unique_ids": list(keys)})["tasks"]
        return found

    def _listed(self, batch: BatchRef) -> Iterator[dict[str, Any]]:
        """Every task of the batch, page by page."""
        after = ""
        for _ in range(PAGES_MAX):
            asked = {"after": after, "limit": str(LIST_PAGE)}
            said = self._wire.read("GET", f"batches/{batch.vendor_id}/tasks", params=asked)
            yield from said["tasks"]
            if said["next"] is None:
                return
            after = str(said["next"])

    def _create(
        self, batch: BatchRef, items: Sequence[TaskSpec], ready: Mapping[str, Attachment]
    ) -> tuple[ItemOutcome, ...]:
        """One call, never repeated here: without an answer it is `find` that settles what happened."""
        asked = {"tasks": [_payload(item, ready[item.key]) for item in items]}
        try:
            entries = self._wire.once("POST", f"batches/{batch.vendor_id}/tasks", asked)["tasks"]
            said = {str(entry["unique_id"]): entry for entry in entries}
        except (Unanswered, Failed) as error:
            return tuple(ItemOutcome(item.key, None, str(error), "UNKNOWN") for item in items)
        except (KeyError, TypeError) as error:
            why = f"an answer that cannot be read: {type(error).__name__}"
            return tuple(ItemOutcome(item.key, None, why, "UNKNOWN") for item in items)
        return tuple(self._outcome(item, said.get(item.key)) for item in items)

    def _outcome(self, item: TaskSpec, entry: Mapping[str, Any] | None) -> ItemOutcome:
        if entry is None:
            return ItemOutcome(item.key, None, LEFT_OUT, "UNKNOWN")
        status, reason = int(entry.get("status", 0)), str(entry.get("reason", ""))
        if status == 201:
            ref = TaskRef(item.key, str(entry["task_id"]), item.payload_sha256, None)
            return ItemOutcome(item.key, ref, "", "CREATED")
        if status == 409:
            return self._conflict(item, entry)
        if 400 <= status < 500:
            return ItemOutcome(item.key, None, reason or f"refused with {status}", "REJECTED")
        return ItemOutcome(item.key, None, reason or f"answered with {status}", "UNKNOWN")

    def _conflict(self, item: TaskSpec, entry: Mapping[str, Any]) -> ItemOutcome:
        """A 409 names a task: get it and compare what it was made of; never overwrite, never guess."""
        try:
            row = self._wire.read("GET", "tasks", params={"unique_id": item.key})
        except VendorError as error:
            why = f"409 for {entry.get('task_id')}, and it cannot be looked up: {error}"
            return ItemOutcome(item.key, None, why, "UNKNOWN")
        return _same(item, _ref(row))


def _same(item: TaskSpec, ref: TaskRef) -> ItemOutcome:
    """A key that is used: by this very purchase, or by another one."""
    if ref.payload_sha256 == item.payload_sha256:
        return ItemOutcome(item.key, ref, "", "EXISTED")
    theirs = (ref.payload_sha256 or "unknown")[:12]
    why = f"the key exists with another payload: {theirs} there, {item.payload_sha256[:12]} here"
    return ItemOutcome(item.key, ref, why, "REJECTED")


def _payload(item: TaskSpec, attachment: Attachment) -> dict[str, object]:
    return {
        "unique_id": item.key,
        "metadata": {"item_id": item.item_id, "item_digest": item.item_digest},
        "purpose": item.purpose,
        "attempt": item.attempt,
        "overlap_slot": item.overlap_slot,
        "payload_sha256": item.payload_sha256,
        "attachment": attachment,
        "prelabel": item.prelabel,
    }


def _ref(row: Mapping[str, Any]) -> TaskRef:
    return TaskRef(SubmissionKey(str(row["unique_id"])), str(row["task_id"]), str(row["payload_sha256"]), None)


def _canceled(ref: TaskRef, said: str) -> ItemOutcome:
    if said == "CANCELED":
        return ItemOutcome(ref.key, ref, "", "CANCELED")
    if said == "TOO_LATE":
        return ItemOutcome(ref.key, ref, "", "TOO_LATE")
    return ItemOutcome(ref.key, ref, said, "NOT_FOUND")
