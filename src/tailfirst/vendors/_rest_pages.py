"""The cursor of a REST vendor's change list: where the last listing ended, less a window that is read again.

A row that was being written while we read can have an earlier update time than what we saw (failure `cursor_skip`), so
every listing starts `overlap_s` before the end of the last one. What was seen in that window is told again to nobody.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tailfirst.errors import VendorError
from tailfirst.port import Cursor

SEEN_MAX = 500  # remembered rows of the window; more are told again, which does no harm


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in the change list.

    since: the vendor's update time up to which everything was listed; empty = nothing yet.
    page: the next page of the listing that is under way; empty = none is.
    until: the vendor's newest update time when that listing began.
    seen: ids of rows near the end of what was listed.
    """

    since: str = ""
    page: str = ""
    until: str = ""
    seen: tuple[int, ...] = ()

    @classmethod
    def of(cls, cursor: Cursor | None) -> "Place":
        """The place that a cursor names.

        Raises:
            VendorError: It is none of ours.
        """
        if cursor is None:
            return cls()
        try:
            value = json.loads(cursor)
            return cls(str(value["since"]), str(value["page"]), str(value["until"]), tuple(map(int, value["seen"])))
        except (ValueError, KeyError, TypeError) as error:
            raise VendorError(f"{str(cursor)[:80]!r} is no cursor of the REST adapter; sweep from the start") from error

    def cursor(self) -> Cursor:
        """As the ledger stores it."""
        return Cursor(json.dumps(asdict(self), separators=(",", ":")))

    def asks(self, overlap_s: float) -> dict[str, str]:
        """The query of the next request."""
        if self.page:
            return {"page": self.page}
        return {"updated_after": _earlier(self.since, overlap_s)} if self.since else {}

    def after(self, answer: dict[str, Any], overlap_s: float) -> "Place":
        """Where we are when this answer is taken in."""
        until = self.until if self.page else str(answer["until"] or self.since)
        near = _earlier(until, overlap_s) if until else ""
        rows = [int(row["id"]) for row in answer["changes"] if str(row["listed_at"]) > near]
        seen = tuple(dict.fromkeys([*self.seen, *rows]))[-SEEN_MAX:]
        more = answer["next_page"]
        if more:
            return replace(self, page=str(more), until=until, seen=seen)
        return Place(since=max(until, self.since), seen=seen)

    def fresh(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that were not told before; a row that the vendor lists twice at once stays double."""
        known = set(self.seen)
        return [row for row in rows if int(row["id"]) not in known]


def _earlier(at: str, seconds: float) -> str:
    moved = datetime.fromisoformat(at) - timedelta(seconds=seconds)
    return moved.isoformat(timespec="microseconds")
