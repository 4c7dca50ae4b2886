"""What a seal says about the quality of its answers: quality.json, answers.parquet and model.parquet of its folder."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import write_json, write_parquet
from tailfirst.context import Context
from tailfirst.labeling._decide import Decision, Harvest, decide_all
from tailfirst.labeling._evidence import Given, plan_probs, purpose_of
from tailfirst.labeling._prelabels import anchoring
from tailfirst.ledger.records import AnnotationRow, CostRow, RoundRow
from tailfirst.quality.consensus import newest, skipped_as
from tailfirst.quality.deciding import GOLD, HUMANS_ONLY, TRAIN
from tailfirst.quality.history import ANSWERS, MODEL, QUALITY, model_table
from tailfirst.quality.judging import as_data
from tailfirst.quality.label_errors import issues, ranked
from tailfirst.quality.skips import SKIPS, UNSURE

SUSPECTS = 50  # labels that look wrong, at most, worst first
OTHER = "other"


def write_quality(ctx: Context, row: RoundRow, found: Harvest, costs: Sequence[CostRow], folder: Path) -> None:
    """Write the three files; the same ledger and sealed rounds give the same bytes."""
    write_parquet(folder / ANSWERS, answer_table(found))
    probs = plan_probs(row, ctx.task.class_ids)
    if probs:
        items = sorted(probs)
        write_parquet(folder / MODEL, model_table(items, np.array([probs[i] for i in items]), ctx.task.class_ids))
    write_json(folder / QUALITY, summary(ctx, row, found, costs))


def summary(ctx: Context, row: RoundRow, found: Harvest, costs: Sequence[CostRow]) -> dict[str, Any]:
    """quality.json."""
    suspects = label_suspects(ctx, found)
    experts = _experts(ctx, found, suspects)
    again = {item: why for item, why in _again(ctx, found).items() if item not in experts}
    own = [(task.item_id, one) for number, task, one in found.annotations if number == row.round_no]
    return {
        "consensus": ctx.params.quality.consensus,
        **as_data(found.judged),
        "accused": list(found.judged.accused),
        "dropped": sorted([item, who] for item, who in found.dropped),
        "same_person": [{"item_id": item, "annotator_id": who, "answers": n} for item, who, n in same_person(found)],
        "again": dict(sorted(again.items())),
        "experts": dict(sorted(experts.items())),
        "suspects": [{"item_id": item, "label": label, "model": model} for item, label, model in suspects],
        "gold": _gold(found, row),
        "anchoring": anchoring(row, [(g.task, g.answer) for g in found.evidence.given if _is_of(g, row)]),
        "skips": _skips(own),
        "skips_by_label": _skips_by_label(own, found),
        "cost_by_purpose": _cost_by_purpose(ctx, row, costs),
    }


def _is_of(one: Given, row: RoundRow) -> bool:
    return one.task.round_no == row.round_no


def same_person(found: Harvest) -> list[tuple[str, str, int]]:
    """(item, annotator, answers) where copies of an item went to one person: bought several times, counted once."""
    decided = {(d.task.item_id, purpose_of(d.task)) for d in found.decisions if d.task.purpose != GOLD}
    places = ((one.task.item_id, purpose_of(one.task), one.answer.annotator_id) for one in found.evidence.given)
    counted = Counter((item, who) for item, purpose, who in places if (item, purpose) in decided)
    return sorted((item, who, n) for (item, who), n in counted.items() if n > 1)


def answer_table(found: Harvest) -> pa.Table:
    """schemas.COUNTED: every person's newest answer to the items that this seal decides."""
    decided = {(d.task.item_id, purpose_of(d.task)) for d in found.decisions}
    gone = found.judged.dropped | found.evidence.dropped_before
    groups: dict[tuple[str, str], list[AnnotationRow]] = defaultdict(list)
    for one in found.evidence.given:
        place = (one.task.item_id, purpose_of(one.task))
        if place in decided and not (place[1] in HUMANS_ONLY and one.answer.provenance == "MACHINE"):
            groups[place].append(one.answer)
    rows = [
        {
            "item_id": item,
            "purpose": purpose,
            "annotator_id": vote.annotator_id,
            "answer": skipped_as(vote) if vote.skipped else vote.class_ids[0],
            "is_class": not vote.skipped,
            "dropped": (item, vote.annotator_id) in gone,
        }
        for (item, purpose), votes in sorted(groups.items())
        for vote in sorted(newest(votes), key=lambda v: v.annotator_id)
        if (vote.skipped and skipped_as(vote)) or (not vote.skipped and len(vote.class_ids) == 1)
    ]
    return pa.Table.from_pylist(rows, schema=schemas.COUNTED)


