"""Profiles, and which rows the joint stage sees (alor.md sections 1 and 7.12, check 30)."""

import dataclasses

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.adaptation import _fit, _plan
from tailfirst.adaptation._options import PROFILES
from tailfirst.errors import ConfigError
from tests.contract.test_adaptations import train

SWITCHES = {"cutmix", "stage2", "blend", "targets", "unlabelled", "selection", "schedule"}  # of section 1, in a fit
LENGTH = {"epochs", "epoch_rows"}  # of the row "training schedule": 50 epochs over everything
SAMPLER = {"class_power", "labeled_share"}  # 7.5 and 3.1: our one addition to the table


@pytest.mark.parametrize("name", ["finetune", "contrastive"])
def test_the_profiles_differ_only_in_the_switches_of_section_1(name):
    ours, paper = (plugins.params("adaptation", name, {"profile": p}).model_dump() for p in PROFILES)
    differing = {key for key in ours if ours[key] != paper[key]}
    assert differing <= SWITCHES | LENGTH | SAMPLER | {"profile"}
    assert {"cutmix", "stage2", "blend"} <= differing
    assert plugins.params("adaptation", name, {}).profile == "tailfirst"


def test_a_switch_that_is_given_beats_its_profile():
    found = plugins.params("adaptation", "contrastive", {"profile": "alor_paper", "stage2": "head"})
    assert (found.stage2, found.targets, found.cutmix) == ("head", "diagonal", None)
    assert plugins.params("adaptation", "contrastive", {"targets": "masked"}).cutmix.prob == 0.5


def test_labels_that_no_stage_would_see_are_refused():
    with pytest.raises(ConfigError, match="second stage"):
        plugins.params("adaptation", "finetune", {"stage2": "none", "schedule": "refresh"})
    assert plugins.params("adaptation", "finetune", {"stage2": "none"}).schedule == "scratch"


def test_an_unknown_profile_lists_those_there_are():
    with pytest.raises(ConfigError, match="alor_paper"):
        plugins.params("adaptation", "finetune", {"profile": "zebra"})


@pytest.mark.parametrize(
    ("counts", "last"),
    [
        ([10], 0),  # seed labels only
        ([0, 5], 1),  # any label is more than half as much again as none
        ([100, 10], 0),
        ([100, 10, 10], 0),
        ([100, 10, 10, 10], 3),  # every third round
        ([100, 10, 10, 10, 10], 3),
        ([100, 60, 10], 1),  # 160 >= 1.5 x 100
        ([100, 60, 10, 80], 3),  # 250 >= 1.5 x 160
        ([100, 60, 10, 10, 10], 4),  # three rounds after round 1
    ],
)
def test_when_the_joint_training_is_repeated(counts, last):
    rounds = np.repeat(np.arange(len(counts)), counts)
    assert _plan.last_refresh(rounds, 3, 1.5) == last


def test_rows_of_the_joint_stage():
    data = dataclasses.replace(train(rows=8, retrieved=3), rounds=np.array([0, 0, 0, 0, 1, -1, -1, -1]))

    def rows(schedule):
        params = plugins.params("adaptation", "finetune", {"schedule": schedule})
        return _plan.joint_rows(data, params).tolist()

    assert rows("scratch") == list(range(8))
    assert rows("stage1_once") == [5, 6, 7]
    assert rows("refresh") == [0, 1, 2, 3, 5, 6, 7]  # one label more than four is no reason to begin anew


def test_the_best_epoch_is_the_first_of_the_best_by_balanced_accuracy():
    classes = np.array([0, 0, 0, 1])
    right = np.array([[1, 1, 1, 0], [1, 0, 0, 1], [0, 0, 1, 1]])  # 0.5, 0.67, 0.67
    assert _fit.best_epoch(right, classes) == 2


def test_epochs_chosen_on_folds_of_the_labels():
    module = plugins.load("adaptation", "finetune")
    given = {"selection": "oof", "epochs": 6, "epoch_rows": None, "stage2": "none", "folds": 3}
    chosen = module.fit(train(), plugins.params("adaptation", "finetune", given), np.random.default_rng(0))
    assert 1 <= len(chosen.curve) <= 6
    again = module.fit(train(), plugins.params("adaptation", "finetune", given), np.random.default_rng(0))
    np.testing.assert_array_equal(chosen.head.weights, again.head.weights)


def test_the_blend_lets_go_of_zero_shot_as_labels_come():
    assert [_fit.share_of_tuned(n, 10) for n in (0, 10, 40, 60, 160)] == [0.5, 0.5, 0.5, 0.6, 0.8]


def test_features_are_mixed_only_if_asked_for():
    module, data = plugins.load("adaptation", "finetune"), train()
    fits = [
        module.fit(data, plugins.params("adaptation", "finetune", {"cutmix": mix}), np.random.default_rng(0))
        for mix in (None, {"prob": 1.0}, {"prob": 1.0, "features": True})
    ]
    plain, boxes, features = (found.head.weights for found in fits)
    np.testing.assert_array_equal(plain, boxes)  # there are no pixels to mix
    assert (plain != features).any()
