"""Subpool, score, quota, diversity: any score with any quota and any diversity stage (specs/methods.md section 2).

    strategy: {plugin: compose, subpool: {plugin: near, size: 50000}, score: entropy, quota: tail_first,
               diversify: coreset, kappa: 10}

1. `subpool` narrows the pool (`all`, `random`, `near`). 2. `score` is any strategy that offers a score. 3. `quota`
decides how many picks each class gets (`tail_first`, `pcb`, `none`). 4. `diversify` chooses each class's q picks among
its kappa * q best: any strategy that selects, such as `kmeans`, `coreset` (which goes on from labels and picks) or
`badge`; `none` keeps the best. A stage is its name, or its name with options. Search and fill picks of Tail First
Sampling stay as they are. No stage adds items from outside, and the audit and control slices are drawn before all of
them. The order of stages follows the deep AL literature's uncertainty-then-diversity batches (Zhdanov 2019,
arXiv 1901.05954: k-means among the kappa * B most informative) under a class quota (ALOR, arXiv 2506.01724).
"""

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tailfirst import plugins
from tailfirst.acquisition import _diversify, _quota, _rows, _subpool, pcb
from tailfirst.config import Plugin
from tailfirst.contracts import Floats, Ints, PoolView, Selection


def _named(value: object) -> object:
    """`name` stands for `{plugin: name}`, and nothing for none."""
    return {"plugin": value or "none"} if value is None or isinstance(value, str) else value


class TailFirstQuota(_quota.TailFirst):
    """Water-filling on class counts."""

    plugin: Literal["tail_first"]


class PcbQuota(BaseModel):
    """Balance of labels among the best share of the pool by score."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugin: Literal["pcb"]
    share: float = Field(0.1, gt=0, le=1)  # of the pool before the first purchase


class NoQuota(BaseModel):
    """The best by score, whatever their classes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugin: Literal["none"]


Quota = Annotated[TailFirstQuota | PcbQuota | NoQuota, Field(discriminator="plugin"), BeforeValidator(_named)]
Stage = Annotated[Plugin, BeforeValidator(_named)]


class Params(BaseModel):
    """One entry per stage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subpool: Annotated[_subpool.Subpool, BeforeValidator(_named)] = _subpool.Subpool()
    score: Stage = Plugin(plugin="margin")
    quota: Quota = TailFirstQuota(plugin="tail_first")
    diversify: Stage = Plugin(plugin="none")
    kappa: int = Field(10, ge=1)  # how many candidates per pick the diversity stage chooses from

    @model_validator(mode="after")
    def _stages_exist(self) -> "Params":
        if not hasattr(plugins.load("acquisition", self.score.plugin), "score"):
            offering = [n for n in plugins.names("acquisition") if hasattr(plugins.load("acquisition", n), "score")]
            raise ValueError(f"{self.score.plugin} offers no score; those that do: {', '.join(offering)}")
        self.score.params("acquisition")
        if self.diversify.plugin == "compose":
            raise ValueError("diversify must be another strategy than compose")
        if self.diversify.plugin != "none":
            self.diversify.params("acquisition")
        return self


def select(view: PoolView, budget: int, params: Params, rng: np.random.Generator) -> Selection:
    """`budget` rows in the order of the quota; scores are those of the score stage.

    Raises:
        Unavailable: There is no model yet and a stage needs one.
        PoolExhausted: The view has fewer rows than the budget.
    """
    _rows.enough(view, budget)
    chosen = _subpool.subpool(view, budget, params.subpool, rng)
    inner = view if len(chosen) == len(view.item_ids) else _rows.subset(view, chosen)
    module = plugins.load("acquisition", params.score.plugin)
    scores: Floats = module.score(inner, params.score.params("acquisition"), rng)
    draft = _draft(inner, scores, budget, params, rng)
    if params.diversify.plugin != "none":
        draft = _diversify.diversify(inner, draft, scores, params.kappa, _spread(params.diversify, rng))
    found = _quota.selection(inner, draft, scores)
    return found if inner is view else replace(found, rows=chosen[found.rows])


def _draft(view: PoolView, scores: Floats, budget: int, params: Params, rng: np.random.Generator) -> _quota.Draft:
    depth = 1 if params.diversify.plugin == "none" else params.kappa
    if isinstance(params.quota, TailFirstQuota):
        return _quota.tail_first(view, scores, budget, params.quota, rng, depth)
    if isinstance(params.quota, PcbQuota):
        best = _rows.best(scores, view.item_ids, pcb.candidates(view, budget, params.quota.share))
        return _quota.pcb(view, best, budget, rng)
    return _quota.none(view, scores, budget, params.score.plugin, depth)


def _spread(stage: Plugin, rng: np.random.Generator) -> _diversify.Spread:
    module, options = plugins.load("acquisition", stage.plugin), stage.params("acquisition")

    def spread(view: PoolView, count: int) -> Ints:
        rows: Ints = module.select(view, count, options, rng).rows
        return rows

    return spread
