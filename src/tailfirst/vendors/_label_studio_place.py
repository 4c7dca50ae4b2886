"""Where a walk through a project's changes stands: what the cursor holds."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from tailfirst.artifacts import canonical_json
from tailfirst.errors import InvalidDelivery
from tailfirst.port import Cursor
from tailfirst.vendors._label_studio_seen import moment, revision_of

START = datetime(2000, 1, 1, tzinfo=UTC)  # before any change


@dataclass(frozen=True, slots=True)
class Place:
    """Changes later than `since` are listed by task id; those up to `after` are behind us.

    The next walk begins at `until`. `after` 0: it has not begun.
    """

    since: datetime
    until: datetime
    after: int

    @classmethod
    def read(cls, cursor: Cursor | None) -> "Place | None":
        """The place that a cursor names; None stays None.

        Raises:
            InvalidDelivery: Not a cursor of ours.
        """
        if cursor is None:
            return None
        try:
            value = json.loads(cursor)
            return cls(moment(value["since"]), moment(value["until"]), int(value["after"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidDelivery(f"cursor {cursor!r} is none of the Label Studio adapter") from error

    def cursor(self) -> Cursor:
        """The cursor that `read` understands."""
        value = {"since": revision_of(self.since), "until": revision_of(self.until), "after": self.after}
        return Cursor(canonical_json(value))
