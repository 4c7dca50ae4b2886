"""Which labels look wrong: confident learning (Northcutt et al., arXiv 1911.00068; specs/methods.md M13).

A ranking for people: the first are asked again. Nothing here drops a label, and no cleaner that does is best everywhere
(AQuA, arXiv 2306.09467). cleanlab is the oracle of the tests.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Ints
from tailfirst.quality.majority import ratio

METHOD = "confident-learning/1"

Score = Literal["self_confidence", "normalized_margin", "confidence_weighted_entropy"]
NEVER = 2.0  # threshold of a class without labels: no probability reaches it
SLACK = 1e-6  # a probability this far below its threshold still counts as confident
SMALLEST = 1e-6  # probability at which entropies are cut, so that a model that is wholly sure can be right or wrong


def ranked(labels: Ints, probs: Floats, score: Score = "normalized_margin") -> Ints:
    """(N,) all rows, the most suspicious label first; ties by row. Always a permutation: no row is ever left out.

    Args:
        labels: (N,) class rows, the labels as they are.
        probs: (N, C) out-of-sample model probabilities.
        score: Which `label_quality` ranks.
    """
    order: Ints = np.argsort(label_quality(labels, probs, score), kind="stable").astype(np.int64)
    return order


def label_quality(labels: Ints, probs: Floats, score: Score = "normalized_margin") -> Floats:
    """(N,) in [0, 1]: how well the model agrees with a label, low = suspicious.

    self_confidence: p(label). normalized_margin: (p(label) - the best other p + 1) / 2. confidence_weighted_entropy:
    log(1 + x) / x with x = normalised entropy / p(label), which also holds back where the model itself is unsure;
    unlike cleanlab's it is 1, not 0, where the model is wholly sure of the label.

    Raises:
        ValueError: Wrong shapes, a label outside the classes, or an unknown score.
    """
    _check(labels, probs)
    rows = np.arange(len(labels))
    own: Floats = probs[rows, labels]
    if score == "self_confidence":
        return own
    if score == "normalized_margin":
        others = probs.copy()
        others[rows, labels] = -np.inf
        margin: Floats = (own - others.max(axis=1) + 1) / 2
        return margin
    if score == "confidence_weighted_entropy":
        cut = np.maximum(probs, SMALLEST)
        entropy = -(cut * np.log(cut)).sum(axis=1) / np.log(probs.shape[1])
        x = entropy / cut[rows, labels]
        weighted: Floats = np.log1p(x) / x
        return weighted
    raise ValueError(f"no label quality {score!r}; known: {', '.join(get_args(Score))}")


def thresholds(labels: Ints, probs: Floats) -> Floats:
    """(C,) how sure the model is of a class on average where that is the label; 2 for a class without labels."""
    _check(labels, probs)
    c = probs.shape[1]
    own = np.bincount(labels, weights=probs[np.arange(len(labels)), labels], minlength=c)
    total = np.bincount(labels, minlength=c)
    return np.maximum(ratio(own, total, NEVER), 2 * SLACK)


def confident_classes(labels: Ints, probs: Floats) -> Ints:
    """(N,) the class that the model is confident of, at least its threshold; the likeliest if several, -1 if none."""
    sure = probs >= thresholds(labels, probs) - SLACK
    n_sure = sure.sum(axis=1)
    only = np.where(n_sure > 1, probs.argmax(axis=1), sure.argmax(axis=1))
    return np.where(n_sure > 0, only, -1).astype(np.int64)


def confident_joint(labels: Ints, probs: Floats) -> Floats:
    """(C, C) how many labels of the row's class are confidently of the column's, scaled to the counts of the labels.

    A class that never is confidently itself counts as 1 on the diagonal, so every row can be scaled.
    """
    c = probs.shape[1]
    guess = confident_classes(labels, probs)
    sure = guess >= 0
    table = np.bincount(labels[sure] * c + guess[sure], minlength=c * c).reshape(c, c).astype(np.float64)
    np.fill_diagonal(table, np.maximum(np.diag(table), 1))
    per_class = np.bincount(labels, minlength=c)
    scaled: Floats = table / table.sum(axis=1, keepdims=True) * per_class[:, None]
    return scaled


def issues(labels: Ints, probs: Floats) -> NDArray[np.bool_]:
    """(N,) True where the model is confident of another class than the label: off the diagonal of the joint."""
    guess = confident_classes(labels, probs)
    found: NDArray[np.bool_] = (guess >= 0) & (guess != labels)
    return found


def _check(labels: Ints, probs: Floats) -> None:
    if probs.ndim != 2 or len(labels) != len(probs) or probs.shape[1] < 2:
        raise ValueError(f"labels (N,) and probs (N, C >= 2) must fit, found {labels.shape} and {probs.shape}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < probs.shape[1]:
        raise ValueError(f"labels must be in 0 .. {probs.shape[1] - 1}, found {labels.min()} .. {labels.max()}")
