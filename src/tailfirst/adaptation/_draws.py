"""Which rows an epoch sees, and which of them are mixed (specs/alor.md 7.2, 7.3, 7.5)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.adaptation._options import Cutmix
from tailfirst.contracts import Floats, Ints


@dataclass(frozen=True, slots=True)
class Mix:
    """How a batch is mixed with itself."""

    partner: Ints  # (B,) a permutation of the batch
    lam: float  # share of the item itself
    center: tuple[float, float]  # of the box that the partner fills, in [0, 1)


def draw_weights(classes: Ints, retrieved: NDArray[np.bool_], power: float, labeled_share: float | None) -> Floats:
    """(M,) probabilities to be drawn: n_y^-power, then scaled so that human labels have their share.

    Args:
        classes: (M,) class rows.
        retrieved: (M,) True = open data.
        power: gamma; 0 = every row alike, 1 = every class alike.
        labeled_share: None = what falls out; it has no effect where one of the two kinds is missing.
    """
    raw = np.bincount(classes).astype(np.float64)[classes] ** -power
    if labeled_share is not None and retrieved.any() and not retrieved.all():
        for rows, share in ((~retrieved, labeled_share), (retrieved, 1 - labeled_share)):
            raw[rows] *= share / raw[rows].sum()
    result: Floats = raw / raw.sum()
    return result


@dataclass(frozen=True, slots=True)
class Draws:
    """The rows of an epoch: each once in random order, or drawn with given probabilities."""

    rows: Ints  # (M,) rows of the training set
    weights: Floats | None  # (M,); None: every row once
    size: int  # rows per epoch

    @classmethod
    def of(
        cls,
        rows: Ints,
        classes: Ints,
        retrieved: NDArray[np.bool_],
        *,
        power: float,
        labeled_share: float | None,
        size: int | None,
    ) -> "Draws":
        """Draws among `rows` of a training set with these classes and origins."""
        even = power == 0 and labeled_share is None
        weights = None if even else draw_weights(classes[rows], retrieved[rows], power, labeled_share)
        return cls(rows, weights, len(rows) if size is None else size)

    def epoch(self, rng: np.random.Generator) -> Ints:
        """(size,) rows."""
        if self.weights is not None:
            drawn: Ints = self.rows[rng.choice(len(self.rows), self.size, p=self.weights)]
            return drawn
        laps = -(-self.size // len(self.rows))
        order = np.concatenate([rng.permutation(len(self.rows)) for _ in range(laps)])
        found: Ints = self.rows[order[: self.size]]
        return found


def draw_mix(count: int, cutmix: Cutmix | None, rng: np.random.Generator) -> Mix | None:
    """A mix of a batch of `count` rows, or None: with probability 1 - prob, and for a single row."""
    if cutmix is None or cutmix.prob == 0:
        return None
    happens, lam = rng.random() < cutmix.prob, float(rng.beta(cutmix.beta, cutmix.beta))
    partner, center = rng.permutation(count), rng.random(2)
    return Mix(partner, lam, (float(center[0]), float(center[1]))) if happens and count > 1 else None
