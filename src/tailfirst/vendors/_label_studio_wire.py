"""Label Studio's JSON: what is written into it and what is read out of it. All pure.

A task of ours carries `meta.tailfirst`: the submission key, the item's digest, the payload's digest and the ontology
version; nothing there tells an annotator what an item is bought for. A project of ours carries one line of its
description. A task's revision is its `updated_at`: every save and deletion of an annotation moves it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from tailfirst.artifacts import canonical_json, sha256_bytes
from tailfirst.errors import InvalidDelivery
from tailfirst.port import (
    Annotation,
    Ontology,
    ParsedResult,
    RawResult,
    SubmissionKey,
    TaskRef,
    TaskSpec,
)
from tailfirst.quality.skips import Answer, answer_of
from tailfirst.vendors._label_studio_config import CONTROL, NO_CLASS, OBJECT
from tailfirst.vendors._label_studio_seen import OURS, moment, revision_of

PARSER_VERSION = "label_studio/1"
MODEL = "tailfirst"  # the name under which prelabels are shown
_MARK = re.compile(r"^tailfirst (\{.*\})$", re.MULTILINE)
# Left out of what is stored: a name, what changes by the clock, and unfinished work.
_NOT_KEPT = frozenset({"created_username", "created_ago", "drafts", "draft_exists"})


@dataclass(frozen=True, slots=True)
class Mark:
    """What a project of ours says about itself."""

    batch: str
    campaign: str
    ontology_version: str
    ontology_digest: str

    def line(self) -> str:
        """The line in the project's description."""
        value = [self.batch, self.campaign, self.ontology_version, self.ontology_digest]
        names = ("batch", "campaign", "ontology_version", "ontology_digest")
        return f"tailfirst {canonical_json(dict(zip(names, value, strict=True)))}"


def mark_of(description: object) -> Mark | None:
    """The mark in a project's description; None where it is not ours."""
    found = _MARK.search(str(description or ""))
    try:
        return Mark(**json.loads(found[1])) if found else None
    except (ValueError, TypeError):
        return None


def new_task(item: TaskSpec, data: Mapping[str, str], ontology_version: str) -> dict[str, Any]:
    """One element of an import call; with a prediction where the item has a prelabel."""
    ours = {
        "key": item.key,
        "item_digest": item.item_digest,
        "payload_sha256": item.payload_sha256,
        "ontology_version": ontology_version,
    }
    task: dict[str, Any] = {"data": dict(data), "meta": {OURS: ours}}
    if item.prelabel is not None:
        task["predictions"] = [{"model_version": MODEL, "result": [choice(item.prelabel)]}]
    return task


def choice(alias: str) -> dict[str, Any]:
    """A chosen class in Label Studio's result format."""
    return {"from_name": CONTROL, "to_name": OBJECT, "type": "choices", "value": {"choices": [alias]}}


def body_of(task: Mapping[str, Any]) -> bytes:
    """What is stored of a listed task: everything that the server said but names, clocks, drafts and inline images.

    "2 minutes ago" would make the same answer other bytes at every look.
    """
    kept = {name: _without(value) for name, value in task.items() if name not in _NOT_KEPT}
    data = task.get("data")
    if isinstance(data, dict):
        kept["data"] = {name: _short(value) for name, value in data.items()}
    return canonical_json(kept).encode()


def parse(raw: RawResult, ontology: Ontology) -> ParsedResult:
    """The annotations in a task's bytes.

    Raises:
        InvalidDelivery: Not our format; says where.
    """
    try:
        task: Any = json.loads(raw.body)
        ours = task["meta"][OURS]
        prelabeled = bool(task.get("predictions"))
        answers = [_annotation(one, ontology, prelabeled) for one in task["annotations"]]
        return ParsedResult(
            key=SubmissionKey(str(ours["key"])),
            item_digest_echo=str(ours["item_digest"]),
            revision=revision_of(moment(task["updated_at"])),
            vendor_updated_at=moment(task["updated_at"]),
            annotations=tuple(sorted((a for a, _ in answers), key=lambda a: (a.annotator_id, a.submitted_at))),
            ontology_version=str(ours.get("ontology_version", ontology.version)),
            parser_version=PARSER_VERSION,
            unknown_labels=tuple(sorted(name for _, unknown in answers for name in unknown)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidDelivery(
            f"task {raw.vendor_id} revision {raw.revision} ({len(raw.body)} bytes) is no Label Studio task of ours: "
            f"{type(error).__name__} {error}; the raw bytes are kept"
        ) from error


def _annotation(one: Mapping[str, Any], ontology: Ontology, prelabeled: bool) -> tuple[Annotation, list[str]]:
    """An answer, and the names in it that the ontology does not know."""
    submitted, lead_s = moment(one["updated_at"]), one.get("lead_time")
    names = [] if one["was_cancelled"] else _names(one["result"])
    meant = {name: _answer(name, ontology) for name in names}
    reasons = ["skipped"] if one["was_cancelled"] else [answer.skip for answer in meant.values() if answer.skip]
    if not names and not reasons:
        reasons = ["submitted without a choice"]
    began = one.get("draft_created_at")
    found = Annotation(
        annotator_id=_pseudonym(one.get("completed_by")),
        class_ids=tuple(sorted({answer.class_id for answer in meant.values() if answer.class_id is not None})),
        skipped=bool(reasons),
        reason=", ".join(reasons),
        started_at=moment(began) if began else submitted - timedelta(seconds=float(lead_s)) if lead_s else None,
        submitted_at=submitted,
        work_s=float(lead_s) if lead_s is not None else None,
        provenance=_provenance(one),
        saw_prelabel=prelabeled,
    )
    return found, [name for name, answer in meant.items() if answer.class_id is None and not answer.skip]


def _answer(name: str, ontology: Ontology) -> Answer:
    """Our own aliases first, then what every adapter does with a name."""
    return Answer(None, NO_CLASS[name]) if name in NO_CLASS else answer_of(name, ontology)


def _names(result: object) -> list[str]:
    if not isinstance(result, list):
        raise TypeError(f"result is {type(result).__name__}, not a list")
    regions = [region for region in result if region["from_name"] == CONTROL]
    if len(regions) != len(result):
        raise ValueError("a result of another control than ours")
    return [str(name) for region in regions for name in region["value"]["choices"]]


def _pseudonym(user: object) -> str:
    """The number of an account: stable, and no name of anybody."""
    if isinstance(user, dict):
        user = user.get("id")
    return f"ls-{int(str(user))}" if user is not None else "ls-unknown"


def _provenance(one: Mapping[str, Any]) -> Literal["HUMAN", "MACHINE", "UNKNOWN"]:
    """An answer without a person was imported; one made of a prediction in no time was accepted in bulk."""
    if one.get("completed_by") is None:
        return "UNKNOWN"
    return "MACHINE" if one.get("parent_prediction") and not one.get("lead_time") else "HUMAN"


def _without(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without(part) for name, part in value.items() if name not in _NOT_KEPT}
    return [_without(part) for part in value] if isinstance(value, list) else value


def _short(value: object) -> object:
    if isinstance(value, str) and value.startswith("data:"):
        return f"inline, sha256 {sha256_bytes(value.encode())}"
    return value


def numbers(refs: Sequence[TaskRef]) -> dict[int, list[int]]:
    """Task ids by project of refs that are ours; others are left out."""
    found: dict[int, list[int]] = {}
    for ref in refs:
        project, _, task = ref.vendor_id.partition("-")
        if project.isdigit() and task.isdigit():
            found.setdefault(int(project), []).append(int(task))
    return found
