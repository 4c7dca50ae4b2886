"""Who answers without looking, and which of their answers go (specs/vendor.md section 5, row 29)?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats
from tailfirst.quality.annotators import AnnotatorStats
from tailfirst.quality.answers import Answers

METHOD = "spam/1"

Sign = Literal["gold", "constant", "agreement", "speed", "entropy"]
ENOUGH = frozenset({"gold", "constant"})


@dataclass(frozen=True, slots=True)
class SpamRules:
    """When a statistic is a sign of spam. Intervals protect those who have answered little."""

    min_answers: int = 20  # below, speed, agreement and entropy say nothing
    min_gold: int = 5  # below, gold says nothing
    gold_accuracy: float = 0.6  # sign: the upper bound of the accuracy on gold is below
    kappa: float = 0.2  # sign: the upper bound of (agreement with peers - chance) / (1 - chance) is below
    min_seconds: float = 0.0  # sign: the median is below
    fast_share: float = 0.25  # sign: the median is below this share of the median annotator's
    entropy_share: float = 0.5  # sign: the entropy of the answers is below this share of the consensus's
    min_other: int = 5  # sign: always the same answer, where the consensus is another on that many items


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One sign against one annotator."""

    annotator_id: str
    sign: Sign
    why: str


def suspects(stats: Sequence[AnnotatorStats], rules: SpamRules | None = None) -> tuple[Suspicion, ...]:
    """Every sign against every annotator, in the order of stats."""
    rules = rules or SpamRules()
    medians = [s.median_seconds for s in stats if not np.isnan(s.median_seconds)]
    usual = float(np.median(medians)) if medians else float("nan")
    return tuple(found for s in stats for found in _signs(s, rules, usual))


def spammers(found: Iterable[Suspicion]) -> tuple[str, ...]:
    """Annotators with enough against them: failed gold, one and the same answer, or two other signs. Sorted.

    One of the others alone is not enough: an expert is fast, a mild rule misjudges somebody somewhere.
    """
    signs: dict[str, set[Sign]] = {}
    for one in found:
        signs.setdefault(one.annotator_id, set()).add(one.sign)
    return tuple(sorted(name for name, given in signs.items() if given & ENOUGH or len(given) > 1))


def dropped(
    answers: Answers, answered_at: Floats, known: Mapping[str, str], annotator_ids: Iterable[str]
) -> NDArray[np.bool_]:
    """(L,) True for the answers of these annotators since their last right answer to a gold item.

    All of their answers go where none to gold was right. An answer of unknown time (nan) goes too.

    Args:
        answers: Who said what.
        answered_at: (L,) when, any unit, larger is later (`Answers.aligned`).
        known: Gold: item id -> class id.
        annotator_ids: Whom to drop.
    """
    accused = np.isin(answers.annotator_ids, sorted(annotator_ids))[answers.annotators]
    good = (answers.codes(known)[answers.items] == answers.labels) & ~np.isnan(answered_at)
    last = np.full(len(answers.annotator_ids), -np.inf)
    np.maximum.at(last, answers.annotators[good], answered_at[good])
    result: NDArray[np.bool_] = accused & ~(answered_at <= last[answers.annotators])
    return result


def _signs(s: AnnotatorStats, rules: SpamRules, usual_seconds: float) -> Iterable[Suspicion]:
    if s.gold and s.n_gold >= rules.min_gold and s.gold.high < rules.gold_accuracy:
        yield Suspicion(
            s.annotator_id, "gold",
            f"accuracy {s.gold.value:.2f} on {s.n_gold} gold answers, at most {s.gold.high:.2f}, is below "
            f"{rules.gold_accuracy:.2f}",
        )  # fmt: skip
    least = s.chance + rules.kappa * (1 - s.chance)
    if s.peers and s.n_shared >= rules.min_answers and s.peers.high < least:
        yield Suspicion(
            s.annotator_id, "agreement",
            f"agreement {s.peers.value:.2f} on {s.n_shared} shared items, at most {s.peers.high:.2f}, is below "
            f"{least:.2f}; chance alone gives {s.chance:.2f}",
        )  # fmt: skip
    if s.n_answers < rules.min_answers:
        return
    floor = np.nanmax([rules.min_seconds, rules.fast_share * usual_seconds])
    if s.median_seconds < floor:
        yield Suspicion(s.annotator_id, "speed", f"median {s.median_seconds:.1f} s is below {floor:.1f} s")
    if s.entropy_bits == 0 and s.n_other >= rules.min_other:
        why = f"all {s.n_answers} answers are the same; the consensus is another on {s.n_other} of the items"
        yield Suspicion(s.annotator_id, "constant", why)
    elif s.entropy_bits < rules.entropy_share * s.expected_bits:
        yield Suspicion(
            s.annotator_id, "entropy",
            f"answers vary by {s.entropy_bits:.2f} bits where the items vary by {s.expected_bits:.2f}",
        )  # fmt: skip
