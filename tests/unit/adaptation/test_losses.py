"""Losses against numbers worked by hand, and what the diagonal target cannot learn (alor.md 7.5, checks 8, 9, 11)."""

import math

import numpy as np
import pytest
import torch

from tailfirst.adaptation._losses import contrast, cross_entropy, target_weights

KINDS = ("diagonal", "multi_positive", "masked")
# Five pairs of three classes; scores are 2 where classes agree and 0 elsewhere, but for one stranger at 1.
CLASSES = torch.tensor([0, 0, 1, 1, 2])
SCORES = torch.tensor(
    [
        [2.0, 2.0, 0.0, 0.0, 0.0],
        [2.0, 2.0, 0.0, 0.0, 1.0],
        [0.0, 0.0, 2.0, 2.0, 0.0],
        [0.0, 0.0, 2.0, 2.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 2.0],
    ]
)
A, E1 = math.exp(2), math.e
ROWS = (2 * A + 3, 2 * A + 2 + E1, 2 * A + 3, 2 * A + 3, A + 4)  # sums of exp over each row
COLUMNS = (2 * A + 3, 2 * A + 3, 2 * A + 3, 2 * A + 3, A + 3 + E1)


def by_hand(kind):
    logs = sum(math.log(s) for s in ROWS), sum(math.log(s) for s in COLUMNS)
    if kind in {"diagonal", "multi_positive"}:  # equal here: scores of one class are all alike
        return (logs[0] + logs[1] - 2 * 5 * 2) / 10
    rows = (A + 3, A + 2 + E1, A + 3, A + 3, A + 4)  # without the other item of the class
    columns = (A + 3, A + 3, A + 3, A + 3, A + 3 + E1)
    return (sum(map(math.log, rows)) + sum(map(math.log, columns)) - 2 * 5 * 2) / 10


@pytest.mark.parametrize("kind", KINDS)
def test_five_pairs_by_hand(kind):
    assert contrast(SCORES, CLASSES, kind).item() == pytest.approx(by_hand(kind), abs=1e-6)


def test_multi_positive_shares_the_target_among_a_class():
    scores = SCORES.clone()
    scores[0, 1] = 1.0  # now the two texts of class 0 differ for item 0
    rows = [2 * A + 3] * 5
    rows[0], rows[1], rows[4] = A + E1 + 3, 2 * A + 2 + E1, A + 4
    columns = [2 * A + 3] * 5
    columns[1], columns[4] = A + E1 + 3, A + 3 + E1
    own = sum(map(math.log, rows)) + sum(map(math.log, columns))
    diagonal, multi = own - 2 * 5 * 2, own - 2 * (5 * 2 - 0.5)  # one pair of class 0 has half the weight and scores 1
    assert contrast(scores, CLASSES, "diagonal").item() == pytest.approx(diagonal / 10, abs=1e-6)
    assert contrast(scores, CLASSES, "multi_positive").item() == pytest.approx(multi / 10, abs=1e-6)


def test_all_are_the_same_when_no_class_repeats():
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    found = [contrast(scores, torch.arange(5), kind).item() for kind in KINDS]
    assert found == pytest.approx([found[0]] * 3, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_a_batch_does_not_matter(kind):
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = contrast(scores[order][:, order], CLASSES[order], kind)
    assert moved.item() == pytest.approx(contrast(scores, CLASSES, kind).item(), abs=1e-6)


@pytest.mark.parametrize(("kind", "floor"), [("diagonal", "ln m"), ("multi_positive", "ln m"), ("masked", "0")])
def test_where_the_loss_ends_when_the_texts_of_a_class_are_the_same(kind, floor):
    """Perfect features and a huge scale: strangers of the own class cost the diagonal target E[ln m] for ever."""
    same = (CLASSES[:, None] == CLASSES[None, :]).float()
    scores = (60 * same).requires_grad_()
    loss = contrast(scores, CLASSES, kind)
    mean_log = (4 * math.log(2) + math.log(1)) / 5  # m is 2 for four items and 1 for one
    assert loss.item() == pytest.approx(mean_log if floor == "ln m" else 0, abs=1e-6)
    loss.backward()
    if kind == "diagonal":
        assert scores.grad.abs().max() > 0.04  # it still pulls items of one class apart
    else:
        assert scores.grad.abs().max() < 1e-6


def test_softmax_over_classes_has_no_floor_either():
    logits = 60 * torch.nn.functional.one_hot(CLASSES, 3).float()
    assert cross_entropy(logits, CLASSES).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_that_is_all_its_own_is_no_mixture(kind):
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(2))
    partner = torch.tensor([1, 2, 3, 4, 0])
    assert contrast(scores, CLASSES, kind, partner, 1.0).item() == contrast(scores, CLASSES, kind).item()
    logits = scores[:, :3]
    assert cross_entropy(logits, CLASSES, partner, 1.0).item() == cross_entropy(logits, CLASSES).item()


@pytest.mark.parametrize("kind", ["diagonal", "multi_positive"])
def test_targets_of_mixtures_sum_to_one(kind):
    weights = target_weights(CLASSES, kind, torch.tensor([1, 2, 3, 4, 0]), 0.3)
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_that_is_all_its_partner_is_the_partner(kind):
    """lam = 0: item i is item partner[i], so the loss is that of the items in that order."""
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(3))
    partner = torch.tensor([1, 2, 3, 4, 0])
    mixed = scores[partner]  # row i holds the item partner[i]; its text is column partner[i]
    assert contrast(mixed, CLASSES, kind, partner, 0.0).item() == pytest.approx(
        contrast(scores, CLASSES, kind).item(), abs=1e-6
    )
