"""What finetune and contrastive share, on networks and on vectors (alor.md section 10, checks 6, 7, 10, 12 to 14)."""

import dataclasses
import inspect
import json

import numpy as np
import pytest
import torch

from tailfirst import plugins
from tailfirst.adaptation import _loop
from tailfirst.adaptation._tuned import load_tuned
from tailfirst.contracts import TrainSet
from tailfirst.encoders import clip
from tailfirst.errors import ConfigError, TailfirstError, Unavailable
from tailfirst.paths import Workspace
from tests.support import tunable

BOTH = pytest.mark.parametrize("name", ["finetune", "contrastive"])
TOWERS = pytest.mark.parametrize("tower", ["full", "adapter"])
QUICK = {
    "epochs": 2,
    "epoch_rows": None,
    "class_power": 0.0,
    "labeled_share": None,
    "batch": 8,
    "lr": 1e-3,
    "warmup": 0,
    "stage2": "none",
    "blend": "none",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture
def data(folder, tmp_path):
    made = tunable.train_set(folder)
    return dataclasses.replace(made, source=dataclasses.replace(made.source, scratch=tmp_path / "fits" / "fit"))


def fit(name, data, seed=0, **options):
    params = plugins.params("adaptation", name, QUICK | options)
    return plugins.load("adaptation", name).fit(data, params, np.random.default_rng(seed))


def probs(model, data):
    return model.probs(model.features(data.vectors, data.source.media))


def zero_shot(data):
    return plugins.load("adaptation", "zero_shot").fit(
        data, plugins.params("adaptation", "zero_shot", {}), np.random.default_rng(0)
    )


@BOTH
@TOWERS
def test_before_the_first_step_it_is_zero_shot(name, tower, data):
    model = fit(name, data, tower=tower, epochs=0)
    np.testing.assert_array_equal(probs(model, data).argmax(1), zero_shot(data).probs(data.vectors).argmax(1))


@BOTH
@TOWERS
def test_it_learns_what_it_is_shown(name, tower, data):
    before = (zero_shot(data).probs(data.vectors).argmax(1) == data.classes).mean()
    model = fit(name, data, tower=tower, epochs=25, lr_head=1e-2, lr=3e-3)
    assert model.curve[-1].loss < model.curve[0].loss
    assert (probs(model, data).argmax(1) == data.classes).mean() > max(before, 0.6)


@BOTH
@TOWERS
def test_features_are_unit_rows_and_one_row_too_many_for_the_batch_trains(name, tower, data):
    model = fit(name, data, tower=tower, batch=len(data.classes) - 1)
    features = model.features(data.vectors, data.source.media)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(model.probs(features * 10), model.probs(features), atol=1e-6)


@BOTH
@TOWERS
def test_twice_the_same_fit_gives_the_same_bits(name, tower, data):
    first, second, other = (fit(name, data, seed, tower=tower) for seed in (0, 0, 1))
    np.testing.assert_array_equal(probs(first, data), probs(second, data))
    assert not np.array_equal(probs(first, data), probs(other, data))


@BOTH
@TOWERS
def test_blend_is_exact_at_both_ends(name, tower, data):
    zero = fit(name, data, tower=tower, blend="weights", alpha=0)
    np.testing.assert_array_equal(
        probs(zero, data), zero_shot(data).probs(zero.features(data.vectors, data.source.media))
    )
    np.testing.assert_allclose(probs(zero, data), zero_shot(data).probs(data.vectors), atol=1e-6)
    np.testing.assert_array_equal(zero.head.weights, zero_shot(data).head.weights)
    assert zero.head.scale == data.logit_scale
    whole, tuned = fit(name, data, tower=tower, blend="weights", alpha=1), fit(name, data, tower=tower)
    np.testing.assert_array_equal(probs(whole, data), probs(tuned, data))


def test_a_head_blend_is_exact_at_both_ends(data):
    zero, whole = (fit("finetune", data, tower="adapter", blend="head", alpha=alpha) for alpha in (0, 1))
    np.testing.assert_array_equal(zero.head.weights, zero_shot(data).head.weights)
    np.testing.assert_array_equal(whole.head.weights, fit("finetune", data, tower="adapter").head.weights)


@BOTH
def test_the_encoder_itself_is_never_changed(name, data):
    before = data.source.encoder().items(data.source.media(np.arange(4)))
    fit(name, data, tower="full")
    np.testing.assert_array_equal(data.source.encoder().items(data.source.media(np.arange(4))), before)


@BOTH
def test_a_tuned_network_is_a_folder_that_the_encoder_loads(name, data, tmp_path):
    model = fit(name, data, tower="full", stage2="head", blend="weights")
    model.save(tmp_path / "model")
    again = load_tuned(tmp_path / "model")
    np.testing.assert_array_equal(probs(again, data), probs(model, data))
    assert again.curve == list(model.curve)
    options = clip.Params(model=str(tmp_path / "model" / "network"), batch=8)
    encoder = clip.load(options, Workspace(tmp_path), tunable.SETTINGS)
    vectors = encoder.items(data.source.media(np.arange(6)))
    np.testing.assert_array_equal(vectors, model.features(data.vectors[:6], data.source.media))
    assert encoder.fingerprint != data.encoder
    assert not list((tmp_path / "model").rglob("*.bin"))
    again.save(tmp_path / "copy")
    np.testing.assert_array_equal(probs(load_tuned(tmp_path / "copy"), data), probs(model, data))


def test_a_model_that_encodes_anew_says_that_vectors_are_not_enough(data):
    with pytest.raises(Unavailable, match="only vectors"):
        fit("finetune", data, tower="full").features(data.vectors, None)


def test_full_without_a_network_says_what_to_do(data):
    with pytest.raises(Unavailable, match="use adapter"):
        fit("finetune", dataclasses.replace(data, source=None), tower="full")


@BOTH
def test_auto_takes_the_network_where_it_can(name, data):
    assert fit(name, data).tuned is not None
    assert fit(name, dataclasses.replace(data, source=None)).tuned is None


@BOTH
def test_without_prototypes_classes_start_from_their_rows(name, data):
    model = fit(name, dataclasses.replace(data, source=None, prototypes=None), epochs=5)
    assert (model.probs(model.features(data.vectors, None)).argmax(1) == data.classes).mean() > 0.5


@BOTH
@TOWERS
@pytest.mark.parametrize("stage2", ["head", "full"])
def test_second_stages_move_towards_the_labels(name, tower, stage2, data):
    human = ~data.retrieved
    one, two = (
        -np.log(
            probs(fit(name, data, tower=tower, stage2=s, stage2_epochs=20, lr=3e-3), data)[human, data.classes[human]]
        )
        for s in ("none", stage2)
    )
    assert two.mean() < one.mean()


def test_replayed_rows_may_take_part_in_the_second_stage(data):
    alone, replayed = (
        fit("finetune", data, tower="adapter", stage2="full", stage2_labeled_share=share) for share in (1.0, 0.3)
    )
    assert not np.array_equal(alone.head.weights, replayed.head.weights)


def test_a_loss_that_is_not_finite_names_epoch_and_step(data):
    vectors = data.vectors.copy()
    vectors[3] = np.nan
    with pytest.raises(TailfirstError, match="epoch 1, step 1 of 1"):
        fit("finetune", dataclasses.replace(data, vectors=vectors, source=None), batch=100, cutmix=None)


def test_the_way_torch_was_is_restored(data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit("finetune", data, tower="full")
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_only_the_last_layers_train_when_asked(data):
    before = data.source.encoder().network.state_dict()
    model = fit("contrastive", data, tower="full", layers=1)
    after = model.tuned(tunable.SETTINGS).network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in changed} == {
        "vision_model", "visual_projection", "text_model", "text_projection",
    }  # fmt: skip
    assert not any("layers.0." in name or "embed" in name or "pre_layrnorm" in name for name in changed)
    assert "logit_scale" not in changed


def test_finetuning_leaves_the_text_side_alone(data):
    before = data.source.encoder().network.state_dict()
    after = fit("finetune", data, tower="full").tuned(tunable.SETTINGS).network.state_dict()
    assert {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])} == {
        "vision_model", "visual_projection",
    }  # fmt: skip


