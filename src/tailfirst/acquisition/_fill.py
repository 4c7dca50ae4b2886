"""The loop of Tail First Sampling, over classes in the order of their ids."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tailfirst.contracts import Floats, Ints


def one_hot(c: int, count: int) -> Floats:
    """(count,) zeros with a one at `c`."""
    hot = np.zeros(count)
    hot[c] = 1
    return hot


@dataclass(slots=True)
class Filling:
    """A batch that grows: counts, queues and what was taken so far."""

    counts: Floats  # (C,) changed by every pick
    queues: Sequence[Ints]  # per class, best row first
    cap: int  # picks of one class at most
    added: Callable[[int, int], Floats]  # (row, class) -> (C,) what the pick adds to the counts
    rows: list[int] = field(default_factory=list)
    reasons: list[tuple[str, int]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    starved: set[int] = field(default_factory=set)
    capped: set[int] = field(default_factory=set)
    taken: Ints = field(init=False)
    seen: set[int] = field(init=False, default_factory=set)
    heads: list[int] = field(init=False)
    active: np.typing.NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.taken = np.zeros(len(self.counts), np.int64)
        self.heads = [0] * len(self.counts)
        self.active = np.ones(len(self.counts), np.bool_)

    def run(self, until: int, why: str, stage: str) -> None:
        """Take from the class with the smallest count until the batch has `until` rows or no class is left."""
        while len(self.rows) < until and self.active.any():
            c = int(np.argmin(np.where(self.active, self.counts, np.inf)))
            row = self._next(c)
            if row is None:
                self.active[c] = False
                self.starved.add(c)
            elif self.taken[c] >= self.cap:
                self.active[c] = False
                self.capped.add(c)
            else:
                self.take(row, c, why, stage)

    def take(self, row: int, c: int, why: str, stage: str) -> None:
        """Put a row into the batch and count it."""
        self.rows.append(row)
        self.seen.add(row)
        self.reasons.append((why, c))
        self.stages.append(stage)
        self.taken[c] += 1
        self.counts += self.added(row, c)

    def reopen(self) -> None:
        """All classes may be taken from again, without a cap: the batch has to become full."""
        self.cap = sum(len(q) for q in self.queues) + 1
        self.active[:] = [self._next(c) is not None for c in range(len(self.queues))]

    def _next(self, c: int) -> int | None:
        queue = self.queues[c]
        while self.heads[c] < len(queue) and int(queue[self.heads[c]]) in self.seen:
            self.heads[c] += 1
        return int(queue[self.heads[c]]) if self.heads[c] < len(queue) else None
