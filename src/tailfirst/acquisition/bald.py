"""BALD: the items on which passes of the head with dropout disagree (Houlsby et al. 2011; specs/methods.md M1).

Score: the mutual information of label and weights, H(mean_m p_m) - mean_m H(p_m) >= 0 in nats, over M = 20 passes with
dropout on the input features of the head (Gal, Islam and Ghahramani 2017). High where single passes are sure and
contradict each other; an item that all passes find ambiguous has a high entropy and no BALD.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from tailfirst.acquisition import _dropout, _probs, _rows
from tailfirst.acquisition._ordered import ordered
from tailfirst.adaptation._linear import softmax
from tailfirst.contracts import Floats, PoolView, Selection


class Params(_dropout.Passes):
    """Passes, and the share of features that one drops."""

    passes: int = Field(20, ge=1)
    rate: float = Field(0.75, ge=0, le=0.99)  # as in DropQuery


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows with the highest score.

    Raises:
        Unavailable: There is no model yet, or no head.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    scores = score(view, params, rng)
    rows = _rows.best(scores, view.item_ids, budget)
    predicted = _probs.look(view, entropies=False, margins=False).first[rows]
    return _rows.ranked(rows, scores, tuple(f"bald:{view.class_ids[c]}" for c in predicted))


def score(view: PoolView, params: Params, rng: np.random.Generator) -> Floats:
    """(N,) mutual information in nats.

    Raises:
        Unavailable: There is no model yet, or no head.
    """
    inner, order = ordered(view, 0)
    _probs.look(inner, entropies=False, margins=False)  # broken probabilities name their item
    result = np.empty(len(order))
    for rows, passes in _dropout.blocks(inner, params, rng):
        result[order[rows]] = _information(softmax(logits.astype(np.float64)) for logits in passes)
    return result


def _information(passes: Iterator[Floats]) -> Floats:
    """(n,) H(mean_m p_m) - mean_m H(p_m) of M arrays (n, C)."""
    count, total, single = 0, np.zeros(()), np.zeros(())
    for probs in passes:
        count, total, single = count + 1, total + probs, single + _probs.entropy(probs)
    return np.maximum(_probs.entropy(total / count) - single / count, 0)
