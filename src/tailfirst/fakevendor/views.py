"""How the fake vendor writes what it knows as JSON."""

import base64
from typing import Any

from tailfirst.artifacts import sha256_bytes
from tailfirst.vendors._simulated_book import Charge, EventRow, Job, ResultRow
from tailfirst.vendors._simulated_desk import Created

Json = dict[str, Any]


def entry(one: Created) -> Json:
    """What became of one task in an answer to a create: a 409 names the task and says nothing of its payload."""
    clash = one.outcome == "REJECTED" and one.job is not None
    status = 201 if one.outcome == "CREATED" else 409 if one.outcome == "EXISTED" or clash else 422
    return {
        "unique_id": one.key,
        "status": status,
        "task_id": one.job.vendor_id if one.job else None,
        "reason": "unique_id is in use" if status == 409 else one.reason,
    }


def task(job: Job) -> Json:
    """A labeling task."""
    return {
        "task_id": job.vendor_id,
        "unique_id": job.key,
        "batch": job.batch,
        "metadata": {"item_id": job.item_id, "item_digest": job.item_digest},
        "payload_sha256": job.payload_sha256,
        "created_at": job.created_at,
    }


def change(row: EventRow) -> Json:
    """A line of the change list."""
    return {
        "id": row.seq,
        "task_id": row.vendor_id,
        "unique_id": row.key,
        "kind": row.kind,
        "revision": row.revision,
        "updated_at": row.at,
        "listed_at": row.listed_at,
    }


def result(row: ResultRow) -> Json:
    """One revision of a result."""
    return {
        "task_id": row.vendor_id,
        "unique_id": row.key,
        "revision": row.revision,
        "sha256": sha256_bytes(row.body),
        "updated_at": row.updated_at,
        "body_base64": base64.b64encode(row.body).decode(),
    }


def line(charge: Charge) -> Json:
    """A line of the money book or the invoice."""
    return {
        "line_id": charge.line_id,
        "unique_id": charge.key,
        "amount_micros": charge.amount_micros,
        "currency": charge.currency,
        "at": charge.at,
        "kind": charge.kind,
    }
