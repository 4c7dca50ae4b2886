"""Our side of an order on a file store: what was ordered, in parts that count only once their commit object is there.

    projects/<id>.json                  classes and their digest, as agreed
    orders/<order>/order.json           who ordered what
    orders/<order>/parts/<sha>.jsonl    labeling tasks, one a line, named by their content
    orders/<order>/commits/<sha>.json   names a part, its sha256 and its count; written last
    orders/<order>/canceled/<id>.json   one per task taken back

Nothing is renamed, overwritten with other content or deleted, so a kill between any two writes leaves either no task or
a whole one, and doing it again writes the same objects. A store has no native keys: we look, then create
(Capabilities.idempotency EMULATED), and only the lease of the core keeps two creators apart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import Gone, Retryable, VendorConflict
from tailfirst.port import BatchSpec, SubmissionKey, TaskRef, TaskSpec
from tailfirst.vendors._files_store import Store


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it was opened."""

    order_id: str
    batch_key: str
    project: str
    ontology_digest: str
    round_no: int
    overlap: int
    sla_at: str


@dataclass(frozen=True, slots=True)
class Line:
    """One labeling task as it was ordered; `text` or `url` is what people see, `file` the name of a copied image."""

    key: str
    item_id: str
    item_digest: str
    payload_sha256: str
    purpose: str
    attempt: int
    overlap_slot: int
    prelabel: str | None
    text: str | None
    url: str | None
    file: str | None

    @property
    def task_id(self) -> str:
        """Short and fit for a path."""
        return task_id(self.key)


def task_id(key: str) -> str:
    """Of a submission key: 16 hex digits."""
    return sha256_bytes(key.encode())[:16]


def vendor_id(order_id: str, key: str) -> str:
    """How a labeling task is named in the port: the order and the task."""
    return f"{order_id}/{task_id(key)}"


def line_of(spec: TaskSpec, text: str | None, url: str | None, file: str | None) -> Line:
    """What is ordered for an item."""
    return Line(
        spec.key, spec.item_id, spec.item_digest, spec.payload_sha256, spec.purpose, spec.attempt, spec.overlap_slot,
        spec.prelabel, text, url, file,
    )  # fmt: skip


