"""What retrieved data counts in Tail First Sampling (specs/alor.md 7.6), by hand."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from tailfirst.acquisition import _gather, _retrieved
from tailfirst.errors import ConfigError, Unavailable
from tests.support.pool_views import one_hot, pool_view, select, unit

PLAIN = {"search": "none", "max_share": None}


def view(**more):
    """Two items of each of three classes; 1000 captions name a, 100 name b, 10 name c."""
    found = pool_view(one_hot([0, 0, 1, 1, 2, 2], 3), names=("a", "b", "c"), n_retrieved=[1000, 100, 10])
    return replace(found, **{name: np.array(value, float) for name, value in more.items()})


def before(v, **options):
    return list(select("tail_first", v, 1, **PLAIN | options).counts_before.values())


def test_captions_saturate_or_not():
    assert before(view(), retrieved_weight=0.01) == [5, 1, 0.1]  # w * min(n, 500)
    assert before(view(), retrieved_weight=0.01, retrieved_cap=None) == [10, 1, 0.1]  # freq, uncapped
    assert before(view(), retrieved_weight=0.01, retrieved_cap=50) == [0.5, 0.5, 0.1]
    assert before(view(), retrieved_weight=0) == [0, 0, 0]


def test_rows_that_were_kept_count_instead():
    v = view(n_kept=[400, 90, 0])
    assert before(v, retrieved_weight=0.01, retrieved_by="kept") == pytest.approx([4, 0.9, 0])
    assert before(v, retrieved_weight=0.01) == [5, 1, 0.1]
    with pytest.raises(Unavailable, match="retrieved_by: kept"):
        before(view(), retrieved_by="kept")


def test_the_published_rule_may_count_images_that_were_kept():
    v = replace(view(n_kept=[400, 90, 0]), n_labeled=np.array([0.0, 0, 95]))
    assert select("alor_tfs", v, 1).counts_before == {"a": 500, "b": 100, "c": 105}  # captions, at most 500
    assert select("alor_tfs", v, 1, retrieved_by="kept").counts_before == {"a": 400, "b": 90, "c": 95}


def test_relevance_scales_the_weight_of_each_class():
    """w_c = 0.1 * (0.2, 0.8, ?): nothing of c was kept, so it has the mean of the others, 0.5."""
    v = view(relevance=[0.2, 0.8, np.nan])
    assert before(v, retrieved_weight=0.1, relevance="t2t") == pytest.approx([10, 8, 0.5])
    chosen = select("tail_first", replace(v, n_labeled=np.array([0.0, 0, 20])), 1, retrieved_weight=0.1, **PLAIN)
    scaled = select(
        "tail_first", replace(v, n_labeled=np.array([0.0, 0, 20])), 1, retrieved_weight=0.1, relevance="t2t",
        retrieved_cap=None, **PLAIN,
    )  # fmt: skip
    assert (chosen.reasons, scaled.reasons) == (("tail:b",), ("tail:b",))  # 50 > 10; 20 > 8
    with pytest.raises(Unavailable, match="t2t score"):
        before(view(), relevance="t2t")
    with pytest.raises(Unavailable, match="t2t score"):
        before(view(relevance=[np.nan] * 3), relevance="t2t")
    nothing = view(n_retrieved=[0, 0, 0])
    assert before(nothing, relevance="t2t") == [0, 0, 0]  # there is nothing to weigh


def test_relevance_is_the_mean_score_of_kept_rows():
    found = _gather.mean_scores([0, 0, 2, 2, -1], [0.2, 0.4, -0.3, -0.1, 0.9], 3)
    np.testing.assert_allclose(found, [0.3, np.nan, 0.0])
    assert _gather.mean_scores([0, 1], [None, None], 2) is None
    assert _gather.mean_scores([], [], 2) is None


def test_a_line_left_out_by_hand():
    """Points (0, 3), (1, 1), (2, 2), weights alike: slope -1/2, intercept 5/2; residuals .5, -1, .5.

    Leverages 5/6, 1/3, 5/6: left-out errors 3, -1.5, 3, as the lines through the other two points give: the one
    through (1, 1), (2, 2) is at 0 for x = 0, so 3 - 0 = 3.
    """
    falls, loss = _retrieved.left_out(np.array([0.0, 1, 2]), np.array([3.0, 1, 2]), np.ones(3))
    assert falls
    assert loss == pytest.approx((9 + 2.25 + 9) / 3)
    falls, loss = _retrieved.left_out(np.array([0.0, 1, 2]), np.array([1.0, 2, 3]), np.ones(3))
    assert not falls  # more data, more errors: the mean stands in; left-out errors -1.5, 0, 1.5
    assert loss == pytest.approx((2.25 + 0 + 2.25) / 3)


@pytest.mark.parametrize("seed", range(3))
def test_left_out_errors_are_those_of_fits_without_the_point(seed):
    rng = np.random.default_rng(seed)
    x, weights = rng.uniform(0, 5, 9), rng.integers(1, 8, 9).astype(float)
    y = 1 - 0.1 * x + 0.02 * rng.normal(size=9)
    errors = []
    for out in range(9):
        rest = np.arange(9) != out
        line = np.polyfit(x[rest], y[rest], 1, w=np.sqrt(weights[rest]))
        errors.append(y[out] - np.polyval(line, x[out]))
    falls, loss = _retrieved.left_out(x, y, weights)
    assert falls
    assert loss == pytest.approx((weights / weights.sum()) @ np.square(errors))


@pytest.mark.parametrize("true", [0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
def test_the_weight_that_made_the_errors_is_found(true):
    """err_c = 0.9 - 0.1 ln(1 + n_lab + w n_ret), exactly."""
    rng = np.random.default_rng(1)
    labels, retrieved = rng.integers(1, 9, 20).astype(float), np.geomspace(1, 2000, 20)
    errors = np.array([0.9 - 0.1 * log(1 + n + true * r) for n, r in zip(labels, retrieved, strict=True)])
    assert _retrieved.fit_weight(_retrieved.Evidence(errors, labels, labels), retrieved) == true


def test_without_enough_evidence_the_weight_is_the_published_one():
    few = _retrieved.Evidence(np.full(30, np.nan), np.zeros(30), np.zeros(30))
    assert _retrieved.fit_weight(few, np.arange(30.0)) == 0.03
    counts = np.arange(1.0, 11)  # errors grow with data: no w explains them
    rising = _retrieved.Evidence(counts / 20, np.full(10, 5.0), np.full(10, 5.0))
    assert _retrieved.fit_weight(rising, counts) == 0.03


def five_rows(**more):
    """Class a: rows 0, 1, 2; class b: row 3; class c: row 4. Rows 2 and 4 lie apart, nearest to b and to a."""
    vectors = unit([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0.3, 0, 1, 0], [0, 1, 0, 0, 0], [0.3, 0, 0, 0, 1]])
    return pool_view(
        one_hot([0, 0], 3), names=("a", "b", "c"), labeled=vectors, labeled_classes=[0, 0, 0, 1, 2],
        vectors=np.eye(2, 5, dtype=np.float32), prototypes=np.eye(3, 5, dtype=np.float32), n_labeled=[3, 1, 1], **more,
    )  # fmt: skip


def test_errors_are_out_of_fold_by_hand():
    """Folds: rows 0, 3, 4 / row 1 / row 2. a: rows 0 and 1 right, 2 wrong (b); b: right; c: wrong (a).

    Labels a probe had: a lacks one row each time, b and c theirs.
    """
    found = _retrieved.evidence(five_rows())
    np.testing.assert_allclose(found.errors, [1 / 3, 0, 1])
    assert found.support.tolist() == [3, 1, 1]
    assert found.labels.tolist() == [2, 0, 0]
    empty = _retrieved.evidence(view())
    assert np.isnan(empty.errors).all()


def test_a_fitted_weight_is_used_and_said():
    v = replace(view(), labeled_vectors=np.zeros((0, 2), np.float32))
    found = select("tail_first", v, 1, retrieved_weight="fit", **PLAIN)
    assert found.retrieved_weight == 0.03  # no labels: nothing to fit
    assert list(found.counts_before.values()) == [15, 3, 0.3]
    assert select("tail_first", v, 1, **PLAIN).retrieved_weight == 0.01
    assert select("margin", v, 1).retrieved_weight is None


@pytest.mark.parametrize("wrong", [-1, "fitted", None])
def test_a_wrong_weight_is_refused(wrong):
    with pytest.raises(ConfigError, match="retrieved_weight"):
        select("tail_first", view(), 1, retrieved_weight=wrong)
