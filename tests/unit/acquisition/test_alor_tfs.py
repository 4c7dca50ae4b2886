"""The published rule: against its wording, and where it goes wrong, on lists that its authors released."""

import json
import os
from math import log
from pathlib import Path

import numpy as np
import pytest

from tests.support.pool_views import one_hot, pool_view, select

SHARED = os.environ.get("TAILFIRST_SHARED_DATA")
real_lists = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED, reason="TAILFIRST_SHARED_DATA is not set: the released lists are not looked at"),
]


def literally(probs, n, budget):
    """The paper's words: the class with the fewest examples; of the items predicted as it, that of highest entropy."""
    n, left, picks = [float(x) for x in n], list(range(len(probs))), []
    entropy = [-sum(p * log(p) for p in row if p > 0) for row in probs]
    for _ in range(budget):
        for c in sorted(range(len(n)), key=lambda k: (n[k], k)):
            best = None
            for item in left:
                if max(range(len(n)), key=lambda k: (probs[item][k], -k)) == c:
                    best = item if best is None or entropy[item] > entropy[best] + 1e-12 else best
            if best is not None:
                picks.append(best)
                left.remove(best)
                n[c] += 1
                break
    return picks


def test_five_rows_by_hand():
    """n = (1 + 3, 2 + 1, 0 + 9): b, b (3, 4), then a (tie at 4 with b: a has the smaller id), then b is empty, a, c."""
    probs = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.4, 0.6, 0], [0.1, 0.9, 0], [0, 0.2, 0.8]])
    view = pool_view(probs, names=("a", "b", "c"), n_labeled=[1, 2, 0], n_retrieved=[3, 1, 9])
    found = select("alor_tfs", view, 5)
    assert found.rows.tolist() == [2, 1, 3, 0, 4]
    assert found.reasons == ("tail:b", "tail:a", "tail:b", "tail:a", "tail:c")
    assert found.counts_before == {"a": 4, "b": 3, "c": 9}
    assert np.isnan(found.inclusion_probabilities).all()


def test_a_thousand_random_inputs_as_the_paper_words_it():
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        classes, items = int(rng.integers(2, 7)), int(rng.integers(1, 25))
        probs = rng.dirichlet(np.full(classes, 0.4), size=items)
        labeled, retrieved = rng.integers(0, 5, classes), rng.integers(0, 9, classes)
        budget = int(rng.integers(0, items + 1))
        view = pool_view(probs, n_labeled=labeled, n_retrieved=retrieved)
        assert select("alor_tfs", view, budget).rows.tolist() == literally(probs, labeled + retrieved, budget), seed


def test_images_kept_per_class_are_what_counts():
    view = pool_view(one_hot([0] * 9 + [1] * 9, 2), n_retrieved=[30_000, 501], n_labeled=[0, 4])
    assert select("alor_tfs", view, 5).reasons == ("tail:c0",) * 4 + ("tail:c0",)  # 500 against 500 + 4
    assert set(select("alor_tfs", view, 5, retrieved_cap=None).reasons) == {"tail:c1"}


def campaign(strategy, retrieved, rounds, each=200, **options):
    """Classes touched and most labels of one class in every round of C labels, for a perfect predictor."""
    count = len(retrieved)
    labels, result = np.ones(count), []
    left = np.full(count, each)
    for _ in range(rounds):
        classes = np.repeat(np.arange(count), left)
        names = [f"c{k:03d}" for k in range(count)]
        view = pool_view(one_hot(classes, count), names=names, n_labeled=labels, n_retrieved=retrieved)
        taken = np.bincount(classes[select(strategy, view, count, **options).rows], minlength=count)
        result.append((int((taken > 0).sum()), int(taken.max())))
        labels, left = labels + taken, left - taken
    return result


def test_a_class_with_a_few_images_less_takes_the_whole_round():
    few = [306, 424, 491, 499, 500, 500, 500, 500, 500, 500]
    assert campaign("alor_tfs", few, 2, each=30) == [(1, 10), (1, 10)]
    # An image counts 0.03 and a class gets 0.2 * 10 labels at most: n = 10.18, 13.72, 15.73, 15.97, 16 ..., so 2, 2 and
    # then one each.
    assert campaign("tail_first", few, 2, each=30, retrieved_weight=0.03) == [(8, 2), (8, 2)]


def released(task):
    table = json.loads(Path(str(SHARED), "laion400m_concepts", f"{task}.json").read_text(encoding="utf-8"))
    return tuple(np.array([row[key] for row in table.values()]) for key in ("retrieved_count", "caption_count"))


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("food101", [(1, 101), (2, 59), (24, 35), (101, 1)]),
        ("oxford_pets", [(37, 1)] * 3),
        ("aircraft", [(7, 32)]),
        ("stanford_cars", [(24, 12)]),
        ("semi_aves", [(19, 20)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("_", [pytest.param(0, marks=real_lists)], ids=["released"])
def test_what_the_published_rule_does_on_the_released_lists(task, expected, _):
    assert campaign("alor_tfs", released(task)[0], len(expected)) == expected


@pytest.mark.parametrize(
    ("task", "all_captions", "first_500"),
    [
        ("food101", (17, 13), (100, 2)),
        ("oxford_pets", (6, 8), (37, 1)),
        ("aircraft", (44, 4), (44, 4)),
        ("stanford_cars", (109, 3), (109, 3)),
        ("semi_aves", (99, 3), (99, 3)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("_", [pytest.param(0, marks=real_lists)], ids=["released"])
def test_what_tail_first_does_in_the_same_first_round(task, all_captions, first_500, _):
    """Tasks with thousands of captions for every class need the saturating count; the cap alone stops at a fifth."""
    captions = released(task)[1]
    assert campaign("tail_first", captions, 1, retrieved_cap=None) == [all_captions]
    assert campaign("tail_first", captions, 1) == [first_500]
