"""What of the next batch is no new item: gold to test the annotators, and items that get another answer. Pure.

One budget pays for all (specs/vendor.md section 9): gold has its share; then rework (answers that were thrown away)
comes first; then ActiveLab (specs/methods.md M7) says for how many answers a second opinion is worth more than a new
item, up to `relabel_share`. Neither an audit, a holdout nor a gold item is ever among the second opinions.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from tailfirst.config import Quality
from tailfirst.contracts import Floats
from tailfirst.quality import activelab, gold
from tailfirst.quality.answers import Answers
from tailfirst.quality.history import History

RELABEL = "RELABEL"
REWORK_SHARE = 0.30  # of the budget; no more second answers than that, whatever the reason (specs/methods.md section 2)


@dataclass(frozen=True, slots=True)
class Repeat:
    """An item that is bought again."""

    item_id: str
    purpose: str  # GOLD | RELABEL
    reason: str
    score: float | None  # higher = more worth another answer


@dataclass(frozen=True, slots=True)
class Known:
    """What is known when the next batch is chosen."""

    gold: Mapping[str, str]  # item -> class
    used: Mapping[str, int]  # rounds that showed each gold item
    history: History
    confidence: Mapping[str, float]  # of the labels that may train, by item; these items may get another answer
    out_of_sample: Mapping[str, Floats]  # item -> (C,)
    unlabeled: Floats | None  # (U, C) of the eligible items; None: no model yet
    class_ids: tuple[str, ...]


def repeats(known: Known, budget: int, quality: Quality, n_eligible: int, seed: list[int]) -> tuple[Repeat, ...]:
    """The repeats of the next batch; at least one place is left for new items as long as there are any.

    Args:
        known: See there.
        budget: Items of the whole batch.
        quality: The section of params.yaml.
        n_eligible: New items that could be bought.
        seed: campaign.seed and the round.
    """
    room = budget - 1 if n_eligible else budget
    wanted_gold = min(math.ceil(quality.gold_share * budget - 1e-9), room)
    rng = np.random.default_rng([*seed, gold.STREAM])
    shown = gold.choose(known.gold, known.used, wanted_gold, quality.gold_max_uses, rng)
    again = _again(known, quality, budget - len(shown), room - len(shown))
    if not n_eligible and not again:
        return ()  # nothing is left to buy: gold alone would test people on nothing
    return (*(Repeat(item, gold.PURPOSE, "gold", None) for item in shown), *again)


def mixed(n_first: int, n_rest: int, n_repeats: int, seed: list[int]) -> list[int]:
    """Where the rows of [random slices, picks, repeats] go in the batch: the repeats lie among the picks, by chance.

    An annotator who saw all gold at the end of an order would know it. Returns the old row of each new row.
    """
    rng = np.random.default_rng([*seed, gold.STREAM, 1])
    total = n_rest + n_repeats
    places = set(rng.choice(total, size=n_repeats, replace=False).tolist()) if n_repeats else set()
    picks, again = iter(range(n_first, n_first + n_rest)), iter(range(n_first + n_rest, n_first + total))
    return [*range(n_first), *(next(again) if place in places else next(picks) for place in range(total))]


def may_be_asked(item: str, known: Known, quality: Quality, banned: Collection[str] = ()) -> bool:
    """Whether an item may get another answer at all."""
    told = known.history.answers.get(item, ())
    return (
        item not in known.gold
        and item not in banned
        and item not in known.history.experts
        and len({one.annotator_id for one in told}) < quality.overlap_max
        and known.history.asked.get(item, 0) < quality.max_attempts
    )


def _again(known: Known, quality: Quality, budget: int, room: int) -> list[Repeat]:
    most = min(room, int(budget * REWORK_SHARE + 1e-9))
    first = [Repeat(item, RELABEL, why, None) for item, why in sorted(known.history.again.items())]
    first = [one for one in first if may_be_asked(one.item_id, known, quality)][:most]
    taken = {one.item_id for one in first}
    left = min(most, int(budget * quality.relabel_share + 1e-9)) - len(first)
    return [*first, *(_second_opinions(known, quality, budget, left, taken) if left > 0 else [])]


def _second_opinions(known: Known, quality: Quality, budget: int, most: int, taken: Collection[str]) -> list[Repeat]:
    """Items whose label another answer would help more than a new item would help; at most `most`."""
    rows = [
        (item, one.annotator_id, one.answer)
        for item, told in known.history.answers.items()
        for one in told
        if one.is_class and one.answer in known.class_ids
    ]
    if not rows or known.unlabeled is None:
        return []
    answers = Answers.build(rows, known.class_ids)
    flat = np.full(len(known.class_ids), 1 / len(known.class_ids))
    probs = np.array([known.out_of_sample.get(item, flat) for item in answers.item_ids])
    scores, new = activelab.relabel_scores(answers, probs, known.unlabeled)
    open_rows = [
        row
        for row, item in enumerate(answers.item_ids)
        if _is_open(item, known, quality) and may_be_asked(item, known, quality, taken)
    ]
    lacking = activelab.missing_overlap(answers.per_item, budget)
    chosen = activelab.split(budget, scores[open_rows], new, most / budget, lacking).n_relabel
    best = sorted(open_rows, key=lambda row: (scores[row], answers.item_ids[row]))[:chosen]
    return [
        Repeat(answers.item_ids[row], RELABEL, _why(known, answers.item_ids[row]), 1.0 - float(scores[row]))
        for row in best
    ]


def _is_open(item: str, known: Known, quality: Quality) -> bool:
    """Whether its label is not sure: one person alone agrees with herself, whatever the confidence says."""
    sure = known.confidence.get(item)
    return sure is not None and (sure < quality.confident or len(known.history.answers[item]) < 2)


def _why(known: Known, item: str) -> str:
    n = len(known.history.answers[item])
    return f"second opinion: {known.confidence[item]:.2f} sure after {n} answer{'s' if n > 1 else ''}"
