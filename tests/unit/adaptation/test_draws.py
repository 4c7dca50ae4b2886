"""What an epoch sees: shares, balance and mixtures (alor.md 7.2, 7.3, checks 11 and 15)."""

import numpy as np
import pytest
import torch

from tailfirst.adaptation._draws import Draws, Mix, draw_mix, draw_weights
from tailfirst.adaptation._options import Cutmix
from tailfirst.adaptation._stores import cut_and_paste, random_crops

CLASSES = np.repeat([0, 1, 2], [80, 15, 5])
RETRIEVED = np.arange(100) % 10 != 0  # ten human labels: 8, 2 (80 and 90 -> classes 0 and 1) and none of class 2


def draws(**given):
    options = {"power": 0.0, "labeled_share": None, "size": None} | given
    return Draws.of(np.arange(100), CLASSES, RETRIEVED, **options)


def test_every_row_once_by_default():
    assert sorted(draws().epoch(np.random.default_rng(0))) == list(range(100))


def test_an_epoch_longer_than_the_rows_goes_round():
    found = draws(size=250).epoch(np.random.default_rng(0))
    assert len(found) == 250
    assert np.bincount(found, minlength=100).min() >= 2


def test_class_power_one_is_uniform_over_classes_within_three_sigma():
    found = CLASSES[draws(power=1.0, size=30_000).epoch(np.random.default_rng(1))]
    shares = np.bincount(found) / 30_000
    sigma = np.sqrt(1 / 3 * 2 / 3 / 30_000)
    assert np.abs(shares - 1 / 3).max() < 3 * sigma


def test_a_class_weighs_n_to_the_power_one_minus_gamma():
    weights = draw_weights(CLASSES, RETRIEVED, 0.5, None)
    mass = np.bincount(CLASSES, weights)
    np.testing.assert_allclose(mass / mass.sum(), np.sqrt([80, 15, 5]) / np.sqrt([80, 15, 5]).sum())


def test_human_labels_have_their_share():
    weights = draw_weights(CLASSES, RETRIEVED, 1.0, 0.3)
    assert weights[~RETRIEVED].sum() == pytest.approx(0.3)


def test_a_share_of_one_kind_alone_changes_nothing():
    alone = draw_weights(CLASSES, np.zeros(100, np.bool_), 0.0, 0.3)
    np.testing.assert_allclose(alone, 0.01)


def test_mixtures_come_as_often_as_asked_and_never_for_one_row():
    rng = np.random.default_rng(0)
    found = [draw_mix(8, Cutmix(prob=0.25), rng) for _ in range(4000)]
    share = np.mean([mix is not None for mix in found])
    assert share == pytest.approx(0.25, abs=3 * np.sqrt(0.25 * 0.75 / 4000))
    assert all(sorted(mix.partner) == list(range(8)) for mix in found if mix is not None)
    assert draw_mix(1, Cutmix(prob=1.0), rng) is None
    assert draw_mix(8, None, rng) is None


def test_the_share_that_stays_is_what_was_not_pasted():
    pixels = torch.zeros(2, 3, 10, 8)
    pixels[1] = 1
    mix = Mix(np.array([1, 0]), 0.6, (0.1, 0.9))
    mixed, share = cut_and_paste(pixels, mix)
    assert mixed[0].mean().item() == pytest.approx(1 - share)
    assert mixed[1].mean().item() == pytest.approx(share)
    assert 0 < share < 1


def test_a_mixture_of_one_keeps_the_image():
    pixels = torch.randn(2, 3, 10, 8)
    mixed, share = cut_and_paste(pixels, Mix(np.array([1, 0]), 1.0, (0.5, 0.5)))
    assert share == 1
    assert torch.equal(mixed, pixels)


def test_crops_stay_inside_and_keep_their_area():
    moves = random_crops(500, np.random.default_rng(0), 0.8, flip=True)
    width, height = np.abs(moves[:, 0, 0]), moves[:, 1, 1]
    assert (np.abs(moves[:, 0, 2]) + width <= 1 + 1e-6).all()
    assert (np.abs(moves[:, 1, 2]) + height <= 1 + 1e-6).all()
    assert (width * height >= 0.8 * 0.75 - 1e-6).all()  # a side that does not fit is cut
    assert 0.4 < (moves[:, 0, 0] < 0).mean() < 0.6