class Book:
    """The objects above, below one folder of a store."""

    def __init__(self, store: Store, folder: str, part_size: int) -> None:
        self._store = store
        self._folder = folder
        self._part_size = part_size
        self._parts: dict[str, tuple[Line, ...]] = {}  # by name: a part never changes

    def add_project(self, project_id: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Find or create; what is there then."""
        name = f"{self._folder}/projects/{project_id}.json"
        found = self._json(name)
        if found is None:
            self._put(name, value)
            found = self._json(name)
        if found is None:
            raise Retryable(f"{name} was written, but is not there yet")
        return found

    def project(self, project_id: str) -> dict[str, Any]:
        """What was agreed with a project.

        Raises:
            Gone: No such project.
        """
        found = self._json(f"{self._folder}/projects/{project_id}.json")
        if found is None:
            raise Gone(f"no project {project_id} at {self._store.url}; were files deleted?")
        return found

    def open(self, spec: BatchSpec) -> Order:
        """Find or create an order by its batch key.

        Raises:
            VendorConflict: There is one of that name with another key, project or number of answers.
        """
        order_id = f"round-{spec.round_no:04d}-{spec.key[:12]}"
        project = spec.project
        asked = Order(
            order_id, spec.key, project.vendor_id, project.ontology_digest, spec.round_no, spec.overlap,
            spec.sla_at.isoformat(),
        )  # fmt: skip
        name = f"{self._folder}/orders/{order_id}/order.json"
        if self._json(name) is None:
            self._put(name, asdict(asked))
        found = self.order(order_id)
        same = (found.batch_key, found.project, found.overlap) == (asked.batch_key, asked.project, asked.overlap)
        if not same:
            raise VendorConflict(f"{name} holds another order: {found}; asked {asked}")
        return found

    def order(self, order_id: str) -> Order:
        """An order.

        Raises:
            Gone: No such order.
        """
        found = self._json(f"{self._folder}/orders/{order_id}/order.json")
        if found is None:
            raise Gone(f"no order {order_id} at {self._store.url}; were files deleted?")
        return Order(**found)

    def tasks(self, order_id: str) -> dict[str, Line]:
        """Every committed labeling task by key; a key that two parts name is one task.

        Raises:
            Retryable: A part is not the bytes that its commit names (yet).
        """
        top = f"{self._folder}/orders/{order_id}"
        found: dict[str, Line] = {}
        for entry in self._store.listing(f"{top}/commits"):
            name = entry.name.rpartition("/")[2].removesuffix(".json")
            if name not in self._parts:
                self._parts[name] = self._part(top, entry.name)
            for line in self._parts[name]:
                found.setdefault(line.key, line)
        return found

    def add(self, order_id: str, lines: Sequence[Line]) -> dict[str, str]:
        """Commit tasks in parts; by key "" for a task that is there for good, else why that is not known."""
        said: dict[str, str] = {}
        for start in range(0, len(lines), self._part_size):
            part = lines[start : start + self._part_size]
            try:
                self._commit(order_id, part)
                said |= {line.key: "" for line in part}
            except Retryable as error:
                said |= {line.key: str(error) for line in part}
        return said

    def cancel(self, order_id: str, task: str, why: str) -> None:
        """Take a labeling task back; repeating changes nothing."""
        self._put(f"{self._folder}/orders/{order_id}/canceled/{task}.json", {"task": task, "key": why})

    def canceled(self, order_id: str) -> frozenset[str]:
        """Task ids that were taken back."""
        found = self._store.listing(f"{self._folder}/orders/{order_id}/canceled")
        return frozenset(e.name.rpartition("/")[2].removesuffix(".json") for e in found)

    def _commit(self, order_id: str, part: Sequence[Line]) -> None:
        top = f"{self._folder}/orders/{order_id}"
        data = "".join(canonical_json(asdict(line)) + "\n" for line in part).encode()
        sha256 = sha256_bytes(data)
        self._store.put(f"{top}/parts/{sha256}.jsonl", data)
        self._put(f"{top}/commits/{sha256}.json", {"part": f"{sha256}.jsonl", "sha256": sha256, "n": len(part)})

    def _part(self, top: str, commit_name: str) -> tuple[Line, ...]:
        commit = self._json(commit_name) or {}
        data = self._store.get(f"{top}/parts/{commit.get('part')}") or b""
        lines = tuple(Line(**json.loads(text)) for text in _rows(data)) if _intact(data, commit) else ()
        if len(lines) != commit.get("n"):
            raise Retryable(
                f"{commit_name} names a part of {commit.get('n')} tasks with sha256 {str(commit.get('sha256'))[:12]}; "
                f"found {len(data)} bytes with {sha256_bytes(data)[:12]}: look again, or restore the file"
            )
        return lines

    def _put(self, name: str, value: Mapping[str, Any]) -> None:
        self._store.put(name, (canonical_json(value) + "\n").encode())

    def _json(self, name: str) -> dict[str, Any] | None:
        data = self._store.get(name)
        return None if data is None else dict(json.loads(data))


def ref_of(order_id: str, line: Line) -> TaskRef:
    """How the port names a labeling task."""
    return TaskRef(SubmissionKey(line.key), vendor_id(order_id, line.key), line.payload_sha256, None)


def _intact(data: bytes, commit: Mapping[str, Any]) -> bool:
    return sha256_bytes(data) == commit.get("sha256")


def _rows(data: bytes) -> list[str]:
    """Lines end with a newline only: a text may hold other characters that end lines elsewhere."""
    return [text for text in data.decode().split("\n") if text]