def test_recomputed_activations_give_the_same_model(data):
    plain, saving = (fit("finetune", data, tower="full", checkpointing=on) for on in (False, True))
    np.testing.assert_allclose(probs(saving, data), probs(plain, data), atol=1e-6)


def test_low_rank_without_peft_says_how_to_get_it(data, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(ConfigError, match="pip install peft"):
        fit("finetune", data, tower="full", lora_rank=2)


@BOTH
def test_no_validation_or_test_label_can_be_handed_over(name):
    """Check 14: the argument does not exist."""
    assert list(inspect.signature(plugins.load("adaptation", name).fit).parameters) == ["train", "params", "rng"]
    known = {field.name for field in dataclasses.fields(TrainSet)}
    assert known == {
        "vectors", "classes", "retrieved", "class_ids", "prototypes", "logit_scale", "encoder", "source", "rounds",
        "unlabeled",
    }  # fmt: skip


def test_the_curve_is_written_for_the_tracker(data, tmp_path):
    fit("finetune", data, tower="adapter", stage2="full", stage2_epochs=3).save(tmp_path)
    curve = json.loads((tmp_path / "curve.json").read_text())
    assert [(point["stage"], point["epoch"]) for point in curve] == [
        ("stage 1", 1), ("stage 1", 2), ("stage 2", 1), ("stage 2", 2), ("stage 2", 3),
    ]  # fmt: skip
    assert all(set(point) == {"stage", "epoch", "loss", "lr"} for point in curve)


def test_rates_rise_then_fall_to_nothing():
    rates = [_loop.factor(step, 100, 50) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)  # a tenth of all steps at most
    assert max(rates) == 1.0 == rates[10]
    assert rates[-1] < 1e-3
