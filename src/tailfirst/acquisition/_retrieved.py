"""What retrieved data counts in Tail First Sampling: n_c, w_c, and w fitted to the errors on labels (alor.md 7.6).

Classes are rows of class_ids here.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tailfirst.contracts import Floats, Ints, PoolView
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

WEIGHTS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
KEPT_WEIGHT = 0.03  # where the labels say nothing about w
FOLDS = 5
LEAST = 8  # classes with labels, below which nothing is fitted
SAME = 1e-12  # errors closer than this are equal: the smaller w wins
L2_AROUND_PROTOTYPES, L2_FROM_ZERO, STEPS = 0.05, 0.0005, 100  # of the probe that is fitted on each fold


@dataclass(frozen=True, slots=True)
class Evidence:
    """How often a probe errs on labels it has not seen."""

    errors: Floats  # (C,) share of wrong answers; NaN for a class without labels
    support: Floats  # (C,) labels behind it
    labels: Floats  # (C,) labels of the class that the probe had, on average


def amounts(
    view: PoolView, by: Literal["captions", "kept"], cap: float | None, relevance: Literal["none", "t2t"]
) -> Floats:
    """(C,) rel_c * min(n_c, cap).

    A class without a kept row has no t2t score of its own: it gets the mean of the others.

    Raises:
        Unavailable: The view does not know what is asked for.
    """
    if by == "kept" and view.n_kept is None:
        raise Unavailable("retrieved_by: kept needs the number of retrieved rows per class, and it is not known here")
    counts = view.n_retrieved if by == "captions" or view.n_kept is None else view.n_kept
    found = np.minimum(counts, np.inf if cap is None else cap)
    if relevance == "none" or not found.any():
        return found
    known = view.relevance
    if known is None or np.isnan(known).all():
        raise Unavailable("relevance: t2t needs retrieved rows with a t2t score; retrieve some, or set relevance: none")
    return np.where(np.isnan(known), np.nanmean(known), known) * found


def evidence(view: PoolView) -> Evidence:
    """Errors of a linear probe on the labels, out of fold; row i of a class is in fold i mod 5.

    The probe starts from the prototypes where there are any. Where the model has tuned the encoder, its features have
    seen the labels and the errors are too small for all classes alike.
    """
    from tailfirst.adaptation._head import fit_scale, fit_step

    classes, count = view.labeled_classes, len(view.class_ids)
    folds, vectors = _folds(classes), unit(view.labeled_vectors)
    start = np.zeros((count, vectors.shape[1]), np.float32) if view.prototypes is None else unit(view.prototypes)
    l2 = L2_FROM_ZERO if view.prototypes is None else L2_AROUND_PROTOTYPES
    wrong, had = np.zeros(len(classes)), np.zeros(len(classes))
    for fold in range(FOLDS):
        out, ones = folds == fold, np.ones(int((folds != fold).sum()))
        if not out.any():
            continue
        logits = vectors @ start.T
        if len(ones):
            seen = classes[~out]
            prior = 1.0 if view.head is None else view.head.scale
            scale = 1.0 if view.prototypes is None else fit_scale(logits[~out], seen, ones, prior)
            step = fit_step(vectors[~out], seen, ones, scale * logits[~out], l2, STEPS)
            logits = scale * logits + vectors @ step.T
            had[out] = np.bincount(seen, minlength=count)[classes[out]]
        wrong[out] = logits[out].argmax(axis=1) != classes[out]
    support = np.bincount(classes, minlength=count).astype(np.float64)
    some = np.maximum(support, 1)
    errors = np.bincount(classes, wrong, minlength=count) / some
    labels = np.bincount(classes, had, minlength=count) / some
    return Evidence(np.where(support > 0, errors, np.nan), support, labels)


def fit_weight(known: Evidence, retrieved: Floats) -> float:
    """The w of `WEIGHTS` with which a - b ln(1 + n_lab + w n_ret) predicts best the error of a class left out.

    a and b are fitted by least squares, classes weighted by their labels; b < 0 (data makes errors) counts as b = 0.
    0.03 where fewer than 8 classes have labels, or where no w makes b positive.

    Args:
        known: Errors of each class.
        retrieved: (C,) n_ret.
    """
    rows = np.flatnonzero(known.support)
    if len(rows) < LEAST:
        return KEPT_WEIGHT
    errors, weights = known.errors[rows], known.support[rows]
    best, least = KEPT_WEIGHT, np.inf
    for w in WEIGHTS:
        amount = np.log1p(known.labels[rows] + w * retrieved[rows])
        falls, loss = left_out(amount, errors, weights)
        if falls and loss < least - SAME:
            best, least = w, loss
    return best


def left_out(x: Floats, y: Floats, weights: Floats) -> tuple[bool, float]:
    """Whether the weighted line through all points falls, and the weighted mean square of leave-one-out errors.

    In closed form: the residual of a point of the whole fit, over 1 - its leverage. A line that does not fall is
    replaced by the mean.
    """
    shares = weights / weights.sum()
    middle_x, middle_y = shares @ x, shares @ y
    spread = shares @ (x - middle_x) ** 2
    slope = float(shares @ ((x - middle_x) * (y - middle_y)) / spread) if spread > 0 else 0.0
    falls = slope < 0
    leverage = shares * (1 + (x - middle_x) ** 2 / spread) if falls else shares
    residual = y - middle_y - (slope * (x - middle_x) if falls else 0)
    return falls, float(shares @ (residual / np.maximum(1 - leverage, SAME)) ** 2)


def _folds(classes: Ints) -> Ints:
    """(M,) the how-manieth of its class a row is, mod 5."""
    order = np.argsort(classes, kind="stable")
    firsts = np.searchsorted(classes[order], classes[order])
    folds = np.empty(len(classes), np.int64)
    folds[order] = (np.arange(len(classes)) - firsts) % FOLDS
    return folds
