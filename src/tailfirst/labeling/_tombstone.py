"""A deleted answer as a delivery of our own: the newest revision of its task, without an answer (row 16)."""

import json
from collections.abc import Sequence
from datetime import datetime

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.context import Context
from tailfirst.ledger.records import DeliveryRow, RoundRow, TaskRow
from tailfirst.port import ParsedResult, RawResult, SubmissionKey, VendorEvent

KIND = "tailfirst-tombstone"
PARSER = "tombstone/1"
NEVER_READ = "the vendor deleted the answer before it was read"
DELETED = "deleted-"  # its revisions start so


def tombstone(event: VendorEvent, key: str, at: datetime) -> RawResult:
    """What is stored for a DELETED event: its revision sorts after those before it by the vendor's time."""
    told = {"kind": KIND, "key": key, "deleted_at": event.vendor_updated_at.isoformat()}
    body = canonical_json(told).encode()
    revision = f"{DELETED}{event.revision}"
    return RawResult(SubmissionKey(key), event.vendor_id, revision, body, sha256_bytes(body), (), at)


def read_tombstone(delivery: DeliveryRow, task: TaskRow, ontology_version: str) -> ParsedResult | None:
    """A deletion as a parsed result without answers; None = the delivery is the vendor's own."""
    if not delivery.revision.startswith(DELETED):
        return None
    try:
        told = json.loads(delivery.body)
        if told["kind"] != KIND:
            return None
        at = datetime.fromisoformat(told["deleted_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return ParsedResult(
        key=SubmissionKey(task.key),
        item_digest_echo=task.item_digest,
        revision=delivery.revision,
        vendor_updated_at=at,
        annotations=(),
        ontology_version=ontology_version,
        parser_version=PARSER,
        unknown_labels=(),
    )


def never_read(ctx: Context, row: RoundRow, waiting: Sequence[DeliveryRow]) -> set[str]:
    """Tasks of which nothing came but the news that their answer was deleted."""
    buried = {d.key for d in waiting if d.key and d.revision.startswith(DELETED)}
    if not buried:
        return set()
    raw = ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)
    return buried - {d.key for d in raw if d.key and not d.revision.startswith(DELETED)}
