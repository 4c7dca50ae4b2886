"""CROWDLAB: the model as one more annotator, everybody weighted by agreement (arXiv 2210.06812, specs/methods.md M7).

Equal to cleanlab's get_label_quality_multiannotator at the same temperature, with its two passes: weights from the
majority give the consensus labels, weights from these labels give the posterior (whose argmax may rarely be another).
Differences:

- The temperature. cleanlab 2.9.0 counts a table with missing answers, which holds floats, into the wrong classes (an
  item with two answers 2.0 has the shares 1, 0, 0) and so fits another temperature; on a full table of integers both
  find the same.
- The last tie is broken by the order of the classes and not by chance.
- Where no item has two answers cleanlab refuses; here all weights are 1 and the posterior is the model's (M7), so that
  the label, the only answer, need not be its argmax.
- `balanced` and gold do not exist there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Ints
from tailfirst.quality.answers import Answers, Consensus
from tailfirst.quality.majority import agreement, ratio, winners

METHOD = "crowdlab/1"
FLOOR = 1e-6  # smallest weight and smallest error of always naming the most common class
COARSE = (0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 8.0)  # temperatures tried first
FINE = 4  # steps between two of them tried next
SMALLEST = 1e-30  # probability at which logarithms are cut


@dataclass(frozen=True, slots=True)
class Weighted:
    """The consensus together with what ActiveLab needs."""

    labels: Ints  # (N,)
    posterior: Floats  # (N, C)
    model_weight: float
    annotator_weights: Floats  # (A,)
    temperature: float


def crowdlab(
    answers: Answers, probs: Floats, known: Mapping[str, str] | None = None, *, balanced: bool = False
) -> Consensus:
    """Consensus of all items.

    Confidence is the posterior of the label. With `balanced`, every class has the same say in the weights: on skewed
    data the most common class alone explains nearly everything and all weights would hit their floor (M7).

    Args:
        answers: At least one.
        probs: (N, C) out-of-sample model probabilities.
        known: Gold: item id -> class id; taken as the majority where weights are estimated.
        balanced: Weigh items by the inverse frequency of their class when weights are estimated.

    Raises:
        ValueError: Fewer than two classes.
    """
    found = weighted(answers, probs, known, balanced=balanced)
    posterior = found.posterior
    fixed = answers.codes(known)
    posterior[fixed >= 0] = np.eye(posterior.shape[1])[fixed[fixed >= 0]]
    confidence = posterior[np.arange(len(found.labels)), found.labels]
    return Consensus(posterior, found.labels, confidence, _quality(answers, found, fixed), METHOD)


def weighted(
    answers: Answers, probs: Floats, known: Mapping[str, str] | None = None, *, balanced: bool = False
) -> Weighted:
    """Labels, posterior and weights; see `crowdlab`."""
    if len(answers.class_ids) < 2:
        raise ValueError(f"CROWDLAB needs two classes or more, found {len(answers.class_ids)}")
    fixed = answers.codes(known)
    shared = answers.per_item > 1
    first = np.where(fixed >= 0, fixed, winners(answers, answers.counts, probs)) if len(answers.items) else fixed
    if not shared.any():
        return Weighted(first, probs.astype(np.float64), 1.0, np.ones(len(answers.annotator_ids)), 1.0)
    temperature = best_temperature(answers, probs)
    calibrated = scaled(probs, temperature)
    first = np.where(fixed >= 0, fixed, winners(answers, answers.counts, calibrated))
    posterior, _, _ = _pass(answers, calibrated, first, shared, balanced=balanced)
    labels = np.where(fixed >= 0, fixed, _argmax(posterior, first))
    posterior, model_weight, weights = _pass(answers, calibrated, labels, shared, balanced=balanced)
    return Weighted(labels, posterior, model_weight, weights, temperature)


def best_temperature(answers: Answers, probs: Floats) -> float:
    """The temperature that fits the model to the shares of the answers best, on a coarse, then a fine grid."""
    share = answers.counts / answers.per_item[:, None]
    best = int(np.argmin([_cross_entropy(share, probs, t) for t in COARSE]))
    fine: list[float] = []
    if best > 0:
        fine += np.linspace(COARSE[best - 1], COARSE[best], FINE, endpoint=False).tolist()
    if best < len(COARSE) - 1:
        fine += np.linspace(COARSE[best], COARSE[best + 1], FINE + 1).tolist()
    return fine[int(np.argmin([_cross_entropy(share, probs, t) for t in fine]))]


def scaled(probs: Floats, temperature: float) -> Floats:
    """(N, C) softmax(log p / temperature): above 1 softer, below 1 sharper."""
    logits = np.log(np.maximum(probs, SMALLEST)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    raised = np.exp(logits)
    result: Floats = raised / raised.sum(axis=1, keepdims=True)
    return result


def _cross_entropy(share: Floats, probs: Floats, temperature: float) -> float:
    return -float((share * np.log(np.maximum(scaled(probs, temperature), SMALLEST))).sum(axis=1).mean())


def _pass(
    answers: Answers, probs: Floats, labels: Ints, shared: NDArray[np.bool_], *, balanced: bool
) -> tuple[Floats, float, Floats]:
    """(N, C) posterior, the model's weight and (A,) the annotators' weights, given consensus labels."""
    n, c = probs.shape
    say = _say(labels, shared, c, balanced=balanced)
    votes = answers.counts
    per_item = answers.per_item
    p = float(say @ (votes[np.arange(n), labels] / per_item))
    common = float(np.bincount(labels, weights=say, minlength=c).max())
    by_chance = max(FLOOR, 1 - common)
    model_error = float(say @ (probs.argmax(axis=1) != labels))
    model_weight = max(FLOOR, 1 - model_error / by_chance) * float(np.sqrt(per_item.mean()))
    weights = np.maximum(FLOOR, 1 - (1 - _peer_agreement(answers, votes, per_item, say)) / by_chance)
    cell = answers.items * c + answers.labels
    backed = np.bincount(cell, weights=weights[answers.annotators], minlength=n * c).reshape(n, c)
    total = backed.sum(axis=1, keepdims=True)
    other = (1 - p) / (c - 1)
    posterior = (model_weight * probs + other * total + (p - other) * backed) / (model_weight + total)
    return posterior, model_weight, weights


def _say(labels: Ints, shared: NDArray[np.bool_], n_classes: int, *, balanced: bool) -> Floats:
    """(N,) how much an item counts where weights are estimated; sums to 1, items with one answer have none."""
    per_class = np.bincount(labels[shared], minlength=n_classes)
    one = 1 / per_class[labels].clip(1) if balanced else np.ones(len(labels))
    say = np.where(shared, one, 0.0)
    result: Floats = say / say.sum()
    return result


def _peer_agreement(answers: Answers, votes: Floats, per_item: Ints, say: Floats) -> Floats:
    """(A,) share of the other answers to the same items that agree; who shares no item counts as the mean."""
    a = len(answers.annotator_ids)
    weight = say[answers.items]
    others = per_item[answers.items] - 1
    same = votes[answers.items, answers.labels] - 1
    agreeing = np.bincount(answers.annotators, weights=weight * same, minlength=a)
    found = ratio(agreeing, np.bincount(answers.annotators, weights=weight * others, minlength=a), np.nan)
    return np.where(np.isnan(found), np.nanmean(found), found)


def _argmax(posterior: Floats, first: Ints) -> Ints:
    """The likeliest class; where several are, the majority's."""
    top = posterior.max(axis=1)
    tied = (posterior == top[:, None]).sum(axis=1) > 1
    return np.where(tied, first, posterior.argmax(axis=1)).astype(np.int64)


def _quality(answers: Answers, found: Weighted, fixed: Ints) -> Floats:
    """(A,) the posterior of an annotator's answers and their agreement with the consensus, weighed as model and crowd.

    nan for someone who shares no item with anybody and answered no gold item.
    """
    a = len(answers.annotator_ids)
    own = found.posterior[answers.items, answers.labels]
    score = np.bincount(answers.annotators, weights=own, minlength=a) / np.bincount(answers.annotators, minlength=a)
    checked = (answers.per_item > 1) | (fixed >= 0)
    crowd = float(found.annotator_weights.sum() * answers.per_item.mean() / a)
    share = found.model_weight / (found.model_weight + crowd)
    return share * score + (1 - share) * agreement(answers, found.labels, checked)
