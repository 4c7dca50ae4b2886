"""PCB, pseudo-class balance (arXiv 2311.11178; specs/alor.md section 4): a base proposes, classes are balanced.

The base strategy chooses floor(share * initial pool) candidates; then, until the batch is full, the class with the
fewest labels gets one of its predicted members among them, drawn at random. Only labels count (and what is ordered),
retrieved images do not. Different from the released rule in one place: a class without candidates leaves the round.
There it stays the class with the fewest labels and makes every later pick of the round a random one.
"""

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tailfirst import plugins
from tailfirst.acquisition import _quota, _rows
from tailfirst.config import Plugin
from tailfirst.contracts import PoolView, Selection


class Params(BaseModel):
    """Who proposes, and how much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Plugin = Plugin(plugin="entropy")  # any other strategy; published with entropy, coreset and badge
    share: float = Field(0.1, gt=0, le=1)  # of the pool before the first purchase

    @model_validator(mode="after")
    def _base_is_another(self) -> "Params":
        if self.base.plugin == "pcb":
            raise ValueError("base must be another strategy than pcb")
        self.base.params("acquisition")
        return self


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows in the order taken; scores are those of the base strategy.

    Raises:
        Unavailable: There is no model yet.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    wanted = candidates(view, budget, params.share)
    base = plugins.load("acquisition", params.base.plugin)
    proposed: Selection = base.select(view, wanted, params.base.params("acquisition"), rng)
    scores = np.zeros(len(view.item_ids))
    scores[proposed.rows] = proposed.scores
    return _quota.selection(view, _quota.pcb(view, proposed.rows, budget, rng), scores)


def candidates(view: PoolView, budget: int, share: float) -> int:
    """floor(share * pool before the first purchase), but never less than the batch nor more than there is."""
    initial = view.pool_size or len(view.item_ids)
    return min(len(view.item_ids), max(budget, math.floor(share * initial + 1e-9)))
