"""Exports of a REST vendor: counted and checked, asked for in smaller parts when they come back cut."""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import Retryable
from tailfirst.port import RawResult, SubmissionKey
from tailfirst.vendors._rest_http import Wire

ONCE_MORE = 2  # exports of a single task before we give up


def exported(wire: Wire, ids: Sequence[str], now: Callable[[], datetime]) -> Iterator[RawResult]:
    """Every revision of these tasks' results.

    An export that is shorter than it says, or whose checksum is another, is not taken as it is: its halves are asked
    for, down to single tasks (failure `export_truncated`).

    Raises:
        Gone: The vendor has deleted one of them.
        Retryable: Even the export of one task came back cut.
    """
    if not ids:
        return
    for _ in range(ONCE_MORE if len(ids) == 1 else 1):
        said = wire.read("POST", "results/export", {"task_ids": list(ids)})
        rows = [_row(row, now()) for row in said["results"]]
        if _whole(said, rows):
            yield from rows
            return
    if len(ids) == 1:
        raise Retryable(f"the export of task {ids[0]} came back cut {ONCE_MORE} times")
    half = len(ids) // 2
    yield from exported(wire, ids[:half], now)
    yield from exported(wire, ids[half:], now)


def _whole(said: dict[str, Any], rows: Sequence[RawResult]) -> bool:
    return len(rows) == int(said["count"]) and sha256_bytes(b"".join(r.body for r in rows)) == said["sha256"]


def _row(row: dict[str, Any], at: datetime) -> RawResult:
    """One result; a body that cannot be decoded is kept as the text it came as, so that nothing is lost."""
    text = str(row["body_base64"])
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        body = text.encode()
    return RawResult(
        SubmissionKey(str(row["unique_id"])) if row["unique_id"] else None, str(row["task_id"]), str(row["revision"]),
        body, str(row["sha256"]), (("content-type", "application/json"),), at,
    )  # fmt: skip
