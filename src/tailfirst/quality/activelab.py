"""ActiveLab: is the next answer worth more on a new item or on one that has answers (arXiv 2301.11856, M7)?

Equal to cleanlab's get_active_learning_scores at the same temperature (see crowdlab.py). It knows no diversity and no
class balance, so a round uses it only to divide its budget (`split`); which new items are bought is the acquisition
strategy's business.
"""

from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Floats, Ints
from tailfirst.quality.answers import Answers
from tailfirst.quality.crowdlab import scaled, weighted

METHOD = "activelab/1"


@dataclass(frozen=True, slots=True)
class Split:
    """What a budget buys; the sum is below the budget where there are too few items."""

    n_relabel: int  # one more answer each to items that have some
    n_new: int


def relabel_scores(
    answers: Answers, probs_labeled: Floats, probs_unlabeled: Floats, *, balanced: bool = False
) -> tuple[Floats, Floats]:
    """(N,) and (U,) scores in (0, 1) on one scale: the lowest is worth the next answer most.

    Args:
        answers: May be empty; then the model alone speaks.
        probs_labeled: (N, C) out-of-sample model probabilities, rows as answers.item_ids.
        probs_unlabeled: (U, C) of items without answers.
        balanced: See `crowdlab`.

    Raises:
        ValueError: Wrong shapes, or fewer than two classes.
    """
    n, c = len(answers.item_ids), len(answers.class_ids)
    if probs_labeled.shape != (n, c):
        raise ValueError(f"probs of the labeled must be (items, classes) = {(n, c)}, found {probs_labeled.shape}")
    if probs_unlabeled.ndim != 2 or probs_unlabeled.shape[1] != c:
        raise ValueError(f"probs of the unlabeled must have {c} columns, found {probs_unlabeled.shape}")
    found = weighted(answers, probs_labeled, balanced=balanced)
    mean = float(found.annotator_weights.mean()) if n else 1.0
    backing = found.model_weight + np.bincount(
        answers.items, weights=found.annotator_weights[answers.annotators], minlength=n
    )
    quality = found.posterior[np.arange(n), found.labels]
    labeled = (backing * quality + mean / c) / (backing + mean)
    best = scaled(probs_unlabeled, found.temperature).max(axis=1)
    unlabeled = (found.model_weight * best + mean / c) / (found.model_weight + mean)
    return labeled, unlabeled


def split(budget: int, relabel: Floats, new: Floats, cap_share: float = 0.30, at_least: int = 0) -> Split:
    """How many of the budget's answers go to items that have some, and how many to new items.

    The lowest scores of both together decide; at equal scores a new item comes first.

    Args:
        budget: Answers to buy.
        relabel: Scores of the items that may be asked again.
        new: Scores of the items without an answer.
        cap_share: Largest share of relabels; rounded down.
        at_least: Relabels even where the scores want fewer (see `missing_overlap`); the cap still holds.

    Raises:
        ValueError: A negative budget, or a share outside [0, 1].
    """
    if budget < 0 or not 0 <= cap_share <= 1:
        raise ValueError(f"budget must be 0 or more and cap_share in [0, 1], found {budget} and {cap_share}")
    cap = min(int(budget * cap_share + 1e-9), len(relabel))
    from_new = np.concatenate([np.ones(len(new), np.int64), np.zeros(len(relabel), np.int64)])
    order = np.lexsort((1 - from_new, np.concatenate([new, relabel])))
    wanted = int((from_new[order][:budget] == 0).sum())
    n_relabel = min(max(wanted, at_least), cap)
    return Split(n_relabel, min(budget - n_relabel, len(new)))


def missing_overlap(per_item: Ints, budget: int, share: float = 0.10) -> int:
    """How many second answers are missing until `share` of all items, those to come included, has two or more.

    Without them every weight stays 1 and nothing can be learned about the annotators (M7).

    Args:
        per_item: (N,) answers of each item.
        budget: Answers about to be bought.
        share: In [0, 1].
    """
    have = int((per_item > 1).sum())
    single = len(per_item) - have
    # With r second answers, budget - r new items: have + r >= share * (items + budget - r).
    needed = (share * (len(per_item) + budget) - have) / (1 + share)
    return int(np.clip(np.ceil(needed - 1e-9), 0, single))


def lowest(scores: Floats, n: int) -> Ints:
    """The rows of the n lowest scores, lowest first; ties by row."""
    order: Ints = np.argsort(scores, kind="stable")[:n].astype(np.int64)
    return order
