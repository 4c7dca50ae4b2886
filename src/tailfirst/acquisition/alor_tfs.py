"""Tail First Sampling as published (ALOR, arXiv 2506.01724; specs/alor.md section 4): the baseline of `tail_first`.

n[c] = labels + retrieved images of the class; again and again the class with the smallest n, and of the items predicted
as that class the one of highest entropy; a pick adds one to its class. No weight, cap, search or expected counts. A
class without candidates keeps its count and is passed over, which equals leaving the round.

Known weakness, kept on purpose: a retrieved image counts as much as a label, so the whole batch may go to the one class
with the fewest retrieved images (Food-101's first round does), and a class the model never predicts gets nothing.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _quota, _rows, _scores
from tailfirst.contracts import PoolView, Selection


class Params(BaseModel):
    """What counts as retrieved."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retrieved_cap: float | None = Field(500, ge=0)  # images kept per class, as released; null = all matching captions
    retrieved_by: Literal["captions", "kept"] = "captions"  # n: all that match, or images that retrieval kept


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:  # noqa: ARG001
    """`budget` rows in the order taken.

    Raises:
        Unavailable: There is no model yet, or the number of kept images is asked for and not known.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    rule = _quota.TailFirst(
        retrieved_weight=1, retrieved_cap=params.retrieved_cap, retrieved_by=params.retrieved_by, counting="hard",
        max_share=None, search="none",
    )  # fmt: skip
    scores = _scores.score(view, "entropy")
    return _quota.selection(view, _quota.tail_first(view, scores, budget, rule), scores)
