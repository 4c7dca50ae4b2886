"""BADGE: the factorised distance, and its draws against the k-means++ distribution over explicit gradients."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tailfirst.acquisition import _gradients
from tests.support.pool_views import one_hot, pool_view, select, unit, world


def explicit(view):
    """(N, C * D) gradients as the paper defines them."""
    errors = view.probs - one_hot(view.probs.argmax(axis=1), view.probs.shape[1])
    return (errors[:, :, None] * view.vectors[:, None, :].astype(float)).reshape(len(errors), -1)


def squared(first, second):
    return ((first[:, None] - second[None]) ** 2).sum(axis=-1)


def test_the_distance_is_that_of_explicit_gradients():
    view = world(n=40)
    factors = _gradients.factors(view, np.arange(40))
    np.testing.assert_allclose(factors.to(factors), squared(explicit(view), explicit(view)), atol=1e-6)
    np.testing.assert_allclose(factors.squares, (explicit(view) ** 2).sum(axis=1), rtol=1e-5)


def test_five_rows_by_hand():
    """Two classes, orthogonal vectors: |g|^2 = 2 (1 - p)^2, so 0.5, 0.32, 0.18, 0.08 and 0."""
    probs = np.array([[0.5, 0.5], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [1, 0]])
    view = pool_view(probs, vectors=np.eye(5, dtype=np.float32))
    found = select("badge", view, 1)
    assert found.rows.tolist() == [0]
    np.testing.assert_allclose(found.scores, [0.5], atol=1e-6)
    # Second pick: squared distances to row 0 are 0.5 + |g|^2 = 0.82, 0.68, 0.58, 0.5, in sum 2.58.
    second = np.bincount([select("badge", view, 2, seed=s).rows[1] for s in range(1500)], minlength=5) / 1500
    by_hand = np.array([0, 0.82, 0.68, 0.58, 0.5]) / 2.58
    assert (np.abs(second - by_hand) <= 3 * np.sqrt(by_hand * (1 - by_hand) / 1500)).all()


def chances(view, budget):
    """Probability of every order of picks: the largest gradient, then D^2 draws."""
    far = squared(explicit(view), explicit(view))
    first = int((explicit(view) ** 2).sum(axis=1).argmax())
    result = {}
    for rest in permutations(set(range(len(far))) - {first}, budget - 1):
        chance, picks = 1.0, [first]
        for row in rest:
            nearest = far[:, picks].min(axis=1)
            chance *= nearest[row] / nearest.sum()
            picks.append(row)
        result[tuple(picks)] = chance
    return result


@pytest.mark.parametrize("cost", [0.0, 4.0, 99.0], ids=["never", "default", "always"])
def test_draws_have_the_k_means_plus_plus_distribution(cost, monkeypatch):
    """Whether all rows are looked at again never, sometimes or after every batch of proposals."""
    monkeypatch.setattr(_gradients, "COST", cost)
    monkeypatch.setattr(_gradients, "PROPOSALS", 3)
    monkeypatch.setattr(_gradients, "BLOCK", 4)
    rng = np.random.default_rng(8)
    view = pool_view(rng.dirichlet(np.ones(3), size=6), vectors=unit(rng.normal(size=(6, 3))))
    runs = 2000
    seen = dict.fromkeys(chances(view, 3), 0)
    for seed in range(runs):
        seen[tuple(select("badge", view, 3, seed=seed).rows.tolist())] += 1
    assert sum(chances(view, 3).values()) == pytest.approx(1)
    for picks, chance in chances(view, 3).items():
        assert abs(seen[picks] / runs - chance) <= 3 * np.sqrt(chance * (1 - chance) / runs), picks


def test_sure_items_have_no_gradient_and_fill_up():
    view = pool_view(one_hot([0, 1, 1, 0, 1], 2), vectors=np.eye(5, dtype=np.float32))
    found = select("badge", view, 4)
    assert set(found.reasons) == set(found.stages) == {"fill"}
    assert len(set(found.rows.tolist())) == 4


def test_copies_of_picks_fill_up():
    view = world(n=10)
    twice = replace(
        view, item_ids=np.array([f"i{r}" for r in range(20)]), vectors=np.tile(view.vectors, (2, 1)),
        probs=np.tile(view.probs, (2, 1)),
    )  # fmt: skip
    found = select("badge", twice, 14)
    assert found.stages == ("score",) * 10 + ("fill",) * 4
    assert len({r % 10 for r in found.rows[:10].tolist()}) == 10


def test_scores_are_squared_distances_when_taken():
    view = world(n=30)
    found, far = select("badge", view, 8), squared(explicit(world(n=30)), explicit(world(n=30)))
    for place in range(1, 8):
        assert found.scores[place] == pytest.approx(far[found.rows[place], found.rows[:place]].min(), abs=1e-5)
