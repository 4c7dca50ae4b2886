"""The simulated vendor's result format: canonical JSON out, annotations in. Both directions are pure."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, get_args

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import (
    Annotation,
    BatchKey,
    CostLine,
    EventKind,
    Money,
    Ontology,
    ParsedResult,
    RawResult,
    SubmissionKey,
)
from tailfirst.vendors._simulated_answers import (
    BEGUN,
    CHANGED,
    LATE,
    SLOW,
    Ask,
    annotate,
    choose_annotators,
    other_class,
    start_of,
    uniform,
)
from tailfirst.vendors._simulated_book import BatchRow, Job, ResultRow
from tailfirst.vendors._simulated_params import Params

PARSER_VERSION = "simulated/1"
CostKind = Literal["ESTIMATED", "ACCRUED", "INVOICED", "ADJUSTED"]
DELAYS = (("cancel_too_late", BEGUN), ("late_label", LATE), ("sla_partial", SLOW))  # the first that hits counts
SKEW = timedelta(hours=7)  # how far a `clock_skew` clock is ahead; it also shows another zone
SKEWED_ZONE = timezone(timedelta(hours=5, minutes=30))


def due_s(params: Params, order: BatchRow, job: Job, ask: Ask) -> int:
    """Seconds after the round's start at which the last answer to an item is in."""
    last = max(a.submitted_at for a in people_of(params, order, job, ask))
    return int((last - start_of(order.round_no)).total_seconds())


def hits(params: Params, name: str, job: Job) -> bool:
    """Whether an armed item fault hits this labeling task."""
    return params.hit(name, item_id=job.item_id, key=job.key) is not None


def people_of(params: Params, order: BatchRow, job: Job, ask: Ask) -> tuple[Annotation, ...]:
    """The answers to a labeling task as people give them, in order of annotator id."""
    late = next((span for name, span in DELAYS if hits(params, name, job)), timedelta())
    staff = {a.id: a for a in params.annotators}
    chosen = [staff[i] for i in job.people if i in staff] or choose_annotators(params, job.key, order.overlap)
    given = (annotate(params, ask, a) for a in sorted(chosen, key=lambda a: a.id))
    return tuple(
        replace(a, started_at=a.started_at + late if a.started_at else None, submitted_at=a.submitted_at + late)
        for a in given
    )


def results(params: Params, order: BatchRow, job: Job, ask: Ask, elapsed: timedelta) -> tuple[ResultRow, ...]:
    """The revisions of a labeling task's result that exist by now, oldest first."""
    at = start_of(order.round_no) + timedelta(seconds=job.due_s)
    people = _spoiled(params, job, ask, people_of(params, order, job, ask))
    if not hits(params, "label_changed", job):
        return (result_row(params, job, "1", at, people),)
    wrong = other_class(ask.class_ids, ask.truth, uniform(params.seed, job.key, "changed"))
    first = tuple(replace(a, class_ids=(wrong,), skipped=False, reason="") for a in people)
    rows = [result_row(params, job, "1", at, first)]
    if timedelta(seconds=job.due_s) + CHANGED <= elapsed:
        rows.append(result_row(params, job, "2", at + CHANGED, people))
    return tuple(rows)


def result_row(params: Params, job: Job, revision: str, at: datetime, people: Sequence[Annotation]) -> ResultRow:
    """One revision as bytes."""
    digest = job.item_digest
    if hits(params, "answers_swapped", job):
        digest = sha256_bytes(b"somebody else's item" + digest.encode())
    skewed = hits(params, "clock_skew", job)
    body = canonical_json(
        {
            "task_id": job.vendor_id,
            "unique_id": job.key,
            "metadata": {"item_id": job.item_id, "item_digest": digest},
            "status": "completed",
            "revision": revision,
            "updated_at": told(at, skewed=skewed),
            "responses": [_response(a, skewed=skewed) for a in people],
        }
    ).encode()
    if hits(params, "payload_malformed", job):
        body = body[: len(body) // 2]
    return ResultRow(job.vendor_id, job.key, revision, body, told(at, skewed=skewed))


def told(at: datetime, *, skewed: bool = False) -> str:
    """A time as the vendor writes it; `skewed` = by a clock that is ahead, in another zone."""
    return (at + SKEW).astimezone(SKEWED_ZONE).isoformat() if skewed else at.isoformat()


def parse(raw: RawResult, ontology: Ontology, parser_version: str = PARSER_VERSION) -> ParsedResult:
    """Annotations of the classes in a result's bytes.

    Args:
        raw: The bytes as they came.
        ontology: Whose classes count.
        parser_version: Names the adapter: `<vendor>/<version>`.

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
            parser_version=parser_version,
            unknown_labels=tuple(sorted(unknown)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDelivery(
            f"result {raw.vendor_id} revision {raw.revision} ({len(raw.body)} bytes) is not a "
            f"{parser_version.partition('/')[0]} result: {type(error).__name__} {error}; the raw bytes are kept"
        ) from error


def moment(text: str) -> datetime:
    """An aware UTC time from the vendor's text."""
    return datetime.fromisoformat(text).astimezone(UTC)


def event_kind(text: str) -> EventKind:
    """What a line of the change list is about."""
    kinds: tuple[EventKind, ...] = get_args(EventKind)
    return next((kind for kind in kinds if kind == text), "UPDATED")


def cost_line(
    line_id: str, key: str | None, batch: BatchKey, amount_micros: int, currency: str, at: str, kind: str
) -> CostLine:
    """A line of the money book."""
    kinds: dict[str, CostKind] = {"ADJUSTED": "ADJUSTED", "INVOICED": "INVOICED"}
    named = SubmissionKey(key) if key else None
    return CostLine(line_id, named, batch, Money(amount_micros, currency), moment(at), kinds.get(kind, "ACCRUED"))


def _spoiled(params: Params, job: Job, ask: Ask, people: tuple[Annotation, ...]) -> tuple[Annotation, ...]:
    """The same answers after faults that change what was answered."""
    if hits(params, "label_unknown_class", job):
        people = (replace(people[0], class_ids=(f"{ask.truth} (retired)",), skipped=False, reason=""), *people[1:])
    if hits(params, "asset_unreachable", job):
        people = tuple(replace(a, class_ids=(), skipped=True, reason="asset not reachable") for a in people)
    if hits(params, "machine_labeled", job):
        people = tuple(replace(a, provenance="MACHINE") for a in people)
    return people


def _response(one: Annotation, *, skewed: bool) -> dict[str, object]:
    return {
        "annotator": one.annotator_id,
        "label": one.class_ids[0] if one.class_ids else None,
        "skipped": one.skipped,
        "reason": one.reason,
        "started_at": told(one.started_at, skewed=skewed) if one.started_at else None,
        "submitted_at": told(one.submitted_at, skewed=skewed),
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
