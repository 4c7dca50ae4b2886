"""Fitting a softmax head: a scale for the prototypes, then the step away from them."""

from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Floats, Ints, Vectors

SCALE_SD = 1.0  # standard deviation of the prior on ln(scale) around the encoder's own


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


def row_weights(classes: Ints, mass: Floats, count: int, gamma: float) -> Floats:
    """(M,) weights v_i * m_class^-gamma, scaled to keep the total mass."""
    totals = np.bincount(classes, mass, minlength=count)
    raw = mass * totals[classes] ** -gamma
    result: Floats = raw * (mass.sum() / raw.sum())
    return result


def fit_step(
    vectors: Vectors, classes: Ints, weights: Floats, logits: Floats | Vectors, l2: float, max_iter: int
) -> Floats:
    """The step (C, D) that minimises sum_i w_i CE(logits_i + step z'_i, y_i) + l2/2 |step|^2.

    z' are the rows without their part along the mean direction. L-BFGS, inside the span of the rows where these are
    fewer than dimensions (the step never leaves it). Products run in float32, sums and the step in float64. Scaling by
    the rows' second moment was tried and costs iterations: near the optimum the curvature is elsewhere.

    Args:
        vectors: (M, D) unit rows.
        classes: (M,) class rows.
        weights: (M,) weight of each row.
        logits: (M, C) where the head starts.
        l2: Weight of the pull to the start.
        max_iter: Iterations at most.
    """
    from scipy.optimize import minimize

    rows, basis = _in_span(_without_mean(vectors, weights))
    problem = _Problem(rows, logits.astype(np.float32), classes, weights, l2)
    start = np.zeros(logits.shape[1] * rows.shape[1])
    options = {"maxiter": max_iter, "maxcor": 10, "ftol": 1e-6, "gtol": 1e-6, "maxfun": 4 * max_iter}
    found = minimize(problem.loss, start, jac=True, method="L-BFGS-B", options=options)
    step: Floats = found.x.reshape(logits.shape[1], -1)
    return step if basis is None else step @ basis.T


@dataclass(frozen=True, slots=True)
class _Problem:
    rows: Vectors  # (M, r)
    start: Vectors  # (M, C) logits
    classes: Ints
    weights: Floats
    l2: float

    def loss(self, flat: Floats) -> tuple[float, Floats]:
        """Objective and gradient for a step (C * r,)."""
        step = flat.reshape(self.start.shape[1], -1)
        logits = self.rows @ step.T.astype(np.float32)
        logits += self.start
        logits -= logits.max(axis=1, keepdims=True)
        pick = np.arange(len(self.classes)), self.classes
        right = logits[pick]
        np.exp(logits, out=logits)
        total = logits.sum(axis=1, dtype=np.float64)
        value = float(self.weights @ (np.log(total) - right))
        logits *= (self.weights / total).astype(np.float32)[:, None]
        logits[pick] -= self.weights.astype(np.float32)
        gradient = (logits.T @ self.rows).ravel() + self.l2 * flat
        return value + 0.5 * self.l2 * float(flat @ flat), gradient


def _without_mean(vectors: Vectors, weights: Floats) -> Vectors:
    mean = (weights / weights.sum()) @ vectors.astype(np.float64)
    length = np.linalg.norm(mean)
    if length < 1e-6:
        return vectors
    axis = (mean / length).astype(np.float32)
    return vectors - np.outer(vectors @ axis, axis)


def _in_span(rows: Vectors) -> tuple[Vectors, Floats | None]:
    """Rows as they are, or in an orthonormal basis (D, M) of their span where there are fewer rows than dimensions."""
    if len(rows) >= rows.shape[1]:
        return np.ascontiguousarray(rows), None
    basis, _ = np.linalg.qr(rows.T.astype(np.float64))
    return np.ascontiguousarray(rows @ basis.astype(np.float32)), basis
