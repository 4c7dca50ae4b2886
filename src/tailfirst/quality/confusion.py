"""Who answers what where the truth is what: counts per annotator, and the history they leave to the next round."""

import numpy as np

from tailfirst.contracts import Floats
from tailfirst.quality.answers import AnnotatorPrior, Answers


def error_counts(answers: Answers, posterior: Floats) -> Floats:
    """(A, C, C) expected counts: annotator, true class, answer.

    Args:
        answers: Who said what.
        posterior: (N, C) probability of each truth; a row of zeros leaves its item out.
    """
    a, c = len(answers.annotator_ids), len(answers.class_ids)
    cell = answers.annotators * c + answers.labels
    result = np.zeros((a, c, c))
    for true in range(c):
        weights = posterior[answers.items, true]
        result[:, true, :] = np.bincount(cell, weights=weights, minlength=a * c).reshape(a, c)
    return result


def carried(answers: Answers, posterior: Floats, earlier: AnnotatorPrior | None = None) -> AnnotatorPrior:
    """The history after these answers: their expected error counts on top of the earlier ones.

    Raises:
        ValueError: The earlier history is about other classes.
    """
    now = AnnotatorPrior(answers.annotator_ids, answers.class_ids, error_counts(answers, posterior))
    return now if earlier is None else merged(earlier, now)


def merged(one: AnnotatorPrior, two: AnnotatorPrior) -> AnnotatorPrior:
    """Counts of both, annotators sorted.

    Raises:
        ValueError: They are about different classes.
    """
    check_classes(one, two.class_ids)
    names = tuple(sorted({*one.annotator_ids, *two.annotator_ids}))
    place = {name: row for row, name in enumerate(names)}
    counts = np.zeros((len(names), len(one.class_ids), len(one.class_ids)))
    for prior in (one, two):
        counts[[place[name] for name in prior.annotator_ids]] += prior.counts
    return AnnotatorPrior(names, one.class_ids, counts)


def weak(
    annotator_ids: tuple[str, ...], class_ids: tuple[str, ...], accuracy: float = 0.7, strength: float = 1.0
) -> AnnotatorPrior:
    """The same mild belief about everybody: right with `accuracy`, else any other class alike.

    Without it Dawid-Skene estimates C x C numbers per annotator from nothing but their answers; with many classes and
    few answers that is far too much (docs/results/crowd).

    Args:
        annotator_ids: (A,).
        class_ids: (C,).
        accuracy: In (1 / C, 1).
        strength: How many imagined answers per annotator and true class.
    """
    c = len(class_ids)
    one = np.full((c, c), strength * (1 - accuracy) / max(1, c - 1))
    np.fill_diagonal(one, strength * accuracy)
    return AnnotatorPrior(annotator_ids, class_ids, np.broadcast_to(one, (len(annotator_ids), c, c)).copy())


def check_classes(prior: AnnotatorPrior, class_ids: tuple[str, ...]) -> None:
    """Refuse a history about other classes or of another shape.

    Raises:
        ValueError: It does not fit; says how.
    """
    if prior.class_ids != class_ids:
        raise ValueError(
            f"annotators' history is about the classes {', '.join(prior.class_ids)}, the answers about "
            f"{', '.join(class_ids)}; map it to the same classes in the same order first"
        )
    shape = (len(prior.annotator_ids), len(class_ids), len(class_ids))
    if prior.counts.shape != shape or not (prior.counts >= 0).all():
        raise ValueError(f"history counts must be {shape} and not negative, found {prior.counts.shape}")
