"""The people outside, for vendors that work by files: they work between two polls and make the faults that files have.

What they did is remembered in a folder, so that a fresh connection meets the same company.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import write_json, write_parquet
from tailfirst.paths import Workspace
from tailfirst.task import save_task
from tests.support.vendors import kit as kits
from tests.support.vendors.files_flaky import Flaky

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
STEP = timedelta(days=1)  # between two polls
LATE_POLLS = 6
PATIENT = ("late_label", "sla_partial")


@dataclass(frozen=True)
class Fault:
    """An armed fault, as specs/vendor.md section 11 writes it."""

    name: str
    rate: float | None = None
    at_call: int | None = None
    items: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    keep: int | None = None
    of: int | None = None
    after_commit: bool = False

    def strikes(self, call: int) -> bool:
        from tailfirst.vendors._simulated_answers import uniform

        return self.at_call == call or uniform(7, self.name, f"call-{call}") < (self.rate or 0.0)

    def hits(self, item_id: str, key: str) -> bool:
        from tailfirst.vendors._simulated_answers import uniform

        if self.items:
            return item_id in self.items
        return uniform(7, self.name, key) < (self.rate or 0.0)


@dataclass
class People:
    """Their memory, their clock and their faults."""

    memory: Path
    faults: tuple[Fault, ...]

    def armed(self, name: str) -> Fault | None:
        return next((f for f in self.faults if f.name == name), None)

    def hit(self, name: str, item_id: str, key: str) -> bool:
        fault = self.armed(name)
        return fault is not None and fault.hits(item_id, key)

    def count(self, what: str) -> int:
        """The 1-based number of this call."""
        seen = self._seen()
        seen[what] = seen.get(what, 0) + 1
        write_json(self.memory, seen)
        return int(seen[what])

    def finish_at(self, poll: int) -> None:
        """Where nobody decided before: what is begun is answered at this poll."""
        write_json(self.memory, {"finish at": poll} | self._seen())

    def polls(self, order_id: str) -> int:
        return int(self._seen().get(f"work {order_id}", 0))

    def at(self, order_id: str, poll: int) -> datetime:
        round_no = int(order_id.split("-")[1])
        return START + timedelta(weeks=round_no) + STEP * poll

    def now(self) -> datetime:
        """Later than everything that happened."""
        works = [(k.removeprefix("work "), n) for k, n in self._seen().items() if k.startswith("work ")]
        return max((self.at(o, int(n)) for o, n in works), default=START) + timedelta(hours=1)

    def due(self, item_id: str, key: str) -> int:
        """At which poll an item is answered."""
        asked = self._seen().get("finish at", 0)
        if asked and self.hit("cancel_too_late", item_id, key):
            return asked  # being asked to stop, they finish
        late = any(self.hit(name, item_id, key) for name in PATIENT)
        return LATE_POLLS if late else 1

    def begun(self, item_id: str, key: str) -> bool:
        """Whether an item is worked on for long: too late to take it back."""
        return any(self.hit(name, item_id, key) for name in ("late_label", "cancel_too_late"))

    def label(self, item_id: str, key: str, revision: int, who: str = "") -> str:
        right = kits.truth(200)[item_id]
        led = self._led(item_id, key, who, right)
        if led is not None:
            return led
        if self.hit("label_unknown_class", item_id, key):
            return f"{right} (retired)"
        changed = self.hit("label_changed", item_id, key)
        others = [c for c in kits.CLASSES if c != right]
        return others[0] if changed and revision == 1 else right

    def _led(self, item_id: str, key: str, who: str, right: str) -> str | None:
        """An answer that hangs on something else than the item."""
        from tailfirst.vendors._simulated_answers import uniform

        spam = self.armed("annotator_spam")
        if spam is not None and who in spam.annotators:
            return kits.CLASSES[int(uniform(7, key, who) * len(kits.CLASSES))]
        place = f"first {item_id}"
        if self.hit("relabel_correlated", item_id, key) and place in self._seen():
            return kits.CLASSES[self._seen()[place]]
        if not self.hit("guideline_ambiguous", item_id, key) or right not in kits.CLASSES[:2]:
            return None
        drawn = int(uniform(7, key, who) * 2)
        write_json(self.memory, {place: drawn} | self._seen())
        return kits.CLASSES[drawn]

    def _seen(self) -> dict[str, int]:
        return dict(json.loads(self.memory.read_text())) if self.memory.exists() else {}


class Staffed:
    """A vendor that works by files, with its people: they work whenever changes are asked for."""

    def __init__(self, vendor: Any, people: People, flaky: Flaky, work: Callable[[str], None]) -> None:
        self.vendor = vendor
        self.people = people
        self.flaky = flaky
        self.work = work

    def ensure_project(self, spec: Any) -> Any:
        with self._service():
            made = self.vendor.ensure_project(spec)
        fault = self.people.armed("ontology_drift")
        if fault is None or not fault.strikes(self.people.count("ensure_project")):
            return made
        name = f"{self.vendor._book._folder}/projects/{made.vendor_id}.json"
        before = self.vendor.store.get(name)
        self.vendor.store.put(name, json.dumps({**json.loads(before), "ontology_digest": "drifted"}).encode())
        try:
            return self.vendor.ensure_project(spec)
        finally:
            self.vendor.store.put(name, before)

    def submit(self, batch: Any, items: Sequence[Any]) -> Any:
        call = self.people.count("submit")
        conflict = [i for i in items if self.people.hit("conflict_409", i.item_id, i.key)]
        if conflict:
            self.vendor.submit(batch, conflict)  # an earlier run got that far, and nobody wrote it down
        with self._broken(call):
            return self.vendor.submit(batch, items)

    def changes(self, batch: Any, cursor: Any) -> Any:
        with self._service():
            self.work(batch.vendor_id)
            return self.vendor.changes(batch, cursor)

    def cancel(self, refs: Sequence[Any], key: str) -> Any:
        with self._service():
            said = self.vendor.cancel(refs, key)
        for order_id in {ref.vendor_id.partition("/")[0] for ref in refs if self.people.armed("cancel_too_late")}:
            self.people.finish_at(self.people.polls(order_id) + 1)
        return said

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.vendor, name)
        if name not in {"open_batch", "finalize", "find", "costs", "health"}:
            return method

        def call(*args: Any) -> Any:
            with self._service():
                return method(*args)

        return call

    @contextmanager
    def _service(self) -> Iterator[None]:
        """The store is down, busy or refuses, for one call."""
        errors: Mapping[str, OSError] = {
            "vendor_down": ConnectionRefusedError("the store is down"),
            "rate_limited": OSError(16, "slow down"),
            "auth_revoked": PermissionError("the key was revoked"),
        }
        armed = [f for f in self.people.faults if f.name in errors]
        call = self.people.count("any") if armed else 0
        error = next((errors[f.name] for f in armed if f.strikes(call)), None)

        def fail() -> None:
            if error is not None:
                raise error

        self.flaky.on_any = fail
        try:
            yield
        finally:
            self.flaky.on_any = lambda: None

    @contextmanager
    def _broken(self, call: int) -> Iterator[None]:
        """The connection breaks while tasks are written: before the first part, after its commit, or midway."""
        timeout, partial = self.people.armed("create_timeout"), self.people.armed("batch_partial")
        commits = 0

        def write(_: int, path: str, when: str) -> None:
            nonlocal commits
            commit, done = "/commits/" in path, when == "after"
            if timeout and timeout.strikes(call) and (commit and done if timeout.after_commit else not done):
                raise TimeoutError("the call timed out")
            if partial and partial.strikes(call) and commits and not done:
                raise TimeoutError("the connection broke")
            commits += int(commit and done)

        self.flaky.on_write = write
        try:
            with self._service():
                yield
        finally:
            self.flaky.on_write = lambda *_: None


def write_folder(root: Path) -> Workspace:
    """A task folder with the kit's items as texts, unless there is one."""
    ws = Workspace(root)
    if not ws.items.exists():
        rows = [
            {"item_id": one.item_id, "sha256": one.item_digest, "role": "pool", "text": f"item {n}", "source": "kit"}
            for n in range(60)
            for one in [kits.spec(n)]
        ]
        save_task(kits.ONTOLOGY, ws.task)
        write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))
    return ws


