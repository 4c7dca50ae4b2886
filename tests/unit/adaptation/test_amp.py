"""Training under bfloat16 autocast, the GPU's path, on the CPU: it learns, repeats itself, keeps float32 weights."""

import dataclasses

import numpy as np
import pytest
import torch

from tailfirst import plugins
from tests.support import tunable

CASES = pytest.mark.parametrize(
    ("name", "options"),
    [
        ("finetune", {"tower": "full"}),
        ("contrastive", {"tower": "full"}),
        ("contrastive", {"tower": "adapter"}),
        ("finetune", {"tower": "full", "lora_rank": 2}),
        ("prompt", {}),
    ],
)
QUICK = {"epochs": 6, "epoch_rows": None, "class_power": 0.0, "labeled_share": None, "batch": 8, "lr": 5e-3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tunable.train_set(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def casts(monkeypatch):
    """Whether each step ran under autocast."""
    seen, plain = [], torch.autocast

    def watched(device, dtype, *, enabled):
        seen.append((device, dtype, enabled))
        return plain(device, dtype, enabled=enabled)

    monkeypatch.setattr(torch, "autocast", watched)
    return seen


def fit(name, data, tmp_path, **options):
    own = dataclasses.replace(data, source=dataclasses.replace(data.source, scratch=tmp_path / "fit"))
    params = plugins.params("adaptation", name, QUICK | options)
    return plugins.load("adaptation", name).fit(own, params, np.random.default_rng(0))


@CASES
def test_bfloat16_learns_the_same_to_its_precision(name, options, data, tmp_path, casts):
    half = fit(name, data, tmp_path, amp="bfloat16", **options)
    assert set(casts) == {("cpu", torch.bfloat16, True)}
    casts.clear()
    whole = fit(name, data, tmp_path, **options)
    assert set(casts) == {("cpu", torch.bfloat16, False)}, "auto: not on a CPU"
    losses = [[point.loss for point in model.curve] for model in (half, whole)]
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[0][0], losses[1][0], rtol=0.05)  # steps of this size part from each other later
    assert losses[0] != losses[1], "half precision was really used"
    again = fit(name, data, tmp_path, amp="bfloat16", **options)
    np.testing.assert_array_equal(again.head.weights, half.head.weights)
    assert half.head.weights.dtype == np.float32
    if half.tuned is not None:
        network = half.tuned(tunable.SETTINGS).network
        assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_off_is_what_auto_is_on_a_cpu(data, tmp_path, casts):
    plain, off = (fit("finetune", data, tmp_path, tower="adapter", amp=amp) for amp in ("auto", "off"))
    assert {enabled for _, _, enabled in casts} == {False}
    np.testing.assert_array_equal(plain.head.weights, off.head.weights)
