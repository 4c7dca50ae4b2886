"""PCB: by hand, its candidates, and the class that runs out."""

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.acquisition import _quota
from tailfirst.errors import ConfigError
from tests.support.pool_views import one_hot, pool_view, select, world


def test_five_rows_by_hand():
    """Candidates: the 3 of highest entropy (rows 2, 1, 4); n = (1, 0, 5): b gets row 2, then a (tie) row 1, then c."""
    probs = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.4, 0.6, 0], [0.1, 0.9, 0], [0, 0.3, 0.7]])
    view = pool_view(probs, names=("a", "b", "c"), n_labeled=[1, 0, 5], pool_size=30)
    found = select("pcb", view, 3)
    assert found.rows.tolist() == [2, 1, 4]
    assert found.reasons == ("pcb:b", "pcb:a", "pcb:c")
    assert found.starved == ("a", "b")  # both had no candidate left when they were the smallest again
    assert found.counts_after == {"a": 2, "b": 1, "c": 6}
    np.testing.assert_allclose(found.scores[0], -(0.4 * np.log(0.4) + 0.6 * np.log(0.6)))


@pytest.mark.parametrize(("initial", "expected"), [(1000, 100), (0, 20), (90, 12), (5000, 200)])
def test_candidates_are_a_tenth_of_the_initial_pool(initial, expected, monkeypatch):
    view = pool_view(np.random.default_rng(0).dirichlet(np.ones(3), size=200), pool_size=initial)
    asked = []
    entropy = plugins.load("acquisition", "entropy")
    plain = entropy.select
    monkeypatch.setattr(entropy, "select", lambda v, b, p, r: asked.append(b) or plain(v, b, p, r))
    picks = select("pcb", view, 12).rows
    assert asked == [expected]
    assert set(picks.tolist()) <= set(select("entropy", view, expected).rows.tolist())


def test_25_an_exhausted_class_leaves_the_rest_in_order():
    """c0 has 2 candidates and no label: after them the other three are still filled evenly, never at random."""
    classes = [0] * 2 + [1] * 40 + [2] * 40 + [3] * 40
    view = pool_view(one_hot(classes, 4), n_labeled=[0, 9, 6, 3])
    for seed in range(20):
        draft = _quota.pcb(view, np.arange(122), 20, np.random.default_rng(seed))
        assert np.bincount(draft.classes, minlength=4).tolist() == [2, 3, 6, 9]
        assert draft.starved == (0,)


def test_retrieved_images_do_not_count_and_orders_do():
    view = pool_view(one_hot([0] * 9 + [1] * 9, 2), n_retrieved=[0, 900], n_pending=[4, 0])
    assert select("pcb", view, 4, share=1).reasons == ("pcb:c1",) * 4


def test_inside_a_class_it_is_random():
    view = pool_view(one_hot([0] * 4 + [1] * 4, 2))
    firsts = [int(select("pcb", view, 1, seed=s, share=1).rows[0]) for s in range(800)]
    share = np.bincount(firsts, minlength=4)[:4] / 800
    assert (np.abs(share - 0.25) < 3 * np.sqrt(0.25 * 0.75 / 800)).all()


@pytest.mark.parametrize("base", ["coreset", "badge", "margin", "random"])
def test_any_strategy_proposes(base):
    view = world()
    found = select("pcb", view, 10, base={"plugin": base}, share=0.2)
    assert len(set(found.rows.tolist())) == 10


def test_it_does_not_propose_to_itself():
    with pytest.raises(ConfigError, match="another strategy"):
        plugins.params("acquisition", "pcb", {"base": {"plugin": "pcb"}})
    with pytest.raises(ConfigError, match="no 'entrpy'"):
        plugins.params("acquisition", "pcb", {"base": {"plugin": "entrpy"}})