def faults_of(given: Sequence[Mapping[str, Any]]) -> tuple[Fault, ...]:
    several = ("items", "annotators")
    return tuple(Fault(**{**f, **{name: tuple(f.get(name, ())) for name in several}}) for f in given)


FAULTS = frozenset(
    {
        "create_timeout", "conflict_409", "batch_partial", "duplicate_event", "out_of_order", "sla_partial",
        "late_label", "label_changed", "label_unknown_class", "ontology_drift", "payload_malformed", "answers_swapped",
        "asset_unreachable", "vendor_down", "rate_limited", "auth_revoked", "cancel_too_late", "machine_labeled",
        "clock_skew", "export_truncated", "cursor_skip", "annotator_spam", "guideline_ambiguous", "relabel_correlated",
    }
)  # fmt: skip
NO_PUSH = "a store sends nothing: Capabilities.push is NONE and polling is the only way"
ABSENT: Mapping[str, str] = {
    "token_expired": "keys are objects of ours that never age: Capabilities.idempotency is EMULATED",
    "double_worker": "of our own side: nothing at the vendor makes it",
    "zombie_worker": "of our own side: nothing at the vendor makes it",
    "webhook_lost": NO_PUSH,
    "webhook_forged": NO_PUSH,
    "webhook_early": NO_PUSH,
    "balance_empty": "a store keeps no balance: Capabilities.cost is NONE",
    "price_changed": "the price list is ours, in params.yaml, and the quote says until when it holds",
    "invoice_mismatch": "no statement is read: Capabilities.cost is NONE",
    "gold_leaked": "gold is mixed in by the core and looks like the rest: Capabilities.gold is False",
    "vendor_retention": "the store is ours: nobody else deletes there",
    "prelabel_anchoring": "no guess is shown: Capabilities.prelabels is False",
}
