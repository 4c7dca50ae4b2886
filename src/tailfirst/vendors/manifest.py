"""The manifest vendor: a company, or a Ground Truth labeling job, that works by files on a store it shares with us.

    ours/          our memory of orders (`_files_book`); nobody else needs it
    items/         images, under their content's hash; the vendor reads
    to-vendor/     per order: input manifests, their ready markers (written last), taken-back tasks; the vendor reads
    from-vendor/   per order: output manifests, worker responses, statements; the vendor writes, we read

No review, no webhooks, no native keys (docs/files-vendors.md).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.config import Settings
from tailfirst.paths import Workspace
from tailfirst.port import (
    BatchRef,
    CancelReport,
    Capabilities,
    CostLine,
    Cursor,
    Health,
    Ontology,
    Page,
    ParsedResult,
    RawResult,
    SubmitReport,
    TaskRef,
    TaskSpec,
    VendorEvent,
)
from tailfirst.vendors import _files_acts as acts
from tailfirst.vendors import _manifest_wire as wire
from tailfirst.vendors._files_book import Line, line_of, task_id
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Entry, Store
from tailfirst.vendors._files_vendor import FilesVendor
from tailfirst.vendors._manifest_handover import hand_over, shown_url, tell_canceled, waves
from tailfirst.vendors._manifest_outputs import Output, Outputs
from tailfirst.vendors._manifest_params import Params
from tailfirst.vendors._manifest_results import Result, event, first_revisions, results

__all__ = ["ManifestVendor", "Params", "load"]


def load(params: Params, ws: Workspace, settings: Settings) -> "ManifestVendor":  # noqa: ARG001 - shape of every load
    """The manifest vendor of a workspace.

    Raises:
        ConfigError: No file system for the URL's protocol.
    """
    options = dict(params.options)
    if params.endpoint_url:
        options["endpoint_url"] = params.endpoint_url
    return ManifestVendor(params, Store(params.url or (ws.vendor / "manifest").absolute().as_uri(), options), Shelf(ws))


class ManifestVendor(FilesVendor[Params]):
    """The port's face of a store: it only translates."""

    name = "manifest"
    parser_version = wire.PARSER_VERSION
    why_no_reviews = "a file store takes no reviews"
    who_sends_none = "a file store"

    def __init__(
        self, params: Params, store: Store, shelf: Shelf, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(params, store, shelf, "ours", now)
        self._outputs = Outputs(store, self._settled)

    def capabilities(self) -> Capabilities:
        """What a vendor that works by manifests can do."""
        return Capabilities(
            idempotency="EMULATED", idempotency_ttl_s=None, key_max_chars=128, max_batch=self.params.max_batch,
            staging=True, cancel="ANY", review=False, rework=False, prelabels=False, gold=False, overlap_max=9,
            dynamic_overlap=False, push="NONE", revisions=True,
            cost="PER_BATCH" if self.params.statement else "NONE", retention_days=self.params.retention_days,
            workforce=self.params.workforce,
        )  # fmt: skip

    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport:
        """Copy what is shown, then commit the tasks in parts; every requested key comes back exactly once.

        Raises:
            VendorError: The store could not be read; nothing was written.
        """
        return acts.submit(self._book, batch, items, self._line)

    def finalize(self, batch: BatchRef) -> None:
        """Hand over what is committed and not handed over yet: an input manifest, then its ready marker."""
        order = self._book.order(batch.vendor_id)
        handed = {key for keys in waves(self.store, order.order_id).values() for key in keys}
        gone, tasks = self._book.canceled(order.order_id), self._book.tasks(order.order_id)
        lines = [line for key, line in sorted(tasks.items()) if key not in handed and line.task_id not in gone]
        if lines:
            hand_over(self.store, order, self._book.project(order.project), lines)

    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]:
        """The answers in output manifests that the cursor does not hold; the cursor is a listing, names and tags.

        What one poll misses the next one finds: an object counts as read only with the tag under which it was read
        whole. Without checksums in the listing young objects are read again (`overlap_s`).
        """
        seen: dict[str, str] = json.loads(cursor) if cursor else {}
        outputs = self._output_manifests(batch.vendor_id, sweep=cursor is None)
        found = self._results(batch.vendor_id, outputs)
        first = first_revisions(found)
        changed = {o.entry.name for o in outputs if seen.get(o.entry.name) != o.entry.tag}
        now_seen = {o.entry.name: o.entry.tag for o in outputs if o.final}
        events = tuple(event(r, first) for r in found if r.entry.name in changed)
        return Page(events, Cursor(canonical_json(now_seen)), more=False)

    def fetch(self, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
        """Every answered line of each task, as it stands, with its worker responses; nothing for those without one."""
        for order_id, some in acts.by_order(refs).items():
            found = self._results(order_id, self._output_manifests(order_id))
            wanted = {ref.vendor_id for ref in some}
            workers = self._workers(order_id) if wanted & {r.vendor_id for r in found} else {}
            told: set[tuple[str, str]] = set()
            for result in found:
                if result.vendor_id in wanted and (result.vendor_id, result.revision) not in told:
                    told.add((result.vendor_id, result.revision))  # a copy of a line is the same result
                    yield self._raw(order_id, result, workers.get(result.key or "", []))

    def parse(self, raw: RawResult, ontology: Ontology) -> ParsedResult:
        """Annotations from bytes; pure.

        Raises:
            InvalidDelivery: Not our format.
        """
        return wire.parse(raw, ontology)

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:
        """Take back what has no answer yet, and tell the vendor in `to-vendor/<order>/canceled.json`."""
        return acts.cancel(self._book, refs, key, self._begun, self._tell_canceled)

    def costs(self, batch: BatchRef) -> Sequence[CostLine]:
        """The vendor's statement, or what the price list says about the tasks that are answered.

        Raises:
            InvalidDelivery: The statement cannot be read.
        """
        if self.params.statement:
            return self._outputs.statement(batch.vendor_id, batch.key)
        order, tasks = self._book.order(batch.vendor_id), self._book.tasks(batch.vendor_id)
        first = first_revisions(self._results(batch.vendor_id, self._output_manifests(batch.vendor_id)))
        answered = {key: r.at for key, r in first.items()}
        return acts.estimates(batch, order, tasks, answered, self.params.price_micros.of, self.params.currency)

    def health(self) -> Health:
        """Whether the store answers.

        Raises:
            VendorError: It does not, or refuses.
        """
        self.store.check()
        return Health(ok=True, checked_at=self._now(), detail=f"manifests below {self.store.url}")

    def _line(self, spec: TaskSpec) -> Line | str:
        shown = self._shelf.show(spec)
        if isinstance(shown, str):
            return shown
        file = None
        if shown.data is not None:
            file = f"items/{shown.name}"
            if not self.store.has(file, len(shown.data)):
                self.store.put(file, shown.data)
        line = line_of(spec, shown.text, shown.url, file)
        chars = len(wire.input_line(line, shown_url(self.store, line)))
        return line if chars <= wire.MAX_LINE_CHARS else f"{chars} characters; a line takes {wire.MAX_LINE_CHARS:,}"

    def _output_manifests(self, order_id: str, *, sweep: bool = False) -> list[Output]:
        return self._outputs.of(order_id, wire.attribute(order_id), sweep=sweep)

    def _results(self, order_id: str, outputs: Sequence[Output]) -> list[Result]:
        return results(order_id, outputs, self._book.tasks(order_id), self._book.canceled(order_id))

    def _settled(self, entry: Entry) -> bool:
        age = self._age_s(entry)
        return entry.sure or age is None or age > self.params.overlap_s

    def _workers(self, order_id: str) -> dict[str, list[wire.Worker]]:
        found: dict[str, list[wire.Worker]] = {}
        for wave, keys in waves(self.store, order_id).items():
            for row, workers in self._outputs.workers(order_id, wave).items():
                if row < len(keys):
                    found[keys[row]] = workers
        return found

    def _raw(self, order_id: str, result: Result, workers: Sequence[wire.Worker]) -> RawResult:
        body = result.line.raw
        if result.key is not None:
            body = wire.body_of(wire.attribute(order_id), body, [self._outputs.text(w) for w in workers])
        headers = (("object", result.entry.name), ("tag", result.entry.tag))
        return RawResult(
            result.submission, result.vendor_id, result.revision, body, sha256_bytes(body), headers, self._now()
        )

    def _begun(self, order_id: str) -> frozenset[str]:
        found = self._results(order_id, self._output_manifests(order_id))
        answered = {r.key for r in found if r.key is not None}
        return frozenset(map(task_id, answered | self._outputs.started(order_id)))

    def _tell_canceled(self, order_id: str) -> None:
        gone, tasks = self._book.canceled(order_id), self._book.tasks(order_id)
        tell_canceled(self.store, order_id, [key for key, line in tasks.items() if line.task_id in gone])
