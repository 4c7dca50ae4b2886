"""A batch from its slices: audit reserve, control slice, then the strategy (specs/methods.md section 2).

The audit reserve is drawn first, uniformly from all N eligible items, so nothing below can bias it; the control slice
is drawn uniformly from what is left. What is recorded is the unconditional probability of entering by that slice:
n_a / N for the audit, and (1 - n_a / N) * n_r / (N - n_a) = n_r / N for the control slice. Picks of a random strategy
get (N - n_a - n_r) / N times their own probability, deterministic picks none.

Audit and control come first in buying order: a money cap cuts from the end of the ranking, and a cut random slice would
cost the only unbiased estimate there is. Both stay in the order drawn, so even a cut slice is a uniform sample.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tailfirst import plugins
from tailfirst.acquisition import _probs, _rows
from tailfirst.config import Acquisition
from tailfirst.contracts import Ints, PoolView, Selection
from tailfirst.errors import PoolExhausted, Unavailable

AUDIT, CONTROL, STRATEGY = 0, 1, 2  # streams of random numbers: another strategy never moves the audit slice


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many items each slice gets."""

    audit: int
    control: int
    strategy: int

    @property
    def total(self) -> int:
        """Items in the batch."""
        return self.audit + self.control + self.strategy


def sizes(eligible: int, acquisition: Acquisition) -> Sizes:
    """The slices of a batch of min(budget, eligible) items."""
    total = min(acquisition.budget, eligible)
    audit = min(total, max(_share(acquisition.audit_share, acquisition.budget), acquisition.audit_min))
    control = min(total - audit, _share(acquisition.control_share, acquisition.budget))
    return Sizes(audit, control, total - audit - control)


def choose_batch(view: PoolView, acquisition: Acquisition, seed: int, round_no: int) -> Selection:
    """The next batch: `budget` rows of the eligible pool, or all of them where it is smaller.

    Args:
        view: The eligible pool and nothing else.
        acquisition: The section of params.yaml.
        seed: campaign.seed.
        round_no: The round that will buy the batch.

    Raises:
        PoolExhausted: No eligible item is left.
    """
    count = len(view.item_ids)
    if count == 0:
        raise PoolExhausted("no eligible item is left in the pool: all are labeled, in flight or ignored; add items")
    size = sizes(count, acquisition)
    order = _rows.by_id(view.item_ids)
    audit = _draw(order, size.audit, [seed, round_no, AUDIT])
    rest = order[~np.isin(order, audit)]
    control = _draw(rest, size.control, [seed, round_no, CONTROL])
    rest = rest[~np.isin(rest, control)]
    picked = _strategy(_counting(view, control), rest, size.strategy, acquisition, [seed, round_no, STRATEGY])
    chance = picked.inclusion_probabilities * (len(rest) / count)
    return replace(
        picked,
        rows=np.concatenate([audit, control, picked.rows]),
        scores=np.concatenate([np.zeros(size.audit + size.control), picked.scores]),
        inclusion_probabilities=np.concatenate(
            [np.full(size.audit, size.audit / count), np.full(size.control, size.control / count), chance]
        ),
        reasons=("audit",) * size.audit + ("control",) * size.control + picked.reasons,
        stages=("audit",) * size.audit + ("control",) * size.control + picked.stages,
    )


def _strategy(view: PoolView, rest: Ints, budget: int, acquisition: Acquisition, stream: list[int]) -> Selection:
    """The strategy's rows, as rows of `view`; the cold start where there is no model and the strategy needs one."""
    inner = _rows.subset(view, rest)
    try:
        found = _select(acquisition.strategy.plugin, acquisition.strategy.options, inner, budget, stream)
    except Unavailable:
        if _probs.known(view):
            raise
        found = _select(acquisition.cold_start, {}, inner, budget, stream)
        found = replace(found, stages=("cold_start",) * budget)
    return replace(found, rows=rest[found.rows])


def _select(name: str, options: dict[str, Any], view: PoolView, budget: int, stream: list[int]) -> Selection:
    params = plugins.params("acquisition", name, options)
    found: Selection = plugins.load("acquisition", name).select(view, budget, params, np.random.default_rng(stream))
    if len(found.rows) != budget or len(set(found.rows.tolist())) != budget:
        raise AssertionError(
            f"acquisition.{name} gave {len(set(found.rows.tolist()))} distinct rows instead of {budget}"
        )
    return found


def _counting(view: PoolView, control: Ints) -> PoolView:
    """The view with the control picks as pending: they train like any other pick, so the rule has to count them."""
    if not _probs.known(view) or not len(control):
        return view
    return replace(view, n_pending=view.n_pending + _probs.rows(view, control).sum(axis=0))


def _draw(rows: Ints, count: int, stream: list[int]) -> Ints:
    return rows[np.random.default_rng(stream).choice(len(rows), size=count, replace=False)] if count else rows[:0]


def _share(share: float, budget: int) -> int:
    return math.ceil(share * budget - 1e-9)
