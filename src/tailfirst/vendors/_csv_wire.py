"""A task's answers out of filled-in sheets, as bytes and back. Pure.

The bytes hold each answered row as it stands in its file, with the header and what is needed to read it again, and the
sha256 of the whole file, which is kept beside the order (`_csv_saves`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import Annotation, Ontology, ParsedResult, RawResult, SubmissionKey
from tailfirst.quality.skips import Answer as Meaning
from tailfirst.quality.skips import answer_of
from tailfirst.task import fold
from tailfirst.vendors._csv_sheet import DIGEST, cells_of

PARSER_VERSION = "csv/2"
NOT_SEEN = "does not load"  # a skip that asks for the item again: its image or link could not be opened


@dataclass(frozen=True, slots=True)
class Given:
    """An answered row where it was found."""

    copy: int
    file: str
    file_sha256: str
    saved_at: datetime
    delimiter: str
    encoding: str
    row: int
    header: str
    text: str
    state: tuple[str, ...]  # what an edit changes


def body_of(key: str, given: Sequence[Given]) -> bytes:
    """The bytes of a result."""
    answers = [
        {
            "copy": g.copy,
            "file": g.file,
            "file_sha256": g.file_sha256,
            "saved_at": g.saved_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "encoding": g.encoding,
            "delimiter": g.delimiter,
            "row": g.row,
            "header": g.header,
            "text": g.text,
        }
        for g in sorted(given, key=lambda g: g.copy)
    ]
    return canonical_json({"key": key, "answers": answers}).encode()


def revision_of(saved_at: datetime, n: int, body: bytes) -> str:
    """Ordered by the time of saving, then by the number of answers; two contents never share one."""
    return f"{saved_at.isoformat(timespec='microseconds')}-{n}-{sha256_bytes(body)[:8]}"


def parse(raw: RawResult, ontology: Ontology) -> ParsedResult:
    """The annotations in a result's bytes.

    Raises:
        InvalidDelivery: Not this format; says where.
    """
    try:
        value: Any = json.loads(raw.body)
        key, answers = str(value["key"]), value["answers"]
        cells = [cells_of(a["header"], a["text"], a["delimiter"]) for a in answers]
        saved = [datetime.fromisoformat(a["saved_at"]) for a in answers]
        given = [_annotation(a, c, at, ontology) for a, c, at in zip(answers, cells, saved, strict=True)]
        return ParsedResult(
            key=SubmissionKey(key),
            item_digest_echo=_digest(answers, cells),
            revision=revision_of(max(saved), len(answers), raw.body),
            vendor_updated_at=max(saved),
            annotations=tuple(sorted((a for a, _ in given), key=lambda a: (a.annotator_id, a.submitted_at))),
            ontology_version=ontology.version,
            parser_version=PARSER_VERSION,
            unknown_labels=tuple(sorted(unknown for _, unknown in given if unknown)),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InvalidDelivery(
            f"result {raw.vendor_id} revision {raw.revision} ({len(raw.body)} bytes) is no answered row: "
            f"{type(error).__name__} {error}; the raw bytes are kept"
        ) from error


def meaning(label: str, ontology: Ontology) -> Meaning:
    """What a cell means; `2.0` and `2,0` are what a spreadsheet makes of a class named 2."""
    meant = answer_of(label, ontology)
    if meant.class_id is None and fold(label) == NOT_SEEN:
        return Meaning(None, NOT_SEEN)
    whole = label.replace(",", ".").partition(".")
    if meant.class_id is None and not meant.skip and whole[0].isdecimal() and whole[2] and not whole[2].strip("0"):
        return answer_of(whole[0], ontology)
    return meant


def _annotation(
    answer: dict[str, Any], cells: dict[str, str], saved_at: datetime, ontology: Ontology
) -> tuple[Annotation, str]:
    label = cells["label"].strip()
    if not label:
        raise ValueError(f"row {answer['row']} of {answer['file']} has no label")
    meant = meaning(label, ontology)
    named = " ".join(cells.get("annotator", "").split()).casefold()  # Anna and anna are one person, and one opinion
    who = named or f"copy-{answer['copy']}"
    ids = () if meant.class_id is None else (meant.class_id,)
    one = Annotation(who, ids, bool(meant.skip), meant.skip, None, saved_at, None, "HUMAN", False)  # noqa: FBT003
    return one, "" if ids or meant.skip else label


def _digest(answers: Sequence[dict[str, Any]], cells: Sequence[dict[str, str]]) -> str:
    """The one item digest that all copies echo."""
    found = {c["digest"].strip() for c in cells}
    (digest,) = found if len(found) == 1 else ("",)
    if not digest.startswith(DIGEST):
        rows = ", ".join(f"row {a['row']} of {a['file']}" for a in answers)
        raise ValueError(f"{rows}: the column digest must hold one {DIGEST}..., found {sorted(found)}")
    return digest.removeprefix(DIGEST)
