"""Sums of rows by group, in bounded memory and without a loop over rows."""

import numpy as np

from tailfirst.contracts import Floats, Ints

CELLS = 4_000_000  # numbers gathered at a time


def grouped_sum(values: Floats, take: Ints, groups: Ints, n_groups: int) -> Floats:
    """(n_groups, C) sums of values[take] over equal groups; a group without rows sums to 0.

    Args:
        values: (R, C).
        take: (L,) rows of values.
        groups: (L,) group of each taken row, ascending.
        n_groups: More than the largest group.
    """
    result = np.zeros((n_groups, values.shape[1]))
    if not len(take):
        return result
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    present = groups[starts]
    width = max(1, CELLS // len(take))
    for left in range(0, values.shape[1], width):
        columns = slice(left, left + width)
        result[present, columns] = np.add.reduceat(values[:, columns][take], starts, axis=0)
    return result
