"""The simulated vendor's result format: canonical JSON out, annotations in. Both directions are pure."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import Annotation, Ontology, ParsedResult, RawResult, SubmissionKey
from tailfirst.vendors._simulated_answers import (
    CHANGED,
    LATE,
    annotate,
    choose_annotators,
    fires,
    other_class,
    start_of,
    uniform,
)
from tailfirst.vendors._simulated_book import BatchRow, Job, ResultRow
from tailfirst.vendors._simulated_params import Params

PARSER_VERSION = "simulated/1"


def due_s(params: Params, batch: BatchRow, job: Job, truth: str, class_ids: Sequence[str]) -> int:
    """Seconds after the round's start at which the last answer to an item is in."""
    last = max(a.submitted_at for a in _people(params, batch, job, truth, class_ids))
    return int((last - start_of(batch.round_no)).total_seconds())


def hits(params: Params, name: str, job: Job) -> bool:
    """Whether an armed item fault hits this labeling task."""
    return any(fires(f, params.seed, item_id=job.item_id, key=job.key) for f in params.armed(name))


def results(
    params: Params, batch: BatchRow, job: Job, truth: str, class_ids: Sequence[str], elapsed: timedelta
) -> tuple[ResultRow, ...]:
    """The revisions of a labeling task's result that exist by now, oldest first."""
    at = start_of(batch.round_no) + timedelta(seconds=job.due_s)
    people = _people(params, batch, job, truth, class_ids)
    if hits(params, "label_unknown_class", job):
        people = (replace(people[0], class_ids=(f"{truth} (retired)",), skipped=False, reason=""), *people[1:])
    if hits(params, "asset_unreachable", job):
        people = tuple(replace(a, class_ids=(), skipped=True, reason="asset not reachable") for a in people)
    if hits(params, "machine_labeled", job):
        people = tuple(replace(a, provenance="MACHINE") for a in people)
    if not hits(params, "label_changed", job):
        return (_row(params, job, "1", at, people),)
    wrong = other_class(class_ids, truth, uniform(params.seed, job.key, "changed"))
    first = tuple(replace(a, class_ids=(wrong,), skipped=False, reason="") for a in people)
    rows = [_row(params, job, "1", at, first)]
    if timedelta(seconds=job.due_s) + CHANGED <= elapsed:
        rows.append(_row(params, job, "2", at + CHANGED, people))
    return tuple(rows)


def parse(raw: RawResult, ontology: Ontology) -> ParsedResult:
    """The annotations in a result's bytes.

    Raises:
        InvalidDelivery: Not the vendor's format; says where.
    """
    try:
        value: Any = json.loads(raw.body)
        annotations, unknown = [], []
        for response in value["responses"]:
            label = response["label"]
            class_id = None if label is None else ontology.resolve(str(label))
            if label is not None and class_id is None:
                unknown.append(str(label))
            annotations.append(_annotation(response, class_id))
        return ParsedResult(
            key=SubmissionKey(str(value["unique_id"])),
            item_digest_echo=str(value["metadata"]["item_digest"]),
            revision=str(value["revision"]),
            vendor_updated_at=moment(value["updated_at"]),
            annotations=tuple(sorted(annotations, key=lambda a: (a.annotator_id, a.submitted_at))),
            ontology_version=ontology.version,
            parser_version=PARSER_VERSION,
            unknown_labels=tuple(sorted(unknown)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDelivery(
            f"result {raw.vendor_id} revision {raw.revision} ({len(raw.body)} bytes) is not a simulated result: "
            f"{type(error).__name__} {error}; the raw bytes are kept"
        ) from error


def moment(text: str) -> datetime:
    """An aware UTC time from the vendor's text."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _people(params: Params, batch: BatchRow, job: Job, truth: str, class_ids: Sequence[str]) -> tuple[Annotation, ...]:
    late = LATE if hits(params, "late_label", job) else timedelta()
    chosen = sorted(choose_annotators(params, job.key, batch.overlap), key=lambda a: a.id)
    given = (annotate(params, job.key, truth, class_ids, a, batch.round_no) for a in chosen)
    return tuple(
        replace(a, started_at=a.started_at + late if a.started_at else None, submitted_at=a.submitted_at + late)
        for a in given
    )


def _row(params: Params, job: Job, revision: str, at: datetime, people: Sequence[Annotation]) -> ResultRow:
    digest = job.item_digest
    if hits(params, "answers_swapped", job):
        digest = sha256_bytes(b"somebody else's item" + digest.encode())
    body = canonical_json(
        {
            "task_id": job.vendor_id,
            "unique_id": job.key,
            "metadata": {"item_id": job.item_id, "item_digest": digest},
            "status": "completed",
            "revision": revision,
            "updated_at": at.isoformat(),
            "responses": [_response(a) for a in people],
        }
    ).encode()
    if hits(params, "payload_malformed", job):
        body = body[: len(body) // 2]
    return ResultRow(job.vendor_id, job.key, revision, body, at.isoformat())


def _response(one: Annotation) -> dict[str, object]:
    return {
        "annotator": one.annotator_id,
        "label": one.class_ids[0] if one.class_ids else None,
        "skipped": one.skipped,
        "reason": one.reason,
        "started_at": one.started_at.isoformat() if one.started_at else None,
        "submitted_at": one.submitted_at.isoformat(),
        "work_s": one.work_s,
        "provenance": one.provenance.lower(),
        "saw_prelabel": one.saw_prelabel,
    }


def _annotation(response: dict[str, Any], class_id: str | None) -> Annotation:
    kinds: dict[str, Literal["HUMAN", "MACHINE"]] = {"human": "HUMAN", "machine": "MACHINE"}
    return Annotation(
        annotator_id=str(response["annotator"]),
        class_ids=(class_id,) if class_id is not None else (),
        skipped=bool(response["skipped"]),
        reason=str(response["reason"]),
        started_at=moment(response["started_at"]) if response["started_at"] else None,
        submitted_at=moment(response["submitted_at"]),
        work_s=float(response["work_s"]) if response["work_s"] is not None else None,
        provenance=kinds.get(str(response["provenance"]), "UNKNOWN"),
        saw_prelabel=response["saw_prelabel"],
    )
