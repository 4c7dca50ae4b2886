"""Fitting a softmax head: a scale for the prototypes, then the step away from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Ints, Vectors

SCALE_SD = 1.0  # standard deviation of the prior on ln(scale) around the encoder's own
RANK = 1e-7  # directions below this share of the largest second moment carry no signal in float32


def fit_scale(cosines: Vectors, classes: Ints, weights: Floats, prior: float) -> float:
    """The s that makes softmax(s * cosines) fit the classes best, with a log-normal prior around `prior`.

    Args:
        cosines: (M, C) of rows and prototypes.
        classes: (M,) class rows.
        weights: (M,) weight of each row.
        prior: The encoder's own scale.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(classes))
    cosines64 = cosines.astype(np.float64)

    def loss(log_scale: float) -> float:
        logits = np.exp(log_scale) * cosines64
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[rows, classes]
        return float(weights @ total + 0.5 * ((log_scale - np.log(prior)) / SCALE_SD) ** 2)

    bounds = (np.log(prior) - 5, np.log(prior) + 3)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def fit_step(
    vectors: Vectors, classes: Ints, weights: Floats, logits: Floats | Vectors, l2: float, max_iter: int
) -> Floats:
    """The step (C, D) that minimises sum_i w_i CE(logits_i + step z'_i, y_i) + l2/2 |step|^2.

    z' are the rows without their part along the mean direction. L-BFGS in coordinates in which the curvature is about
    one (eigenvectors of the weighted second moment), which takes tens of iterations instead of hundreds. Products run
    in float32, sums in float64.

    Args:
        vectors: (M, D) unit rows.
        classes: (M,) class rows.
        weights: (M,) weight of each row.
        logits: (M, C) where the head starts.
        l2: Weight of the pull to the start.
        max_iter: Iterations at most.
    """
    from scipy.optimize import minimize

    problem = _prepare(vectors, classes, weights, logits, l2)
    count, rank = logits.shape[1], len(problem.shrink)
    if rank == 0:
        return np.zeros((count, vectors.shape[1]))
    options = {"maxiter": max_iter, "maxcor": 10, "ftol": 1e-8, "gtol": 1e-6, "maxfun": 4 * max_iter}
    found = minimize(problem.loss, np.zeros(count * rank), jac=True, method="L-BFGS-B", options=options)
    step: Floats = (found.x.reshape(count, rank) * problem.shrink) @ problem.basis.T.astype(np.float64)
    return step


@dataclass(frozen=True, slots=True)
class _Problem:
    rows: Vectors  # (M, r) rows in the basis, times shrink
    start: Floats  # (M, C) logits
    classes: Ints
    weights: Floats
    shrink: Floats  # (r,) step coordinate = parameter * shrink
    basis: Vectors  # (D, r)
    l2: float

    def loss(self, flat: Floats) -> tuple[float, Floats]:
        """Objective and gradient in the scaled coordinates."""
        count = self.start.shape[1]
        point = flat.reshape(count, -1)
        logits = self.start + self.rows @ point.T.astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        pick = np.arange(len(self.classes)), self.classes
        right = logits[pick]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1)
        value = float(self.weights @ (np.log(total) - right))
        logits *= (self.weights / total)[:, None]
        logits[pick] -= self.weights
        pull = self.l2 * self.shrink**2
        gradient = (logits.T.astype(np.float32) @ self.rows).astype(np.float64) + pull * point
        return value + 0.5 * float((pull * point**2).sum()), gradient.ravel()


def _prepare(vectors: Vectors, classes: Ints, weights: Floats, logits: Floats | Vectors, l2: float) -> _Problem:
    start = logits.astype(np.float64)
    rows = _without_mean(vectors, weights)
    values, basis = _second_moment(rows, weights)
    top = start - start.max(axis=1, keepdims=True)
    probs = np.exp(top) / np.exp(top).sum(axis=1, keepdims=True)
    curvature = float(weights @ (probs * (1 - probs)).mean(axis=1) / weights.sum())
    shrink = 1 / np.sqrt(max(curvature, 1e-4) * values + l2)
    scaled = (rows @ basis) * shrink.astype(np.float32)
    return _Problem(np.ascontiguousarray(scaled), start, classes, weights, shrink, basis, l2)


def _without_mean(vectors: Vectors, weights: Floats) -> Vectors:
    mean = (weights / weights.sum()) @ vectors.astype(np.float64)
    length = np.linalg.norm(mean)
    if length < 1e-6:
        return vectors
    axis = (mean / length).astype(np.float32)
    return vectors - np.outer(vectors @ axis, axis)


def _second_moment(rows: Vectors, weights: Floats) -> tuple[Floats, Vectors]:
    """Eigenvalues (r,) and eigenvectors (D, r) of sum_i w_i z_i z_i^T, from the smaller of its two Gram matrices."""
    scaled = rows * np.sqrt(weights)[:, None].astype(np.float32)
    wide = scaled.shape[0] < scaled.shape[1]
    gram: NDArray[np.float64] = (scaled @ scaled.T if wide else scaled.T @ scaled).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    keep = values > RANK * max(values[-1], 1e-12)
    values, vectors = values[keep], vectors[:, keep]
    basis = scaled.T.astype(np.float64) @ vectors / np.sqrt(values) if wide else vectors
    return values, basis.astype(np.float32)
