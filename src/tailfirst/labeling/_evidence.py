"""All answers that a seal decides on, over the rounds, from the ledger, the sealed rounds and data/gold.parquet."""

import json
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailfirst.context import Context
from tailfirst.contracts import Floats
from tailfirst.labeling._versions import Translation, has_ended
from tailfirst.labeling.fold import sealed_folders
from tailfirst.ledger.records import AnnotationRow, RoundRow, TaskRow
from tailfirst.quality.consensus import newest
from tailfirst.quality.deciding import AUDIT, GOLD, TRAIN, Case
from tailfirst.quality.gold import read_gold
from tailfirst.quality.history import out_of_sample, read_quality
from tailfirst.quality.judging import Said

TRAINING = ("TRAIN", "RELABEL")


@dataclass(frozen=True, slots=True)
class Given:
    """An answer and the labeling task that it came for."""

    task: TaskRow
    answer: AnnotationRow


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the items of a seal, and about the people who answered."""

    given: tuple[Given, ...]
    gold: Mapping[str, str]
    probs: Mapping[str, Floats]  # item -> (C,), out of sample
    dropped_before: frozenset[tuple[str, str]]  # (item, annotator) that an earlier seal did not count

    def cases(self, dropped: frozenset[tuple[str, str]]) -> dict[tuple[str, str], Case]:
        """Each item's answers by (item, purpose) without those that are not counted."""
        votes: dict[tuple[str, str], list[AnnotationRow]] = defaultdict(list)
        for one in self.given:
            if one.task.item_id in self.gold and one.task.purpose != GOLD:
                continue  # bought before it became gold: its label has left the training set
            kept = votes[one.task.item_id, purpose_of(one.task)]
            if (one.task.item_id, one.answer.annotator_id) not in dropped:
                kept.append(one.answer)
        return {place: Case(*place, tuple(found)) for place, found in votes.items()}

    def said(self, class_ids: Sequence[str]) -> list[Said]:
        """The class answers of people, newest per person, item and use of gold."""
        groups: dict[tuple[str, str], list[AnnotationRow]] = defaultdict(list)
        for one in self.given:
            unit = one.task.key if one.task.purpose == GOLD else one.task.item_id
            if one.answer.provenance != "MACHINE":
                groups[unit, one.task.item_id].append(one.answer)
        units = {one.task.key for one in self.given if one.task.purpose == GOLD}
        return [
            Said(
                unit, item, v.annotator_id, v.class_ids[0], v.submitted_at.timestamp(), v.work_s,
                self.gold.get(item) if unit in units else None,
            )
            for (unit, item), votes in groups.items()
            for v in newest(votes)
            if not v.skipped and len(v.class_ids) == 1 and v.class_ids[0] in class_ids
            and (unit not in units or self.gold.get(item) in class_ids)
        ]  # fmt: skip


def purpose_of(task: TaskRow) -> str:
    """TRAIN for second opinions too: they are about the same label."""
    return task.purpose if task.purpose in {AUDIT, GOLD} else TRAIN


def gather(ctx: Context, row: RoundRow, subjects: Iterable[TaskRow]) -> Evidence:
    """Everything that a seal of `row` needs to decide the subjects.

    Earlier rounds are read only where they matter: a method that learns about people, gold, or items that were asked
    before. So a plain round stays as cheap in the thousandth round as in the first.
    """
    subjects = list(subjects)
    rounds = {row.round_no, *(task.round_no for task in subjects)}
    quality = ctx.params.quality
    if quality.consensus != "majority" or quality.gold_share or quality.drop_spam or any(map(_asked_before, subjects)):
        earlier = ctx.ledger.rounds.all(ctx.campaign)
        rounds |= {r.round_no for r in earlier if r.round_no < row.round_no and r.sealed_sha256}
    folders = [folder for folder in sealed_folders(ctx.ws) if min(rounds) <= int(folder.name) < row.round_no]
    known = {r.round_no: r for r in ctx.ledger.rounds.some(ctx.campaign, rounds)}
    given = _live([one for number in sorted(rounds) for one in _of_round(ctx, number, known.get(number))])
    return Evidence(
        given=tuple(given),
        gold=read_gold(ctx.ws, ctx.task.ontology_version),
        probs=plan_probs(row, ctx.task.class_ids) | out_of_sample(folders, ctx.task.class_ids),
        dropped_before=frozenset((item, who) for f in folders for item, who in read_quality(f).get("dropped", ())),
    )


def plan_probs(row: RoundRow, class_ids: Sequence[str]) -> dict[str, Floats]:
    """(C,) per item of the batch by the model that chose it; empty where PLAN kept none, or for other classes."""
    kept: dict[str, Any] | None = json.loads(row.plan_json or "{}").get("model")
    if kept is None or kept["class_ids"] != list(class_ids):
        return {}
    values = np.frombuffer(b64decode(kept["probs"]), "<f4").reshape(len(kept["item_ids"]), len(class_ids))
    return dict(zip(kept["item_ids"], values.astype(np.float64), strict=True))


def _asked_before(task: TaskRow) -> bool:
    return task.attempt > 1 or task.purpose not in {TRAIN, AUDIT} or task.parent_key is not None


def _live(given: Sequence[Given]) -> list[Given]:
    """Without answers in classes that ended, where the item has others: it was asked again after the change."""
    others = {one.task.item_id for one in given if not has_ended(one.answer)}
    return [one for one in given if not has_ended(one.answer) or one.task.item_id not in others]


def _of_round(ctx: Context, round_no: int, row: RoundRow | None) -> list[Given]:
    tasks = {task.key: task for task in ctx.ledger.tasks.list(ctx.campaign, round_no)}
    found = ctx.ledger.deliveries.annotations(ctx.campaign, round_no)
    words = None if row is None else Translation.of(ctx, row)  # not yet opened: of today
    found = found if words is None else words.answers(found)
    return [Given(tasks[one.key], one) for one in found if one.key in tasks]
