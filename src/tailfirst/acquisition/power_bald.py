"""PowerBALD: a random batch in proportion to BALD (Kirsch et al. 2023, arXiv 2106.12059; specs/methods.md M1).

The B rows with the largest ln BALD(x) + g, g ~ Gumbel(0, 1): the same as drawing one item after the other without
replacement, each with probability BALD^power / sum of what is left. Picking the top of BALD itself fills a batch with
near-copies; the noise spreads it. Items below `floor` nats count as `floor`.

No inclusion probabilities are given. The chance of a step, BALD / sum of what is left, is known, but it is no inclusion
probability: that one (over all orders of B draws) has no closed form, and BALD is itself random through the dropout
masks, so no number known in a round would match the frequency over rounds.
"""

import numpy as np
from pydantic import Field

from tailfirst.acquisition import _probs, _rows, bald
from tailfirst.acquisition._ordered import ordered, selection
from tailfirst.contracts import PoolView, Selection


class Params(bald.Params):
    """BALD's, and how far the draw leans to high scores."""

    power: float = Field(1.0, gt=0)
    floor: float = Field(1e-9, gt=0)  # nats


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows in the order drawn; scores are power * ln BALD + g.

    Raises:
        Unavailable: There is no model yet, or no head.
        PoolExhausted: The view has fewer rows than the budget.
    """
    view, order = ordered(view, budget)
    information = bald.score(view, params, rng)
    scores = params.power * np.log(np.maximum(information, params.floor)) + rng.gumbel(size=len(order))
    rows = _rows.best(scores, view.item_ids, budget)
    predicted = _probs.look(view, entropies=False, margins=False).first[rows]
    return selection(order, rows, scores[rows], [f"power_bald:{view.class_ids[c]}" for c in predicted])
