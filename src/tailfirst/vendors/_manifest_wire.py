"""The manifest vendor's formats, in the shape of Ground Truth's augmented manifests (specs/vendor.md section 6). Pure.

In, one JSON object a line: {"source": text} or {"source-ref": url}, and "tailfirst": {key, item-digest, payload-sha256,
attempt, prelabel}. The purpose is not told: gold and audit items look like the rest.
Out, the same line with <attr> and <attr>-metadata {class-name, confidence, type, job-name, human-annotated,
creation-date}. Single answers: <attr>.annotationsFromAllWorkers, or one object per worker response beside it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import Annotation, Ontology, ParsedResult, RawResult, SubmissionKey
from tailfirst.quality.skips import answer_of
from tailfirst.vendors._files_book import Line

PARSER_VERSION = "manifest/1"
MAX_LINE_CHARS = 100_000
OURS = "tailfirst"
DEPTH = 5  # how deep a label may lie inside a worker's answer
UNDATED = "undated"


def attribute(order_id: str) -> str:
    """The label attribute of an order: a new one every round, because an old name would overwrite old labels."""
    return f"tf-{order_id}"


def input_line(line: Line, url: str | None) -> str:
    """A line of the input manifest, without its newline."""
    ours = {
        "key": line.key,
        "item-digest": line.item_digest,
        "payload-sha256": line.payload_sha256,
        "attempt": line.attempt,
    }
    if line.prelabel is not None:
        ours["prelabel"] = line.prelabel
    shown = {"source": line.text} if line.text is not None else {"source-ref": url}
    return json.dumps({**shown, OURS: ours}, sort_keys=True, separators=(",", ":"))  # ASCII: one line to any reader


@dataclass(frozen=True, slots=True)
class Out:
    """A line of an output manifest; `key` None where nothing in it says what it answers."""

    raw: bytes
    key: str | None
    answered: bool
    created: str  # creation-date as an ISO time in UTC, "" where there is none


def output_line(raw: bytes, attr: str) -> Out:
    """What can be told of an output line without judging it."""
    try:
        value = json.loads(raw.decode("utf-8"))
        ours = value[OURS]
        key = ours["key"]
    except (ValueError, KeyError, TypeError):
        return Out(raw, None, answered=True, created="")
    if not isinstance(key, str):
        return Out(raw, None, answered=True, created="")
    there = f"{attr}-metadata" in value or attr in value
    try:
        created = moment(value[f"{attr}-metadata"]["creation-date"]).isoformat(timespec="microseconds")
    except (ValueError, KeyError, TypeError):
        created = ""
    return Out(raw, key, there, created)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker-response object: where it lies and its text."""

    name: str
    text: str


def body_of(attr: str, raw: bytes, workers: Sequence[Worker]) -> bytes:
    """The bytes of a result: the line and the worker responses as they came."""
    responses = [{"name": w.name, "text": w.text} for w in workers]
    return canonical_json({"attribute": attr, "line": raw.decode("utf-8"), "workers": responses}).encode()


def revision_of(created: str, line: bytes) -> str:
    """Ordered by creation-date; two lines never share a revision, and copies of a line do."""
    return f"{created or UNDATED}-{sha256_bytes(line)[:8]}"


def parse(raw: RawResult, ontology: Ontology) -> ParsedResult:
    """The annotations in a result's bytes.

    Raises:
        InvalidDelivery: Not this format; says where.
    """
    try:
        value: Any = json.loads(raw.body)
        attr, line = value["attribute"], json.loads(value["line"])
        ours, metadata = line[OURS], line[f"{attr}-metadata"]
        created = moment(metadata["creation-date"])
        given = tuple(_answers(line, attr, value["workers"], created, ontology))
        return ParsedResult(
            key=SubmissionKey(str(ours["key"])),
            item_digest_echo=str(ours["item-digest"]),
            revision=revision_of(created.isoformat(timespec="microseconds"), value["line"].encode()),
            vendor_updated_at=created,
            annotations=tuple(sorted((a for a, _ in given), key=lambda a: (a.annotator_id, a.submitted_at))),
            ontology_version=ontology.version,
            parser_version=PARSER_VERSION,
            unknown_labels=tuple(sorted(unknown for _, unknown in given if unknown)),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InvalidDelivery(
            f"result {raw.vendor_id} revision {raw.revision} ({len(raw.body)} bytes) is no augmented manifest line: "
            f"{type(error).__name__} {error}; the raw bytes are kept"
        ) from error


def moment(text: str) -> datetime:
    """An aware UTC time; without a zone it is UTC, as Ground Truth means it."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _answers(
    line: Mapping[str, Any], attr: str, workers: Sequence[Mapping[str, str]], created: datetime, ontology: Ontology
) -> Iterator[tuple[Annotation, str]]:
    """Annotations, each with the label that the ontology does not know, or ""."""
    metadata = line[f"{attr}-metadata"]
    who: Literal["HUMAN", "MACHINE", "UNKNOWN"] = _provenance(metadata.get("human-annotated"))
    if "failure-reason" in metadata:
        reason = str(metadata["failure-reason"])
        yield Annotation(_job(metadata), (), True, reason, None, created, None, who, None), ""  # noqa: FBT003
        return
    inline = line[attr].get("annotationsFromAllWorkers", []) if isinstance(line.get(attr), dict) else []
    given = [answer for one in workers for answer in json.loads(one["text"])["answers"]]
    for answer in given:
        label, at = _label(answer["answerContent"]), moment(answer["submissionTime"])
        begun = moment(answer["acceptanceTime"]) if answer.get("acceptanceTime") else None
        yield _annotation(ontology, label, str(answer["workerId"]), who, at, begun, answer.get("timeSpentInSeconds"))
    for answer in [] if given else inline:
        label = _label(json.loads(answer["annotationData"]["content"]))
        yield _annotation(ontology, label, str(answer["workerId"]), who, created, None, None)
    if not given and not inline:
        yield _annotation(ontology, _text(metadata["class-name"]), _job(metadata), who, created, None, None)


def _annotation(
    ontology: Ontology,
    label: str,
    annotator: str,
    who: Literal["HUMAN", "MACHINE", "UNKNOWN"],
    at: datetime,
    begun: datetime | None,
    work_s: float | None,
) -> tuple[Annotation, str]:
    meant = answer_of(label, ontology)
    spent = None if work_s is None else float(work_s)
    ids = () if meant.class_id is None else (meant.class_id,)
    one = Annotation(annotator, ids, bool(meant.skip), meant.skip, begun, at, spent, who, None)
    return one, "" if ids or meant.skip else label


def _label(content: Any, depth: int = DEPTH) -> str:
    """The one label inside a worker's answer, however its template nested it."""
    if isinstance(content, dict):
        if "label" in content:
            return _text(content["label"])
        if len(content) == 1 and depth:
            return _label(next(iter(content.values())), depth - 1)
    raise ValueError(
        f"no label in a worker's answer with {sorted(content) if isinstance(content, dict) else content!r}"
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a label must be text, found {value!r}")
    return value


def _job(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("job-name") or "consolidated")


def _provenance(said: Any) -> Literal["HUMAN", "MACHINE", "UNKNOWN"]:
    return "HUMAN" if said == "yes" else "MACHINE" if said == "no" else "UNKNOWN"
