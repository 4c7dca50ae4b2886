"""Do annotators agree with each other, and on which pair of classes do they not?

Everything comes from Krippendorff's coincidence matrix: every ordered pair of answers to one item counts 1 / (n - 1),
so that an item with n answers counts n (Krippendorff, Content Analysis, chapter 11).
"""

from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Floats
from tailfirst.quality.answers import Answers

METHOD = "agreement/1"


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How two classes are told apart, among answers that name one of the two."""

    one: str
    other: str
    agreement: float  # share of pairs of answers that name the same of the two, in [0, 1]
    kappa: float  # the same beyond chance, 1 = always, 0 = as by chance; says more where one of the two is rare
    mixed: float  # pairs of answers in which both are named; with two answers per item, the items split between the two


def coincidences(answers: Answers) -> Floats:
    """(C, C) symmetric coincidence counts; items with a single answer have none."""
    votes = answers.counts[answers.per_item > 1]
    weights = 1 / (votes.sum(axis=1, keepdims=True) - 1)
    found: Floats = (weights * votes).T @ votes - np.diag((weights * votes).sum(axis=0))
    return found


def krippendorff_alpha(answers: Answers) -> float:
    """Alpha for nominal data: 1 = full agreement, 0 = as by chance; nan where fewer than two classes are named."""
    table = coincidences(answers)
    per_class = table.sum(axis=1)
    total = float(per_class.sum())
    by_chance = total**2 - float((per_class**2).sum())
    if by_chance <= 0:
        return float("nan")
    return 1 - (total - 1) * (total - float(np.trace(table))) / by_chance


def pair_agreement(answers: Answers) -> tuple[PairAgreement, ...]:
    """All pairs of classes that were mixed up at least once, lowest kappa first, then the oftener mixed."""
    table = coincidences(answers)
    same = np.diag(table)
    ones, others = np.nonzero(np.triu(table, 1) > 0)
    mixed = table[ones, others]
    total = same[ones] + same[others] + 2 * mixed
    agreed = (same[ones] + same[others]) / total
    share = (same[ones] + mixed) / total
    expected = share**2 + (1 - share) ** 2
    kappa = (agreed - expected) / (1 - expected)
    order = np.lexsort((others, ones, -mixed, kappa))
    names = answers.class_ids
    return tuple(
        PairAgreement(names[ones[k]], names[others[k]], float(agreed[k]), float(kappa[k]), float(mixed[k]))
        for k in order
    )


def ambiguous(
    pairs: tuple[PairAgreement, ...], max_kappa: float = 0.4, min_mixed: float = 5
) -> tuple[PairAgreement, ...]:
    """Pairs that the guideline does not settle (row 31, `guideline_ambiguous`): stop buying them, fix the guideline.

    Args:
        pairs: From `pair_agreement`.
        max_kappa: At most this agreement beyond chance; 0.4 is the usual border between fair and moderate.
        min_mixed: At least that many mixed pairs of answers, so that a slip of one person is not called a guideline.
    """
    return tuple(pair for pair in pairs if pair.kappa <= max_kappa and pair.mixed >= min_mixed)
