"""The stages subpool, score, quota and diversify, alone and together (the strategy `compose`)."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.acquisition import _compose, _subpool
from tailfirst.config import Acquisition, Plugin
from tailfirst.errors import ConfigError, Unavailable
from tests.support.pool_views import one_hot, pool_view, select, unit, world

SCORES = ("margin", "entropy", "least_confidence")
ALL_SCORES = (*SCORES, "random")
QUOTAS = ("tail_first", "pcb", "none")
SPREADS = ("none", "kmeans", "coreset", "badge")


def ids(view, selection):
    return view.item_ids[selection.rows].tolist()


def test_by_default_it_is_tail_first():
    view = world()
    for seed in range(5):
        view = world(seed=seed)
        one, two = select("compose", view, 30), select("tail_first", view, 30)
        assert one.rows.tolist() == two.rows.tolist()
        assert (one.reasons, one.stages, one.starved, one.counts_after) == (
            two.reasons, two.stages, two.starved, two.counts_after,
        )  # fmt: skip


def test_quota_options_are_those_of_tail_first():
    view, options = world(), {"counting": "expected", "max_share": None, "search": "none", "retrieved_weight": 0}
    one = select("compose", view, 30, score="entropy", quota={"plugin": "tail_first", **options})
    assert one.rows.tolist() == select("tail_first", view, 30, score="entropy", **options).rows.tolist()


@pytest.mark.parametrize("score", SCORES)
def test_with_all_stages_off_it_is_the_score(score):
    view = world()
    found = select("compose", view, 30, score=score, quota="none", diversify="none")
    assert found.rows.tolist() == select(score, view, 30).rows.tolist()
    assert set(found.stages) == {"score"}
    assert not found.counts_before


@pytest.mark.parametrize("score", ALL_SCORES)
@pytest.mark.parametrize("quota", QUOTAS)
@pytest.mark.parametrize("spread", SPREADS)
def test_any_score_with_any_quota_and_any_diversity(score, quota, spread):
    view = world(seed=3)
    options = {"score": score, "quota": quota, "diversify": spread, "kappa": 3}
    found, plain = (
        select("compose", view, 25, **options),
        select("compose", view, 25, **options | {"diversify": "none"}),
    )
    assert len(set(found.rows.tolist())) == 25
    assert np.isnan(found.inclusion_probabilities).all()
    order = np.random.default_rng(1).permutation(120)
    other = replace(view, item_ids=view.item_ids[order], vectors=view.vectors[order], probs=view.probs[order])
    assert ids(view, found) == ids(other, select("compose", other, 25, **options))
    if quota != "none":
        assert found.reasons == plain.reasons  # the same numbers per class, in the same order
        assert Counter(found.stages)["diversify"] == (0 if spread == "none" else Counter(plain.stages)["quota"])


def five():
    """Class a: rows 0-3 by falling score, 0 and 1 alike, 2 and 3 elsewhere; class b: row 4."""
    probs = np.array([[0.55, 0.45], [0.6, 0.4], [0.65, 0.35], [0.9, 0.1], [0.3, 0.7]])
    return pool_view(probs, names=("a", "b"), vectors=unit([[1, 0, 0], [1, 0.01, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]))


def test_five_rows_by_hand():
    """a, b, a: two of a among its best 2 * 2 = 4; from the first by item id (0) the farthest is 2 or 3 (tie: 2)."""
    plain = {"plugin": "tail_first", "search": "none", "max_share": None}
    assert select("compose", five(), 3, quota=plain).rows.tolist() == [0, 4, 1]
    found = select("compose", five(), 3, quota=plain, diversify="coreset", kappa=2)
    assert found.rows.tolist() == [0, 4, 2]
    assert found.reasons == ("tail:a", "tail:b", "tail:a")
    assert found.stages == ("diversify",) * 3
    assert found.counts_after == {"a": 2, "b": 1}
    np.testing.assert_allclose(found.scores, [0.9, 0.6, 0.7])


def test_expected_counts_are_those_of_the_rows_in_the_end():
    options = {"plugin": "tail_first", "search": "none", "max_share": None, "counting": "expected"}
    found = select("compose", five(), 3, quota=options, diversify="coreset", kappa=2)
    added = five().probs[found.rows].sum(axis=0)
    assert list(found.counts_after.values()) == pytest.approx(added.tolist())


@pytest.mark.parametrize("kappa", [1, 2, 4])
def test_diversity_chooses_among_the_best_of_each_class(kappa):
    view = world(seed=5)
    found = select(
        "compose", view, 20, quota={"plugin": "tail_first", "search": "none"}, diversify="kmeans", kappa=kappa
    )
    scores = plugins.load("acquisition", "margin").score(view, None, None)
    classes = view.probs.argmax(axis=1)
    for c in range(5):
        mine = [r for r, stage in zip(found.rows.tolist(), found.stages, strict=True) if stage == "diversify"]
        mine = [r for r in mine if classes[r] == c]
        best = sorted(np.flatnonzero(classes == c), key=lambda r: (-scores[r], view.item_ids[r]))
        assert set(mine) <= set(best[: kappa * len(mine)])
        assert mine == sorted(mine, key=lambda r: (-scores[r], view.item_ids[r]))
    if kappa == 1:
        assert found.rows.tolist() == select("tail_first", view, 20, search="none").rows.tolist()


def test_core_set_goes_on_from_labels_and_from_other_classes():
    """Class b's two candidates lie on a's pick and on a label; the third, of lower score, is new ground."""
    probs = np.array([[0.55, 0.45], [0.45, 0.55], [0.42, 0.58], [0.3, 0.7]])
    vectors = unit([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    view = pool_view(probs, names=("a", "b"), vectors=vectors, labeled=vectors[2:3], n_labeled=[0, 0])
    quota = {"plugin": "tail_first", "search": "none", "max_share": None}
    assert select("compose", view, 2, quota=quota, diversify="coreset", kappa=3).rows.tolist() == [0, 3]


def test_search_picks_stay_as_they_are():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [120, 60, 20])
    vectors = unit(np.eye(3, 6)[truth] + 0.2 * rng.normal(size=(200, 6)))
    probs = 0.96 * one_hot(np.where(truth == 2, 0, truth), 3) + 0.04 / 3
    view = pool_view(probs, vectors=vectors, prototypes=unit(np.eye(3, 6)), n_labeled=[9, 9, 0])
    found, plain = select("compose", view, 20, diversify="coreset"), select("tail_first", view, 20)
    searched = [r for r, stage in zip(plain.rows, plain.stages, strict=True) if stage == "search"]
    assert searched
    assert [r for r, stage in zip(found.rows, found.stages, strict=True) if stage == "search"] == searched


def test_a_random_score_under_a_quota_is_random_inside_the_class():
    view = pool_view(one_hot([0] * 4 + [1] * 4, 2), n_labeled=[0, 9])
    firsts = [int(select("compose", view, 1, seed=s, score="random").rows[0]) for s in range(800)]
    share = np.bincount(firsts, minlength=8)[:4] / 800
    assert (np.abs(share - 0.25) <= 3 * np.sqrt(0.25 * 0.75 / 800)).all()


def test_a_subpool_is_a_part_of_the_pool_and_never_too_small():
    view = world(n=400)
    for how in ("random", "near"):
        options = _subpool.Subpool(plugin=how, size=50)
        rows = _subpool.subpool(view, 20, options, np.random.default_rng(0))
        assert len(set(rows.tolist())) == 50
        assert rows.tolist() == sorted(rows.tolist())  # ids are in the order of rows here
        assert len(_subpool.subpool(view, 90, options, np.random.default_rng(0))) == 90
        found = select("compose", view, 20, subpool={"plugin": how, "size": 50}, quota="none")
        assert set(found.rows.tolist()) <= set(rows.tolist())
    assert len(_subpool.subpool(view, 20, _subpool.Subpool(), np.random.default_rng(0))) == 400


def test_near_takes_a_share_for_every_class_even_one_never_predicted():
    view = world(n=400, classes=4)
    rows = _subpool.subpool(view, 1, _subpool.Subpool(plugin="near", size=40, explore=0.2), np.random.default_rng(0))
    similar = view.vectors @ view.prototypes.T
    for c in range(4):
        assert set(np.argsort(-similar[:, c])[:8].tolist()) <= set(rows.tolist())  # floor(0.8 * 40 / 4)


def test_a_random_subpool_is_uniform():
    view = pool_view(one_hot([0] * 12, 2))
    options = _subpool.Subpool(plugin="random", size=3)
    hits = np.bincount(
        np.concatenate([_subpool.subpool(view, 1, options, np.random.default_rng(s)) for s in range(2000)]),
        minlength=12,
    )
    assert (np.abs(hits / 2000 - 0.25) <= 3 * np.sqrt(0.25 * 0.75 / 2000)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"score": "coreset"}, "coreset offers no score; those that do: .*margin"),
        ({"score": "entrpy"}, "no 'entrpy'"),
        ({"score": {"plugin": "margin", "scale": 3}}, "scale"),
        ({"quota": "tail_fist"}, "tail_fist.*tail_first.*pcb.*none"),
        ({"quota": {"plugin": "tail_first", "score": "margin"}}, "score"),
        ({"diversify": "compose"}, "another strategy than compose"),
        ({"diversify": {"plugin": "kmeans", "iteration": 3}}, "iteration"),
        ({"subpool": "far"}, "'all', 'random' or 'near'"),
        ({"kapa": 3}, "known keys of acquisition.compose: subpool, score, quota, diversify, kappa"),
    ],
)
def test_wrong_options_are_named_before_anything_runs(options, said):
    with pytest.raises(ConfigError, match=said):
        Plugin(plugin="compose", **options).params("acquisition")


def test_the_audit_reserve_is_drawn_before_all_stages():
    view = world()
    audits = []
    for options in ({}, {"score": "entropy", "quota": "pcb", "diversify": "badge"}, {"subpool": "near"}):
        section = Acquisition(
            strategy=Plugin(plugin="compose", **options), budget=30, audit_share=0.1, control_share=0.1
        )
        found = _compose.choose_batch(view, section, 7, 1)
        assert len(set(found.rows.tolist())) == 30
        audits.append(found.rows[:6].tolist())
        assert found.stages[:6] == ("audit",) * 3 + ("control",) * 3
    assert audits[0] == audits[1] == audits[2]


def test_without_a_model_it_says_so():
    with pytest.raises(Unavailable, match="no model yet"):
        select("compose", replace(world(), probs=None, head=None), 5)


@pytest.mark.parametrize("name", ["compose", "tail_first", "alor_tfs", "pcb", "badge", "stratified_random", *SCORES])
def test_a_head_serves_as_well_as_its_probabilities(name):
    for seed in range(3):
        with_probs, with_head = world(seed=seed), world(seed=seed, head=True)
        one, two = select(name, with_probs, 30), select(name, with_head, 30)
        assert one.rows.tolist() == two.rows.tolist()
        assert one.reasons == two.reasons
        np.testing.assert_allclose(one.scores, two.scores, atol=1e-5)


def test_a_batch_from_a_head_counts_control_picks_too():
    section = Acquisition(strategy=Plugin(plugin="tail_first"), budget=30, control_share=0.1)
    one, two = (_compose.choose_batch(world(head=head), section, 7, 1) for head in (False, True))
    assert one.rows.tolist() == two.rows.tolist()
    assert one.counts_before == pytest.approx(two.counts_before)
