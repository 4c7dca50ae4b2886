"""Finished cells as arrays, and the statistics over seeds (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailfirst.contracts import Floats, Interval
from tailfirst.evaluation.intervals import over_seeds
from tailfirst.evaluation.metrics import NAMES

COUNTS = ("classes_seen", "tail_bought", "label_entropy")
SECONDS = ("acquire_s", "adapt_s")


@dataclass(frozen=True, slots=True)
class Curves:
    """The campaigns of one arm on one task; S seeds, R + 1 points of each (the first before any round)."""

    seeds: tuple[int, ...]
    labels: Floats  # (S, R + 1)
    values: Mapping[str, Floats]  # name -> (S, R + 1), NaN where there was nothing to measure

    def last(self, name: str) -> Floats:
        """(S,) after the last round."""
        found: Floats = self.values[name][:, -1]
        return found


@dataclass(frozen=True, slots=True)
class Reached:
    """Labels until a target; `share` of the seeds that reach it, the interval over those."""

    labels: Interval | None
    share: float


def curves(seeds: Sequence[int], points: Sequence[Sequence[Mapping[str, Any]]]) -> Curves:
    """Points of cells of one arm, one list per seed, as arrays."""
    names = (*NAMES, *COUNTS, *SECONDS)
    values = {name: _array([[p[name] for p in one] for one in points]) for name in names}
    return Curves(tuple(seeds), _array([[p["n_labels"] for p in one] for one in points]), values)


def paired(first: Curves, second: Curves) -> tuple[Curves, Curves]:
    """Both restricted to the seeds they share, in one order: they bought from the same part of the pool."""
    shared = tuple(seed for seed in first.seeds if seed in second.seeds)
    return _at(first, shared), _at(second, shared)


def difference(first: Curves, second: Curves, name: str, place: int, level: float) -> Interval | None:
    """The mean paired difference at one point, first minus second, with its t interval; None without a shared seed."""
    one, two = paired(first, second)
    return over_seeds(one.values[name][:, place] - two.values[name][:, place], level)


def area(labels: Floats, values: Floats) -> float:
    """Mean height of a learning curve: area under it by trapezoids over the labels, divided by their range.

    Args:
        labels: (P,) increasing.
        values: (P,) NaN at the start where there was no model yet: the curve begins behind it.

    Returns:
        NaN where fewer than two points are known.
    """
    known = ~np.isnan(values)
    x, y = labels[known], values[known]
    if len(x) < 2:
        return float("nan")
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))


def areas(arm: Curves, name: str) -> Floats:
    """(S,) area of each seed's curve."""
    return np.array([area(x, y) for x, y in zip(arm.labels, arm.values[name], strict=True)])


def area_difference(first: Curves, second: Curves, name: str, level: float) -> Interval | None:
    """The mean paired difference of the areas, first minus second, with its t interval; None without a shared seed."""
    one, two = paired(first, second)
    return over_seeds(areas(one, name) - areas(two, name), level)


def labels_to(labels: Floats, values: Floats, target: float) -> float:
    """Labels at which a curve first reaches the target, between two points by a straight line; NaN: never."""
    known = ~np.isnan(values)
    x, y = labels[known], values[known]
    above = np.flatnonzero(y >= target)
    if not len(above):
        return float("nan")
    first = int(above[0])
    if first == 0:
        return float(x[0])
    share = (target - y[first - 1]) / (y[first] - y[first - 1])
    return float(x[first - 1] + share * (x[first] - x[first - 1]))


def reaching(arm: Curves, name: str, target: float) -> Floats:
    """(S,) labels to the target for each seed; NaN where it is never reached."""
    return np.array([labels_to(x, y, target) for x, y in zip(arm.labels, arm.values[name], strict=True)])


def reached(arm: Curves, name: str, target: float, level: float) -> Reached:
    """Labels to the target over the seeds that reach it."""
    found = reaching(arm, name, target)
    return Reached(over_seeds(found, level), float((~np.isnan(found)).mean()))


def savings(arm: Curves, control: Curves, name: str, target: float, level: float) -> Interval | None:
    """The share of labels saved against the control on the way to the target: 1 - arm / control, paired over seeds.

    A curve that never reaches the target counts as reaching it at its end, which moves the figure towards zero; seeds
    whose control is there before it buys anything are left out.
    """
    one, two = paired(arm, control)
    ours, theirs = (np.fmin(reaching(c, name, target), c.labels[:, -1]) for c in (one, two))
    return over_seeds(1 - ours / np.where(theirs > 0, theirs, np.nan), level)


def _at(arm: Curves, seeds: Sequence[int]) -> Curves:
    rows = [arm.seeds.index(seed) for seed in seeds]
    return Curves(tuple(seeds), arm.labels[rows], {name: value[rows] for name, value in arm.values.items()})


def _array(rows: Sequence[Sequence[Any]]) -> Floats:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], np.float64)
