"""Dawid and Skene's EM over annotators' confusion matrices (Applied Statistics 28, 1979; specs/methods.md M13).

Agrees with crowd-kit's DawidSkene step by step, with three differences, all on purpose:

- crowd-kit uses initial error counts in the first M step only and has forgotten them when EM converges. Here they are
  pseudo-counts of every M step (a Dirichlet prior), so what earlier rounds taught about an annotator lasts.
- A class that nobody named and no gold item or history has gets probability 0. crowd-kit does not know such a class.
- EM stops when the objective per answer grows by less than the tolerance; the objective is the log-likelihood itself
  (plus the log prior), not the lower bound at the last posterior, which is one half step behind.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Floats, Ints
from tailfirst.quality._grouped import grouped_sum
from tailfirst.quality.answers import AnnotatorPrior, Answers, Consensus
from tailfirst.quality.confusion import check_classes
from tailfirst.quality.majority import ratio

METHOD = "dawid-skene/1"
FLOOR = 1e-10  # smallest count of an error cell and smallest probability of a class that occurs


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model."""

    posterior: Floats  # (N, C)
    objectives: Floats  # (iterations,) log-likelihood + log prior before each M step, not decreasing
    priors: Floats  # (C,) share of each class
    pairs: Ints  # (P, 2) annotator and answer of each row of errors; a pair that nobody gave has no row
    errors: Floats  # (P, C) probability of the answer where the truth is the column
    counts: Floats  # (P, C) expected counts behind `errors`, history included


def dawid_skene(
    answers: Answers,
    prior: AnnotatorPrior | None = None,
    known: Mapping[str, str] | None = None,
    iterations: int = 100,
    tolerance: float = 1e-5,
) -> Consensus:
    """Consensus of a fitted model; an annotator's quality is the share of answers that the model holds right.

    The quality is nan for someone who shares no item with anybody and has no gold and no history: EM believes such
    answers and learns nothing about their author. Equal probabilities go to the class that stands first in class_ids.
    """
    found = fit(answers, prior, known, iterations, tolerance)
    labels = found.posterior.argmax(axis=1).astype(np.int64)
    a = len(answers.annotator_ids)
    right = found.counts[np.arange(len(found.pairs)), found.pairs[:, 1]]
    quality = ratio(
        np.bincount(found.pairs[:, 0], weights=right, minlength=a),
        np.bincount(found.pairs[:, 0], weights=found.counts.sum(axis=1), minlength=a), np.nan,
    )  # fmt: skip
    checked = (answers.per_item > 1) | (answers.codes(known) >= 0)
    seen = np.bincount(answers.annotators[checked[answers.items]], minlength=a) > 0
    remembered = np.isin(answers.annotator_ids, prior.annotator_ids if prior else ())
    confidence = found.posterior[np.arange(len(labels)), labels]
    return Consensus(found.posterior, labels, confidence, np.where(seen | remembered, quality, np.nan), METHOD)


def fit(
    answers: Answers,
    prior: AnnotatorPrior | None = None,
    known: Mapping[str, str] | None = None,
    iterations: int = 100,
    tolerance: float = 1e-5,
) -> Fit:
    """EM from the majority's shares.

    Args:
        answers: At least one.
        prior: Error counts from earlier rounds; annotators who gave no answer here do not matter.
        known: Gold: item id -> class id; its posterior is fixed.
        iterations: At most, at least 1.
        tolerance: Smallest growth of the objective per answer that is worth another iteration.

    Raises:
        ValueError: The history or the gold is about other classes.
    """
    fixed = answers.codes(known)
    pairs, pair_of, history = _pairs(answers, prior)
    order = np.argsort(pair_of, kind="stable")
    posterior = _with_gold(answers.counts / answers.per_item[:, None], fixed)
    occurs = (posterior > 0).any(axis=0) | (history > 0).any(axis=0)
    objectives: list[float] = []
    for _ in range(iterations):
        priors = np.where(occurs, np.maximum(posterior.mean(axis=0), FLOOR), 0.0)
        counts = grouped_sum(posterior, answers.items[order], pair_of[order], len(pairs)) + history
        errors = _normalised(counts, pairs[:, 0], len(answers.annotator_ids))
        log_errors = np.log(errors)
        joint = grouped_sum(log_errors, pair_of, answers.items, len(answers.item_ids)) + _log(priors)
        posterior, evidence = _posterior(joint, fixed)
        objectives.append(evidence + float((history * log_errors).sum()))
        if len(objectives) > 1 and objectives[-1] - objectives[-2] < tolerance * len(answers.items):
            break
    counts = grouped_sum(posterior, answers.items[order], pair_of[order], len(pairs)) + history
    return Fit(posterior, np.array(objectives), priors, pairs, errors, counts)


def _pairs(answers: Answers, prior: AnnotatorPrior | None) -> tuple[Ints, Ints, Floats]:
    """Annotator-and-answer pairs (P, 2) that occur here or in the history, the pair of each answer, history (P, C)."""
    c = len(answers.class_ids)
    cell = answers.annotators * c + answers.labels
    if prior is None:
        cells, pair_of = np.unique(cell, return_inverse=True)
        return np.stack(np.divmod(cells, c), axis=1), pair_of.astype(np.int64), np.zeros((len(cells), c))
    check_classes(prior, answers.class_ids)
    place = {name: row for row, name in enumerate(prior.annotator_ids)}
    rows = [(row, place[name]) for row, name in enumerate(answers.annotator_ids) if name in place]
    here, there = np.array(rows, np.int64).reshape(-1, 2).T
    by_answer = np.zeros((len(answers.annotator_ids), c, c))
    by_answer[here] = prior.counts[there].transpose(0, 2, 1)
    flat = by_answer.reshape(-1, c)
    cells = np.union1d(cell, np.flatnonzero(flat.any(axis=1)))
    return np.stack(np.divmod(cells, c), axis=1), np.searchsorted(cells, cell), flat[cells]


def _normalised(counts: Floats, annotators: Ints, n_annotators: int) -> Floats:
    """(P, C) every annotator's answers sum to 1 in each column; annotators ascending."""
    floored = np.maximum(counts, FLOOR)
    rows = np.arange(len(floored))
    errors: Floats = floored / grouped_sum(floored, rows, annotators, n_annotators)[annotators]
    return errors


def _posterior(joint: Floats, fixed: Ints) -> tuple[Floats, float]:
    """(N, C) posterior, and the log-likelihood, from the log joint; gold items count with their own class."""
    top = joint.max(axis=1, keepdims=True)
    scaled = np.exp(joint - top)
    total = scaled.sum(axis=1, keepdims=True)
    evidence = (top + np.log(total))[:, 0]
    gold = np.flatnonzero(fixed >= 0)
    evidence[gold] = joint[gold, fixed[gold]]
    return _with_gold(scaled / total, fixed), float(evidence.sum())


def _with_gold(posterior: Floats, fixed: Ints) -> Floats:
    gold = fixed >= 0
    posterior[gold] = np.eye(posterior.shape[1])[fixed[gold]]
    return posterior


def _log(probabilities: Floats) -> Floats:
    """Natural logarithm; minus infinity at 0."""
    found: Floats = np.log(probabilities, out=np.full(probabilities.shape, -np.inf), where=probabilities > 0)
    return found
