"""A labeling task of ours as a listing shows it: whose it is, how far it is, what happened to it last. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tailfirst.errors import InvalidDelivery
from tailfirst.port import EventKind, SubmissionKey, TaskRef, VendorEvent

OURS = "tailfirst"  # our place in a task's metadata


@dataclass(frozen=True, slots=True)
class Seen:
    """A labeling task of ours at the server, without its content."""

    id: int
    project: int
    key: SubmissionKey
    payload_sha256: str
    updated_at: datetime
    answers: int  # submitted ones, skips among them
    skips: int
    wanted: int  # answers until it is done
    touched: bool  # somebody saved or deleted an answer
    duplicate_of: int | None

    @property
    def vendor_id(self) -> str:
        """Project and task: listings need both."""
        return f"{self.project}-{self.id}"

    @property
    def ref(self) -> TaskRef:
        """As the port names it."""
        return TaskRef(self.key, self.vendor_id, self.payload_sha256, self.updated_at)

    def event(self, *, edited: bool) -> VendorEvent | None:
        """What happened to it last; None while nothing has.

        An answer that was edited, or was there before the last one, makes it UPDATED. A task that somebody touched and
        that has no answer lost it: DELETED.
        """
        kind: EventKind
        if not self.answers:
            kind = "DELETED"
        elif self.answers < self.wanted:
            kind = "STARTED"
        elif self.skips == self.answers:
            kind = "SKIPPED"
        else:
            kind = "UPDATED" if edited or self.answers > self.wanted else "RETURNED"
        if kind == "DELETED" and not self.touched:
            return None
        return VendorEvent(self.key, self.vendor_id, kind, revision_of(self.updated_at), self.updated_at)


def seen(task: Mapping[str, Any]) -> Seen | None:
    """A listed task; None where it is not one of ours.

    Raises:
        InvalidDelivery: Not a task as Label Studio lists them.
    """
    try:
        ours = (task.get("meta") or {}).get(OURS)
        if not isinstance(ours, dict) or "key" not in ours:
            return None
        skips = int(task["cancelled_annotations"])
        return Seen(
            int(task["id"]), int(task["project"]), SubmissionKey(str(ours["key"])), str(ours.get("payload_sha256", "")),
            moment(task["updated_at"]), int(task["total_annotations"]) + skips, skips, int(task["overlap"]),
            bool(task["updated_by"]), ours.get("duplicate_of"),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidDelivery(
            f"a listed task is not what Label Studio lists: {type(error).__name__} {error}"
        ) from error


def edited(task: Mapping[str, Any]) -> bool:
    """Whether an answer was saved again after it was submitted (the two times of one save are microseconds apart)."""
    answers = task.get("annotations") or []
    return any(moment(a["updated_at"]) - moment(a["created_at"]) > timedelta(milliseconds=50) for a in answers)


def events(tasks: Sequence[Mapping[str, Any]]) -> tuple[VendorEvent, ...]:
    """What happened last to each listed task of ours, oldest first; copies of lost calls are passed over."""
    found = [(seen(task), edited(task)) for task in tasks]
    told = [one.event(edited=changed) for one, changed in found if one is not None and one.duplicate_of is None]
    rows = [event for event in told if event is not None]
    return tuple(sorted(rows, key=lambda e: (e.vendor_updated_at, e.revision, e.vendor_id)))


def moment(text: object) -> datetime:
    """An aware UTC time from the server's text."""
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def revision_of(at: datetime) -> str:
    """A task's update time as a revision: its text sorts like the time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
