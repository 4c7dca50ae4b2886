"""What a round's answers say of its annotators, and whose answers are not counted. Pure (rows 29 to 31 and 34).

Gold is counted by use: every labeling task of a gold item is an item of its own here, so that an item that a person saw
twice counts twice. Machine answers say nothing about people and are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailfirst.config import Quality
from tailfirst.contracts import Interval
from tailfirst.evaluation.intervals import wilson
from tailfirst.quality import agreement, spam
from tailfirst.quality.annotators import AnnotatorStats, statistics
from tailfirst.quality.answers import Answers
from tailfirst.quality.majority import majority

LEVEL = 0.95
LEAKED_USE = 2  # from this use on a person may know the item
LEAKED_ANSWERS = 10


@dataclass(frozen=True, slots=True)
class Said:
    """One person's class answer."""

    unit: str  # the item, or the labeling task of a gold item
    item_id: str
    annotator_id: str
    class_id: str
    at: float  # seconds; larger is later
    work_s: float | None
    gold_class: str | None  # None: no gold item


@dataclass(frozen=True, slots=True)
class Judged:
    """Statistics of everybody, signs of spam, and the (item, annotator) pairs whose answers are not counted."""

    stats: tuple[AnnotatorStats, ...]
    signs: tuple[spam.Suspicion, ...]
    accused: tuple[str, ...]
    dropped: frozenset[tuple[str, str]]
    pairs: tuple[agreement.PairAgreement, ...]
    ambiguous: tuple[agreement.PairAgreement, ...]
    leak: str  # why gold may be known; "" where nothing says so


def judge(said: Sequence[Said], class_ids: Sequence[str], quality: Quality) -> Judged:
    """Everything that the answers of all rounds so far say of the people behind them."""
    if not said:
        return Judged((), (), (), frozenset(), (), (), "")
    answers = Answers.build([(s.unit, s.annotator_id, s.class_id) for s in said], class_ids)
    known = {s.unit: s.gold_class for s in said if s.gold_class is not None}
    seconds = answers.aligned({(s.unit, s.annotator_id): s.work_s for s in said if s.work_s is not None})
    stats = statistics(answers, majority(answers, known=known).labels, known, seconds=seconds, level=LEVEL)
    rules = spam.SpamRules(min_gold=quality.min_gold_answers, gold_accuracy=quality.min_gold_accuracy)
    signs = spam.suspects(stats, rules)
    accused = spam.spammers(signs) if quality.drop_spam else sorted({s.annotator_id for s in signs if s.sign == "gold"})
    at = answers.aligned({(s.unit, s.annotator_id): s.at for s in said})
    gone = spam.dropped(answers, at, known, accused)
    item_of = {s.unit: s.item_id for s in said if s.gold_class is None}
    dropped = {
        (item_of[answers.item_ids[item]], answers.annotator_ids[who])
        for item, who in zip(answers.items[gone].tolist(), answers.annotators[gone].tolist(), strict=True)
        if answers.item_ids[item] in item_of
    }
    pairs = agreement.pair_agreement(answers)
    return Judged(
        stats, signs, tuple(accused), frozenset(dropped), pairs,
        agreement.ambiguous(pairs, max_kappa=quality.ambiguous_below), leak(said),
    )  # fmt: skip


def leak(said: Sequence[Said]) -> str:
    """Whether gold is known by now (row 30): later uses are answered better than first ones, beyond chance.

    A use is counted per annotator and item, in order of time. The Wilson intervals must not overlap, and all later
    answers must be right.
    """
    seen: dict[tuple[str, str], int] = {}
    first, later = [0, 0], [0, 0]
    for one in sorted((s for s in said if s.gold_class is not None), key=lambda s: (s.at, s.unit, s.annotator_id)):
        place = (one.item_id, one.annotator_id)
        seen[place] = seen.get(place, 0) + 1
        counted = later if seen[place] >= LEAKED_USE else first
        counted[0] += one.class_id == one.gold_class
        counted[1] += 1
    if later[1] < LEAKED_ANSWERS or not first[1] or later[0] < later[1]:
        return ""
    before, after = wilson(first[0], first[1], LEVEL), wilson(later[0], later[1], LEVEL)
    if after.low <= before.high:
        return ""
    return (
        f"all {later[1]} answers to gold that its annotator had seen before are right, {before.value:.0%} of the first "
        "ones were: name new gold (`tailfirst gold`) and lower quality.gold_max_uses"
    )


def as_data(found: Judged) -> dict[str, Any]:
    """For quality.json."""
    return {
        "annotators": [_annotator(s, found) for s in found.stats],
        "pairs": [
            {"one": p.one, "other": p.other, "agreement": _round(p.agreement), "kappa": _round(p.kappa),
             "mixed": _round(p.mixed)}
            for p in found.pairs
        ],
        "ambiguous": [[p.one, p.other] for p in found.ambiguous],
        "gold_leak": found.leak,
    }  # fmt: skip


def _annotator(s: AnnotatorStats, found: Judged) -> dict[str, Any]:
    return {
        "annotator_id": s.annotator_id,
        "answers": s.n_answers,
        "gold_answers": s.n_gold,
        "gold_accuracy": _interval(s.gold),
        "shared": s.n_shared,
        "peers": _interval(s.peers),
        "median_s": _round(s.median_seconds),
        "signs": [{"sign": one.sign, "why": one.why} for one in found.signs if one.annotator_id == s.annotator_id],
        "dropped": s.annotator_id in found.accused,
    }


def _interval(found: Interval | None) -> dict[str, float | None] | None:
    return (
        None if found is None else {"value": _round(found.value), "low": _round(found.low), "high": _round(found.high)}
    )


def _round(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
