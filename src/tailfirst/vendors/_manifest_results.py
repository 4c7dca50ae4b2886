"""Output lines, placed: which of our tasks each answers, as which revision. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tailfirst.artifacts import sha256_bytes
from tailfirst.port import EventKind, SubmissionKey, VendorEvent
from tailfirst.vendors import _manifest_wire as wire
from tailfirst.vendors._files_book import task_id, vendor_id
from tailfirst.vendors._files_store import Entry
from tailfirst.vendors._manifest_outputs import Output

LOST = "lines"  # in vendor ids of output lines that name no task of ours
NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Result:
    """An answered line of a task of ours (`key`), or of none: those are told too, so that nothing is lost silently."""

    vendor_id: str
    key: str | None
    revision: str
    line: wire.Out
    entry: Entry

    @property
    def at(self) -> datetime:
        """creation-date; where there is none, when the object was written."""
        return wire.moment(self.line.created) if self.line.created else self.entry.modified or NO_DATE

    @property
    def submission(self) -> SubmissionKey | None:
        """The key as the port types it."""
        return None if self.key is None else SubmissionKey(self.key)


def results(order_id: str, outputs: Iterable[Output], keys: Collection[str], gone: Collection[str]) -> list[Result]:
    """Answered lines in the order of the listing.

    Args:
        order_id: The order.
        outputs: Its output manifests.
        keys: Submission keys of its tasks.
        gone: Task ids that were taken back: what is answered nevertheless is not ours.
    """
    found = []
    for output in outputs:
        for line in output.lines:
            if not line.answered or (line.key is not None and task_id(line.key) in gone):
                continue
            ours = line.key if line.key in keys else None
            name = vendor_id(order_id, ours) if ours else f"{order_id}/{LOST}/{sha256_bytes(line.raw)[:16]}"
            found.append(Result(name, ours, wire.revision_of(line.created, line.raw), line, output.entry))
    return found


def first_revisions(found: Sequence[Result]) -> dict[str, Result]:
    """The oldest result of each task."""
    first: dict[str, Result] = {}
    for result in sorted(found, key=lambda r: r.revision):
        if result.key is not None:
            first.setdefault(result.key, result)
    return first


def event(result: Result, first: Mapping[str, Result]) -> VendorEvent:
    """The change that a result means."""
    new = result.key is None or first[result.key].revision == result.revision
    kind: EventKind = "RETURNED" if new else "UPDATED"
    return VendorEvent(result.submission, result.vendor_id, kind, result.revision, result.at)