def label_suspects(ctx: Context, found: Harvest) -> list[tuple[str, str, str]]:
    """(item, label, the model's class) of labels that look wrong, worst first: for another look, never to drop one.

    All items that the seal knows are ranked, also those of earlier rounds: a class's usual confidence needs many.
    """
    classes, probs = ctx.task.class_ids, found.evidence.probs
    decided = decide_all(ctx, found.evidence, found.evidence.dropped_before | found.judged.dropped)
    labeled = [
        (item, classes.index(one.verdict.class_id))
        for (item, purpose), one in sorted(decided.items())
        if purpose == TRAIN and item in probs and one.verdict.class_id in classes
    ]
    if len(classes) < 2 or not labeled:
        return []
    rows = np.array([row for _, row in labeled])
    matrix = np.array([probs[item] for item, _ in labeled])
    wrong = issues(rows, matrix)
    found_wrong = [k for k in ranked(rows, matrix) if wrong[k]]
    return [(labeled[k][0], classes[rows[k]], classes[int(matrix[k].argmax())]) for k in found_wrong][:SUSPECTS]


def _again(ctx: Context, found: Harvest) -> dict[str, str]:
    """Items to be asked first in the next round: their label rests on answers that are not counted any more."""
    again = {
        d.task.item_id: "rework: answers of annotators who failed are not counted"
        for d in found.decisions
        if d.reworked
    }
    decided = {d.task.item_id for d in found.decisions}
    lost = {item for item, _ in found.dropped} - decided
    if lost:
        old = decide_all(ctx, found.evidence, found.evidence.dropped_before)
        new = decide_all(ctx, found.evidence, found.evidence.dropped_before | found.judged.dropped)
        for item in sorted(lost):
            before, after = old.get((item, "TRAIN")), new.get((item, "TRAIN"))
            if before and after and before.verdict.class_id and before.verdict.class_id != after.verdict.class_id:
                again[item] = "rework: its label rests on answers that are not counted any more"
    return again


def _experts(ctx: Context, found: Harvest, suspects: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Items that more answers of the same people will not settle (row 32)."""
    doubted = {item: model for item, _, model in suspects}
    bought: dict[str, set[int]] = defaultdict(set)
    for one in found.evidence.given:
        bought[one.task.item_id].add(one.task.round_no)
    experts: dict[str, str] = {}
    for d in found.decisions:
        item, times = d.task.item_id, len(bought[d.task.item_id])
        if d.task.purpose in HUMANS_ONLY:
            continue
        if d.verdict.kind == "SKIPPED" and d.verdict.reason == UNSURE:
            experts[item] = "most who were asked are unsure"
        elif d.verdict.kind not in {"LABEL", "SKIPPED"} and times >= ctx.params.quality.max_attempts:
            experts[item] = f"no label after {times} purchases"
        elif item in doubted and _repeated(d) and _thin(d, ctx.params.quality.confident):
            experts[item] = f"asked again, the same answer; the model is confident of {doubted[item]}"
    return experts


def _thin(d: Decision, confident: float) -> bool:
    """Whether a label stands on no more than two answers, or is not sure: many who agree against a model are right."""
    return d.verdict.n_annotations <= 2 or (d.verdict.confidence or 0.0) < confident


def _repeated(d: Decision) -> bool:
    return any(task.purpose == "RELABEL" for task in d.tasks)


def _gold(found: Harvest, row: RoundRow) -> dict[str, int]:
    given = [g for g in found.evidence.given if g.task.purpose == "GOLD" and g.task.round_no == row.round_no]
    counted = [g for g in given if g.answer.provenance != "MACHINE" and len(g.answer.class_ids) == 1]
    right = sum(g.answer.class_ids[0] == found.evidence.gold.get(g.task.item_id) for g in counted)
    return {"items": len({g.task.item_id for g in given}), "answers": len(counted), "right": right}


def _kind(one: AnnotationRow) -> str:
    return skipped_as(one) or OTHER


def _skips(own: Sequence[tuple[str, AnnotationRow]]) -> dict[str, int]:
    counted = Counter(_kind(one) for _, one in own if one.skipped)
    return {kind: counted[kind] for kind in (*SKIPS, OTHER)}


def _skips_by_label(own: Sequence[tuple[str, AnnotationRow]], found: Harvest) -> dict[str, dict[str, int]]:
    """Skips of items that others answered, by the label they got: where in the ontology people give up."""
    labels = {d.task.item_id: d.verdict.class_id or "" for d in found.labeled}
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for item, one in own:
        if one.skipped:
            counted[labels.get(item, "no label")][_kind(one)] += 1
    return {name: dict(sorted(kinds.items())) for name, kinds in sorted(counted.items())}


def _cost_by_purpose(ctx: Context, row: RoundRow, costs: Sequence[CostRow]) -> dict[str, Mapping[str, int]]:
    """What a round's tasks cost by why they were bought: gold and second opinions are the price of quality."""
    purpose = {t.key: t.purpose for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
    accrued = {c.key for c in costs if c.kind == "ACCRUED"}
    spent: Counter[str] = Counter()
    for cost in costs:
        if cost.key in purpose and (
            cost.kind in {"ACCRUED", "ADJUSTED"} or (cost.kind == "ESTIMATED" and cost.key not in accrued)
        ):
            spent[purpose[cost.key]] += cost.amount_micros
    tasks = Counter(purpose.values())
    return {name: {"tasks": tasks[name], "micros": spent[name]} for name in sorted(tasks)}
