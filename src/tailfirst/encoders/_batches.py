"""Chunks of one fixed size, so that a vector depends on its own item and never on what happened to stand beside it.

Matrix kernels choose their order of summation by the shape of the whole batch. Every forward pass therefore has the
same number of rows (the last chunk is padded), and texts share a pass only with texts of the same padded length.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Ints, Vectors
from tailfirst.vectors import unit

T = TypeVar("T")


def spans(total: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` rows that cover `total` rows."""
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


def padded(rows: NDArray[Any], size: int) -> NDArray[Any]:
    """`rows` followed by copies of its first row, `size` rows in all."""
    return rows if len(rows) == size else np.concatenate([rows, np.repeat(rows[:1], size - len(rows), axis=0)])


def by_length(lengths: Ints, step: int, longest: int) -> Iterator[tuple[int, Ints]]:
    """Padded length and rows of each group of texts: lengths rounded up to a multiple of `step`, at most `longest`."""
    rounded = np.minimum(-(-lengths // step) * step, longest)
    for length in np.unique(rounded):
        yield int(length), np.flatnonzero(rounded == length)


def ahead(pool: ThreadPoolExecutor, work: Callable[[T], Any], batches: Sequence[Sequence[T]]) -> Iterator[list[Any]]:
    """The results of `work` on every member of every batch, in order; two batches are always under way."""
    queue: list[list[Future[Any]]] = []
    coming = iter(batches)
    try:
        queue.extend([pool.submit(work, one) for one in batch] for batch in islice(coming, 2))
        while queue:
            yield [future.result() for future in queue.pop(0)]
            queue.extend([pool.submit(work, one) for one in batch] for batch in islice(coming, 1))
    finally:
        for future in (f for batch in queue for f in batch):
            future.cancel()


def prototypes(texts: Callable[[Sequence[str]], Vectors], prompts: Sequence[Sequence[str]]) -> Vectors:
    """Unit class prototypes (C, D): normalised means of the unit vectors of each class's prompts (ALOR, section 3)."""
    unique = list(dict.fromkeys(prompt for one in prompts for prompt in one))
    row = {prompt: i for i, prompt in enumerate(unique)}
    vectors = texts(unique).astype(np.float64)
    return unit(np.stack([vectors[[row[p] for p in one]].mean(axis=0) for one in prompts]))
