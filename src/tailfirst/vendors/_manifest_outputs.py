"""What the other side wrote: output manifests, worker responses, statements. Read only, and only what is whole."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import BatchKey, CostLine, Money, SubmissionKey
from tailfirst.vendors._files_store import Entry, Store
from tailfirst.vendors._manifest_wire import Out, Worker, moment, output_line

FOLDER = "from-vendor"
MANIFESTS = (".manifest", ".jsonl")
DONE = ".done.json"
WORKER = re.compile(r"/annotations/worker-response/iteration-\d+/(\d+)/[^/]+\.json$")
STATEMENT = re.compile(r"(^|/)statement[^/]*\.jsonl$")
STARTED = re.compile(r"(^|/)started[^/]*\.json$")
KINDS: Mapping[str, Literal["ACCRUED", "INVOICED", "ADJUSTED"]] = {
    "ACCRUED": "ACCRUED",
    "INVOICED": "INVOICED",
    "ADJUSTED": "ADJUSTED",
}


@dataclass(frozen=True, slots=True)
class Output:
    """An output manifest: its whole lines; `final` False where it must be read again, whatever its tag says."""

    entry: Entry
    lines: tuple[Out, ...]
    final: bool


class Outputs:
    """The vendor's objects of an order."""

    def __init__(self, store: Store, settled: Callable[[Entry], bool]) -> None:
        """Nothing is read yet; `settled` says whether a tag can be trusted to change with the bytes."""
        self._store = store
        self._settled = settled
        self._read: dict[tuple[str, str], Output] = {}  # by name and tag; the newest of each name only

    def of(self, order_id: str, attr: str, *, sweep: bool = False) -> list[Output]:
        """Every output manifest, by name; a sweep reads again also what has not changed by its tag."""
        entries = self._store.listing(f"{FOLDER}/{order_id}")
        names = {e.name for e in entries}
        found = []
        for entry in entries:
            if not entry.name.endswith(MANIFESTS) or STATEMENT.search(entry.name) or WORKER.search(entry.name):
                continue
            place = (entry.name, entry.tag)
            if place not in self._read or not self._read[place].final or sweep:
                made = self._output(entry, attr, has_done=entry.name + DONE in names)
                self._read = {p: o for p, o in self._read.items() if p[0] != entry.name} | {place: made}
            found.append(self._read[place])
        return found

    def workers(self, order_id: str, wave: str) -> dict[int, list[Worker]]:
        """Where the worker responses of a wave lie, by line of its input manifest; texts are not read yet."""
        found: dict[int, list[Worker]] = {}
        for entry in self._store.listing(f"{FOLDER}/{order_id}/{wave}"):
            match = WORKER.search(entry.name)
            if match:
                found.setdefault(int(match[1]), []).append(Worker(entry.name, ""))
        return found

    def text(self, worker: Worker) -> Worker:
        """A worker response with its text; bytes that are no UTF-8 stay visible as such, and fail to parse."""
        data = self._store.get(worker.name) or b""
        return Worker(worker.name.rpartition("/")[2], data.decode("utf-8", "backslashreplace"))

    def started(self, order_id: str) -> frozenset[str]:
        """Submission keys that the vendor says can no longer be taken back: {"keys": [...]} in started*.json."""
        found: set[str] = set()
        for entry in self._store.listing(f"{FOLDER}/{order_id}"):
            if STARTED.search(entry.name):
                found |= set(json.loads(self._store.get(entry.name) or b"{}").get("keys", ()))
        return frozenset(found)

    def statement(self, order_id: str, batch: BatchKey) -> tuple[CostLine, ...]:
        """What the vendor says it charges: JSON lines {line_id, amount_micros, currency, at, key?, kind?}.

        Raises:
            InvalidDelivery: A line is not like that; says which.
        """
        lines: dict[str, CostLine] = {}
        for entry in self._store.listing(f"{FOLDER}/{order_id}"):
            if STATEMENT.search(entry.name):
                rows = (self._store.get(entry.name) or b"").split(b"\n")
                for number, row in enumerate(rows, start=1):
                    if row.strip():
                        line = _cost(entry.name, number, row, batch)
                        lines.setdefault(line.line_id, line)
        return tuple(lines.values())

    def _output(self, entry: Entry, attr: str, *, has_done: bool) -> Output:
        data = self._store.get(entry.name) or b""
        if has_done:
            done = json.loads(self._store.get(entry.name + DONE) or b"{}")
            rows = [row for row in data.split(b"\n") if row.strip()]
            if (sha256_bytes(data), len(rows)) != (done.get("sha256"), done.get("lines")):
                return Output(entry, (), final=False)  # cut, or the marker is of another version: nothing is believed
            return Output(entry, tuple(output_line(row, attr) for row in rows), final=self._settled(entry))
        rows = [row for row in data.split(b"\n") if row.strip()]
        cut = bool(rows) and not data.endswith(b"\n") and not _is_json(rows[-1])
        lines = tuple(output_line(row, attr) for row in (rows[:-1] if cut else rows))
        return Output(entry, lines, final=not cut and self._settled(entry))


def _is_json(row: bytes) -> bool:
    try:
        json.loads(row)
    except ValueError:
        return False
    return True


def _cost(name: str, number: int, row: bytes, batch: BatchKey) -> CostLine:
    try:
        value: Mapping[str, Any] = json.loads(row)
        key, kind = value.get("key"), KINDS[value.get("kind", "ACCRUED")]
        amount = Money(int(value["amount_micros"]), str(value["currency"]))
        at = moment(value["at"])
        return CostLine(str(value["line_id"]), SubmissionKey(key) if key else None, batch, amount, at, kind)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidDelivery(f"{name} line {number} is no statement line: {type(error).__name__} {error}") from error
