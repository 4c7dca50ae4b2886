"""Pseudo-labels of pool rows that nobody labeled, behind a gate (specs/alor.md 7.10; SWIFT, arXiv 2512.10244).

Works on vectors, so only with the tower `adapter`. A vector has no augmented views: the weak view is the vector, the
strong one lacks a share of its dimensions (ours). A class takes part if labels bear it out, and with at most as many
rows as the largest class has human labels. Pseudo-labels stay inside the fit: they enter no count, metric or ledger.
Only the map of the items learns from them; the head and the text side learn from labels and retrieved rows alone.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tailfirst.adaptation._adapter import AdapterTower
from tailfirst.adaptation._draws import Mix
from tailfirst.adaptation._head import fit_step, row_weights
from tailfirst.adaptation._linear import softmax
from tailfirst.adaptation._options import Gate, Tuning
from tailfirst.adaptation._problems import Problem
from tailfirst.adaptation._tower import Tower
from tailfirst.contracts import Floats, Head, Ints, TrainSet, Vectors
from tailfirst.errors import Unavailable
from tailfirst.vectors import unit

if TYPE_CHECKING:
    import torch

FOLDS = 5
L2 = 0.05
TINY = 1e-8


def gated(problem: Problem, tower: Tower, train: TrainSet, params: Tuning, rng: np.random.Generator) -> Problem:
    """The problem with pseudo-labels; the problem itself where they are off, or where no class passes the gate.

    Raises:
        Unavailable: They are asked for, but the tower is no adapter, or no pool row is known.
    """
    if params.unlabelled == "off":
        return problem
    if not isinstance(tower, AdapterTower) or train.unlabeled is None:
        raise Unavailable("unlabelled: gated needs the pool's vectors and `tower: adapter`")
    human = ~train.retrieved
    admitted = open_classes(train.vectors[human], train.classes[human], len(train.class_ids), train, params.gate)
    pool = train.unlabeled()
    chosen = np.sort(rng.permutation(len(pool))[: params.gate.limit])
    most = int(np.bincount(train.classes[human], minlength=1).max())
    if not admitted.any() or not len(chosen):
        return problem
    return _Gated(problem, tower, unit(pool[chosen]), admitted, most, params)


def open_classes(vectors: Vectors, classes: Ints, count: int, train: TrainSet, gate: Gate) -> NDArray[np.bool_]:
    """(C,) which classes are admitted: (hits + 0.5) / (n + 1) of the human labels predicted as the class.

    Predictions are out of fold (a linear head around the prototypes), so that no label vouches for itself.
    """
    predicted = _out_of_fold(vectors, classes, count, train)
    n = np.bincount(predicted, minlength=count)
    hits = np.bincount(predicted[predicted == classes], minlength=count)
    found: NDArray[np.bool_] = (n > 0) & ((hits + 0.5) / (n + 1) >= gate.precision)
    return found


def accepted(probs: Floats, admitted: NDArray[np.bool_], threshold: float, most: int) -> tuple[Ints, Ints]:
    """Rows that get a pseudo-label, and which: sure enough, of an admitted class, the surest `most` of each.

    Args:
        probs: (U, C) debiased probabilities.
        admitted: (C,).
        threshold: theta.
        most: Rows per class at most.
    """
    classes, sure = probs.argmax(axis=1), probs.max(axis=1)
    fits = (sure >= threshold) & admitted[classes]
    rows = [
        here[np.argsort(-sure[here], kind="stable")[:most]]
        for c in np.flatnonzero(admitted)
        if len(here := np.flatnonzero(fits & (classes == c)))
    ]
    found = np.sort(np.concatenate(rows)) if rows else np.zeros(0, np.int64)
    return found, classes[found]


class _Gated:
    """A problem plus lambda_u times the loss of accepted rows; which those are is settled at the start of an epoch."""

    def __init__(
        self,
        problem: Problem,
        tower: AdapterTower,
        pool: Vectors,
        admitted: NDArray[np.bool_],
        most: int,
        params: Tuning,
    ) -> None:
        import torch

        self._problem, self._adapter, self.device = problem, tower, problem.device
        self._pool, self._admitted, self._most, self._gate = torch.from_numpy(pool), admitted, most, params.gate
        self._log_marginal = np.zeros(len(admitted))  # ln q
        self._rows, self._classes = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def tower(self) -> "Mapping[str, torch.nn.Parameter]":
        return self._problem.tower()

    def head(self) -> "Mapping[str, torch.nn.Parameter]":
        return self._problem.head()

    def answer(self) -> Head:
        return self._problem.answer()

    def begin(self, rng: np.random.Generator) -> None:
        import torch

        self._problem.begin(rng)
        with torch.no_grad():
            features = self._adapter.mapped(self._pool).numpy().astype(np.float64)
        logits = features @ self._problem.answer().weights.T.astype(np.float64) / self._gate.temperature
        # The class marginal of the whole pool, which SWIFT's running mean over batches estimates.
        self._log_marginal = np.log(np.maximum(softmax(logits).mean(axis=0), TINY))
        debiased = softmax(logits - self._gate.debias * self._log_marginal)
        self._rows, self._classes = accepted(debiased, self._admitted, self._gate.threshold, self._most)

    def loss(self, rows: Ints, mix: Mix | None, rng: np.random.Generator) -> "torch.Tensor":
        import torch
        from torch.nn.functional import cross_entropy

        own = self._problem.loss(rows, mix, rng)
        drawn = rng.integers(len(self._pool), size=self._gate.ratio * len(rows))
        kept = np.searchsorted(self._rows, drawn).clip(max=max(0, len(self._rows) - 1))
        hit = self._rows[kept] == drawn if len(self._rows) else np.zeros(len(drawn), np.bool_)
        if not hit.any():
            return own
        seen = rng.random((int(hit.sum()), self._pool.shape[1])) >= self._gate.drop
        strong = self._pool[drawn[hit]] * torch.from_numpy(seen)
        answer = self._problem.answer()
        logits = answer.scale * self._adapter.mapped(strong) @ torch.from_numpy(answer.weights).T
        logits = logits + self._gate.debias * torch.from_numpy(self._log_marginal).float()
        target = torch.from_numpy(self._classes[kept[hit]])
        return own + self._gate.weight * cross_entropy(logits, target, reduction="sum") / len(drawn)


def _out_of_fold(vectors: Vectors, classes: Ints, count: int, train: TrainSet) -> Ints:
    """(M,) predicted classes of human labels by heads that did not see them."""
    predicted = np.full(len(classes), -1)
    base = np.zeros((count, vectors.shape[1]), np.float32) if train.prototypes is None else unit(train.prototypes)
    units = unit(vectors)
    for part in range(min(FOLDS, len(classes))):
        out = np.arange(len(classes)) % FOLDS == part
        weights = row_weights(classes[~out], np.ones(int((~out).sum())), count, 1.0)
        start = train.logit_scale * (units @ base.T)
        step = np.zeros_like(base, np.float64)
        if (~out).any():
            step = fit_step(units[~out], classes[~out], weights, start[~out], L2, 100)
        predicted[out] = (start[out] + units[out] @ step.T).argmax(axis=1)
    return predicted
