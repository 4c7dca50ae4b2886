"""The spreadsheet vendor: people without a platform get a file, fill it in and save it; that is all.

    <folder>/<order>/label-me-*.csv, classes.csv, README.txt, images/    for people
    <folder>/.tailfirst/                                                 our memory, and every save of every sheet

docs/files-vendors.md tells how a round goes.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from tailfirst.artifacts import sha256_bytes
from tailfirst.config import Settings
from tailfirst.errors import InvalidDelivery
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
    SubmissionKey,
    SubmitReport,
    TaskRef,
    TaskSpec,
    VendorEvent,
)
from tailfirst.vendors import _csv_wire as wire
from tailfirst.vendors import _files_acts as acts
from tailfirst.vendors._csv_handout import hand_out, withdrawn
from tailfirst.vendors._csv_params import Params
from tailfirst.vendors._csv_saves import History, Result, Saves, Told
from tailfirst.vendors._csv_sheet import MAX_CELL_CHARS
from tailfirst.vendors._files_book import Line, Order, line_of, task_id, vendor_id
from tailfirst.vendors._files_items import Shelf
from tailfirst.vendors._files_store import Entry, Store
from tailfirst.vendors._files_vendor import FilesVendor

__all__ = ["Params", "SpreadsheetVendor", "load"]

OURS = ".tailfirst"


def load(params: Params, ws: Workspace, settings: Settings) -> "SpreadsheetVendor":  # noqa: ARG001 - shape of every load
    """The spreadsheet vendor of a workspace."""
    folder = (ws.root / params.folder).absolute() if params.folder else (ws.vendor / "csv").absolute()
    return SpreadsheetVendor(params, Store(folder.as_uri()), Shelf(ws))


class SpreadsheetVendor(FilesVendor[Params]):
    """The port's face of a folder with sheets: it only translates."""

    name = "csv"
    parser_version = wire.PARSER_VERSION
    why_no_reviews = "a spreadsheet takes no reviews"
    who_sends_none = "a folder"
    by_hand = True  # somebody must do something outside: `tailfirst status` shows health().detail

    def __init__(
        self, params: Params, store: Store, shelf: Shelf, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(params, store, shelf, OURS, now)
        self._saves = Saves(store, OURS, self._settled, now)

    def capabilities(self) -> Capabilities:
        """What people with a spreadsheet can do."""
        return Capabilities(
            idempotency="EMULATED", idempotency_ttl_s=None, key_max_chars=128, max_batch=self.params.max_batch,
            staging=True, cancel="ANY", review=False, rework=False, prelabels=False, gold=False, overlap_max=9,
            dynamic_overlap=False, push="NONE", revisions=True, cost="NONE", retention_days=None,
            workforce=self.params.workforce,
        )  # fmt: skip

    def submit(self, batch: BatchRef, items: Sequence[TaskSpec]) -> SubmitReport:
        """Commit the tasks in parts; the sheet is written by `finalize`. Every requested key comes back exactly once.

        Raises:
            VendorError: The folder could not be read; nothing was written.
        """
        return acts.submit(self._book, batch, items, lambda spec: self._line(batch.vendor_id, spec))

    def finalize(self, batch: BatchRef) -> None:
        """Write the sheets of what is committed and not handed out yet."""
        order = self._book.order(batch.vendor_id)
        handed = self._handed(order.order_id)
        gone, tasks = self._book.canceled(order.order_id), self._book.tasks(order.order_id)
        lines = [line for key, line in sorted(tasks.items()) if key not in handed and line.task_id not in gone]
        if lines:
            hand_out(self.store, OURS, order, self._book.project(order.project), lines, self.params.delimiter)

    def changes(self, batch: BatchRef, cursor: Cursor | None) -> Page[VendorEvent]:
        """Archive what people saved since, then list the answers in it; the cursor counts saves.

        Raises:
            InvalidDelivery: The newest save of a sheet cannot be believed, and nothing else is new; says which rows.
        """
        self._saves.keep(batch.vendor_id, sweep=cursor is None)
        order, history = self._read(batch.vendor_id)
        after = int(cursor) if cursor else 0
        fresh = [t for t in history.told if t.save > after and self._ready(order, t.result)]
        if not fresh and history.refused:
            raise InvalidDelivery("; ".join(f"{why}: mend it and save again" for why in history.refused.values()))
        return Page(tuple(self._event(batch.vendor_id, t) for t in fresh), Cursor(str(history.saves)), more=False)

    def fetch(self, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
        """Every revision of each task's answers, in the order in which they were saved; nothing without an answer."""
        for order_id, some in acts.by_order(refs).items():
            order, history = self._read(order_id)
            wanted = {ref.vendor_id for ref in some}
            for result in history.results:
                name = vendor_id(order_id, result.key)
                if name in wanted and self._ready(order, result):
                    yield RawResult(
                        SubmissionKey(result.key), name, result.revision, result.body, sha256_bytes(result.body),
                        (("content-type", "application/json"),), self._now(),
                    )  # fmt: skip

    def parse(self, raw: RawResult, ontology: Ontology) -> ParsedResult:
        """Annotations from bytes; pure.

        Raises:
            InvalidDelivery: Not our format.
        """
        return wire.parse(raw, ontology)

    def cancel(self, refs: Sequence[TaskRef], key: str) -> CancelReport:
        """Take back rows that nobody has begun, and say so in WITHDRAWN.txt beside the sheet."""
        return acts.cancel(self._book, refs, key, self._begun, self._tell_withdrawn)

    def costs(self, batch: BatchRef) -> Sequence[CostLine]:
        """What our price list says about the rows that are answered."""
        order, history = self._read(batch.vendor_id)
        first: dict[str, datetime] = {}
        for result in history.results:
            if self._ready(order, result):
                first.setdefault(result.key, result.at)
        tasks = self._book.tasks(batch.vendor_id)
        return acts.estimates(batch, order, tasks, first, self.params.price_micros.of, self.params.currency)

    def health(self) -> Health:
        """Whether the folder can be used, and, for people, what lies there to be filled in."""
        self.store.check()
        return Health(ok=True, checked_at=self._now(), detail=self._to_do())

    def _line(self, order_id: str, spec: TaskSpec) -> Line | str:
        shown = self._shelf.show(spec)
        if isinstance(shown, str):
            return shown
        if shown.text is not None and len(shown.text) > MAX_CELL_CHARS:
            return f"a text of {len(shown.text):,} characters; a cell holds {MAX_CELL_CHARS:,}"
        file = None
        if shown.data is not None:
            file = f"images/{shown.name}"
            if not self.store.has(f"{order_id}/{file}", len(shown.data)):
                self.store.put(f"{order_id}/{file}", shown.data)
        return line_of(spec, shown.text, shown.url, file)

    def _read(self, order_id: str) -> tuple[Order, History]:
        order, tasks = self._book.order(order_id), self._book.tasks(order_id)
        gone = self._book.canceled(order_id)
        asked = self._shelf.task_at(str(self._book.project(order.project)["ontology_version"]))
        return order, self._saves.history(order_id, tasks, gone, asked, order.overlap)

    def _ready(self, order: Order, result: Result) -> bool:
        """All copies are answered; after the SLA what there is must do."""
        return result.n >= order.overlap or self._now() > datetime.fromisoformat(order.sla_at)

    def _event(self, order_id: str, told: Told) -> VendorEvent:
        result = told.result
        return VendorEvent(
            SubmissionKey(result.key), vendor_id(order_id, result.key), told.kind, result.revision, told.at
        )

    def _settled(self, entry: Entry) -> bool:
        age = self._age_s(entry)
        return age is None or age > self.params.young_s

    def _handed(self, order_id: str) -> set[str]:
        notes = self.store.listing(f"{OURS}/orders/{order_id}/handed")
        return {key for note in notes for key in json.loads(self.store.get(note.name) or b"{}")["keys"]}

    def _begun(self, order_id: str) -> frozenset[str]:
        self._saves.keep(order_id, sweep=True)
        return frozenset(task_id(key) for key in self._read(order_id)[1].begun)

    def _tell_withdrawn(self, order_id: str) -> None:
        gone, tasks = self._book.canceled(order_id), self._book.tasks(order_id)
        withdrawn(self.store, order_id, [key for key, line in tasks.items() if line.task_id in gone])

    def _to_do(self) -> str:
        """The newest order's sheets, how far they are and what is wrong, as of the last poll; writes nothing."""
        orders = sorted({e.name.split("/")[2] for e in self.store.listing(f"{OURS}/orders")})
        if not orders:
            return f"no sheet yet; it will lie below {self.store.root}"
        order_id = orders[-1]
        order, history = self._read(order_id)
        handed = self._handed(order_id)
        if not handed:
            return f"the sheet of {order_id} is not written yet; it will lie below {self.store.root}"
        done = len({r.key for r in history.results if self._ready(order, r)})
        said = f"{done} of {len(handed)} items read back; fill in the column label of label-me-*.csv in "
        wrong = "".join(f"; NOT READ: {why}" for why in history.refused.values())
        return f"{said}{self.store.root}/{order_id} (README.txt there says how) and save as CSV{wrong}"
