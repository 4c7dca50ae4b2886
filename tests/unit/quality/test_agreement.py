"""Agreement: Krippendorff's published example, crowd-kit, and the pair that a guideline does not settle."""

import numpy as np
import pandas as pd
import pytest
from crowdkit.metrics.data import alpha_krippendorff

from tailfirst.quality.agreement import ambiguous, coincidences, krippendorff_alpha, pair_agreement
from tailfirst.quality.answers import Answers

# Krippendorff, "Computing Krippendorff's Alpha-Reliability", example C: 4 observers, 12 units, nominal alpha 0.743.


def published():
    table = {
        "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        "C": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    }
    rows = [(f"{i:02d}", who, str(v)) for who, values in table.items() for i, v in enumerate(values) if v]
    return Answers.build(rows, "12345")


def test_krippendorff_published_example():
    assert coincidences(published()).sum() == pytest.approx(40)
    assert krippendorff_alpha(published()) == pytest.approx(0.743, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_alpha_equals_crowd_kit(crowd, seed):
    one = crowd(seed, n=60)
    frame = pd.DataFrame(one.rows, columns=["task", "worker", "label"])
    assert krippendorff_alpha(one.answers) == pytest.approx(alpha_krippendorff(frame))


def test_alpha_where_there_is_nothing_to_say():
    assert np.isnan(krippendorff_alpha(Answers.build([("1", "p", "a")], "ab")))
    assert np.isnan(krippendorff_alpha(Answers.build([("1", "p", "a"), ("1", "q", "a")], "ab")))


def test_pair_by_hand():
    """Two answers an item: aa 6 times, bb twice, ab twice. Coincidences aa 12, bb 4, ab 2 + 2."""
    items = ["aa"] * 6 + ["bb"] * 2 + ["ab"] * 2
    rows = [(f"{i:02d}", "pq"[k], label) for i, pair in enumerate(items) for k, label in enumerate(pair)]
    (found,) = pair_agreement(Answers.build(rows, "abc"))
    assert (found.one, found.other, found.mixed) == ("a", "b", 2)
    assert found.agreement == pytest.approx(0.8)
    expected = 0.7**2 + 0.3**2
    assert found.kappa == pytest.approx((0.8 - expected) / (1 - expected))


def test_the_unclear_pair_is_found_in_a_careful_crowd():
    """Everyone is right 95 % of the time, but between c0 and the rare c1 everyone guesses."""
    rng = np.random.default_rng(0)
    truth = rng.choice(5, p=[0.3, 0.05, 0.2, 0.2, 0.25], size=600)
    rows = []
    for i, t in enumerate(truth):
        for who in range(3):
            label = rng.integers(2) if t < 2 else t if rng.random() < 0.95 else rng.integers(5)
            rows.append((f"{i:03d}", f"a{who}", f"c{label}"))
    pairs = pair_agreement(Answers.build(rows, [f"c{k}" for k in range(5)]))
    assert [(p.one, p.other) for p in ambiguous(pairs)] == [("c0", "c1")]


def test_one_slip_is_no_guideline():
    items = ["aa"] * 40 + ["ab"] * 2
    rows = [(f"{i:02d}", "pq"[k], label) for i, pair in enumerate(items) for k, label in enumerate(pair)]
    pairs = pair_agreement(Answers.build(rows, "ab"))
    assert pairs[0].kappa < 0.1
    assert ambiguous(pairs) == ()
    assert ambiguous(pairs, min_mixed=2) == pairs
