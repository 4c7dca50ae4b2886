"""Random crowds for the tests of quality."""

import numpy as np
import pytest

from tailfirst.contracts import Floats, Ints
from tailfirst.quality.answers import Answers


class Crowd:
    """Answers with the truth behind them, and a model's probabilities."""

    def __init__(self, seed, n=60, a=8, c=4, low=1, high=4, skill=(0.5, 0.95), model=2.0):
        rng = np.random.default_rng(seed)
        self.truth: Ints = rng.integers(c, size=n)
        skills = rng.uniform(*skill, size=a)
        rows = []
        for item in range(n):
            for who in rng.choice(a, rng.integers(low, high + 1), replace=False):
                right = rng.random() < skills[who]
                rows.append((f"i{item:05d}", f"a{who:03d}", f"c{self.truth[item] if right else rng.integers(c)}"))
        self.rows = rows
        self.answers = Answers.build(rows, [f"c{k}" for k in range(c)])
        logits = rng.normal(size=(n, c))
        logits[np.arange(n), self.truth] += model
        raised = np.exp(logits)
        self.probs: Floats = raised / raised.sum(axis=1, keepdims=True)

    def wide(self):
        """(N, A) labels, nan where there is none."""
        table = np.full((len(self.answers.item_ids), len(self.answers.annotator_ids)), np.nan)
        table[self.answers.items, self.answers.annotators] = self.answers.labels
        return table


@pytest.fixture
def crowd():
    return Crowd
