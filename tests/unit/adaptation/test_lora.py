"""Low-rank tuning: only the factors train, and what comes out is a plain network (needs the package peft)."""

import dataclasses

import numpy as np
import pytest
import torch

from tailfirst import plugins
from tailfirst.adaptation import _tower
from tailfirst.adaptation._tuned import load_tuned
from tailfirst.errors import Unavailable
from tests.support import tunable

BOTH = pytest.mark.parametrize("name", ["finetune", "contrastive"])
KINDS = pytest.mark.parametrize("kind", ["clip", "siglip", "text"])
QUICK = {
    "tower": "full", "lora_rank": 2, "epochs": 2, "epoch_rows": None, "class_power": 0.0, "labeled_share": None,
    "batch": 8, "lr": 1e-2, "warmup": 0, "stage2": "none", "blend": "none",
}  # fmt: skip
ATTENTION = {
    "clip": ("self_attn.q_proj.weight", "self_attn.v_proj.weight"),
    "siglip": ("self_attn.q_proj.weight", "self_attn.v_proj.weight"),
    "text": ("attention.self.query.weight", "attention.self.value.weight"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture
def data(folder, tmp_path, kind):
    made = tunable.train_set(folder, kind=kind)
    return dataclasses.replace(made, source=dataclasses.replace(made.source, scratch=tmp_path / "fits" / "fit"))


def fit(name, data, seed=0, **options):
    params = plugins.params("adaptation", name, QUICK | options)
    return plugins.load("adaptation", name).fit(data, params, np.random.default_rng(seed))


def features(model, data):
    return model.features(data.vectors, data.source.media)


def weights(model):
    return {n: t.clone() for n, t in model.tuned(tunable.SETTINGS).network.state_dict().items()}


def changed(model, data):
    before, after = data.source.encoder().network.state_dict(), weights(model)
    assert set(before) == set(after), "no factor is left, and none of the network's own names is lost"
    return {name: (after[name] - before[name]) for name in before if not torch.equal(before[name], after[name])}


@BOTH
@KINDS
def test_only_queries_and_values_change_and_by_two_ranks_at_most(name, data, kind):
    found = changed(fit(name, data), data)
    assert found
    assert all(parameter.endswith(ATTENTION[kind]) for parameter in found)
    for difference in found.values():
        values = torch.linalg.svdvals(difference.double())
        assert values[0] > 1e-4
        assert values[2] < 1e-5 * values[0] + 1e-6
    if kind != "text":  # one network serves both sides of a sentence encoder
        sides = {parameter.split(".")[0] for parameter in found}
        assert sides == {"vision_model"} | ({"text_model"} if name == "contrastive" else set())


@BOTH
@pytest.mark.parametrize("kind", ["clip"])
def test_what_trains_is_the_factors_and_nothing_else(name, data, kind):
    params = plugins.params("adaptation", name, QUICK)
    tower = _tower.make_tower(data, params, np.random.default_rng(0), texts=name == "contrastive")
    trained = tower.parameters()
    towers = 2 if name == "contrastive" else 1
    assert len(trained) == towers * 2 * 2 * 2  # two layers, query and value, A and B
    assert all("lora_" in parameter for parameter in trained)
    assert sum(p.numel() for p in trained.values()) == towers * 2 * 2 * 2 * 2 * 32  # each (2, 32) or (32, 2)
    assert {p for p in trained.values() if p.requires_grad} == set(trained.values())
    assert not any(p.requires_grad for n, p in tower._network.named_parameters() if n not in trained)


@BOTH
@KINDS
def test_a_merged_model_is_a_folder_that_gives_the_same_features(name, data, kind, tmp_path):
    model = fit(name, data, stage2="head", blend="weights")
    model.save(tmp_path / "model")
    again = load_tuned(tmp_path / "model")
    np.testing.assert_array_equal(features(again, data), features(model, data))
    np.testing.assert_array_equal(again.head.weights, model.head.weights)
    assert not list((tmp_path / "model").rglob("adapter_*"))


@BOTH
@KINDS
def test_before_the_first_step_it_is_the_encoder_itself(name, data, kind):
    model = fit(name, data, epochs=0)
    assert not changed(model, data)
    np.testing.assert_allclose(features(model, data), data.vectors, atol=1e-6)


@BOTH
@pytest.mark.parametrize("kind", ["clip"])
def test_the_factors_start_from_the_seed_and_from_nothing_else(name, data, kind):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = fit(name, data)
    assert torch.equal(torch.rand(3), expected), "torch is left as it was"
    torch.manual_seed(99)
    second, other = fit(name, data), fit(name, data, seed=1)
    np.testing.assert_array_equal(features(first, data), features(second, data))
    assert not np.array_equal(features(first, data), features(other, data))


@pytest.mark.parametrize("kind", ["clip"])
def test_a_blend_is_that_of_the_weights(data, kind):
    """(1 - alpha) W + alpha (W + 2 B A) = W + alpha 2 B A, though the factors are blended and not the product."""
    whole, half, none = (changed(fit("finetune", data, blend="weights", alpha=a), data) for a in (1, 0.5, 0))
    assert not none
    assert set(half) == set(whole)
    for name, difference in half.items():
        torch.testing.assert_close(difference, whole[name] / 2, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("kind", ["clip"])
def test_with_layers_only_the_last_have_factors_that_train(data, kind):
    found = changed(fit("contrastive", data, layers=1), data)
    assert found
    assert all("layers.1." in name for name in found)


@pytest.mark.parametrize("kind", ["clip"])
def test_recomputed_activations_give_the_same_model(data, kind):
    plain, saving = (features(fit("finetune", data, checkpointing=on), data) for on in (False, True))
    np.testing.assert_allclose(saving, plain, atol=1e-6)


@KINDS
def test_it_learns_what_it_is_shown(data, kind):
    model = fit("finetune", data, epochs=25, lr_head=1e-2)
    assert model.curve[-1].loss < model.curve[0].loss


@pytest.mark.parametrize("kind", ["clip"])
def test_a_network_without_queries_and_values_says_so(data, kind, monkeypatch):
    monkeypatch.setattr("tailfirst.adaptation._lora.ATTENTION", __import__("re").compile("nothing"))
    with pytest.raises(Unavailable, match="query and value"):
        fit("finetune", data)
