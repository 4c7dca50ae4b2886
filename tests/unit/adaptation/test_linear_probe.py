"""The linear probe: starts at zero-shot, minimises what it says, keeps unseen classes, learns from little."""

from dataclasses import replace

import numpy as np
import pytest

from tailfirst.adaptation import linear_probe, zero_shot
from tailfirst.adaptation._head import fit_scale, fit_step
from tailfirst.adaptation._linear import softmax
from tailfirst.contracts import TrainSet
from tailfirst.errors import Unavailable

RNG = np.random.default_rng(0)
C, D = 6, 20


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


CENTERS = RNG.normal(size=(C, D))
PROTOTYPES = unit(CENTERS + 1.2 * RNG.normal(size=(C, D)))


def draw(rows, seed, noise=1.0, classes=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(C, size=rows) if classes is None else rng.choice(classes, size=rows)
    return unit(CENTERS[y] + noise * rng.normal(size=(rows, D))), y.astype(np.int64)


def train(x, y, retrieved=None, prototypes=PROTOTYPES, scale=20.0) -> TrainSet:
    flags = np.zeros(len(y), np.bool_) if retrieved is None else retrieved
    return TrainSet(x, y, flags, tuple(f"c{k}" for k in range(C)), prototypes, scale, "e")


def accuracy(model, seed=99):
    x, y = draw(2000, seed)
    return (model.probs(x).argmax(1) == y).mean()


def fit(data, **options):
    return linear_probe.fit(data, linear_probe.Params(**options), np.random.default_rng(0))


def test_zero_shot_by_hand():
    model = zero_shot.fit(
        TrainSet(
            np.zeros((0, 2), np.float32), np.zeros(0, np.int64), np.zeros(0, np.bool_), ("a", "b"),
            np.array([[1, 0], [0, 1]], np.float32), 2.0, "e",
        ),
        zero_shot.Params(), np.random.default_rng(0),
    )  # fmt: skip
    z = np.array([[1, 0], [0.6, 0.8]], np.float32)
    expected = [np.exp([2, 0]) / np.exp([2, 0]).sum(), np.exp([1.2, 1.6]) / np.exp([1.2, 1.6]).sum()]
    np.testing.assert_allclose(model.probs(z), expected, rtol=1e-6)


def test_zero_shot_without_prototypes_says_what_to_do():
    x, y = draw(5, 1)
    with pytest.raises(Unavailable, match=r"prototypes.npy"):
        zero_shot.fit(train(x, y, prototypes=None), zero_shot.Params(), np.random.default_rng(0))


def test_6_without_rows_it_is_zero_shot():
    x, y = draw(0, 1)
    probe, plain = fit(train(x, y)), zero_shot.fit(train(x, y), zero_shot.Params(), np.random.default_rng(0))
    z = draw(50, 2)[0]
    np.testing.assert_array_equal(probe.probs(z), plain.probs(z))


def test_6_before_the_first_step_the_argmax_is_zero_shot():
    x, y = draw(40, 1)
    still = fit(train(x, y), blend=0.0)
    plain = zero_shot.fit(train(x, y), zero_shot.Params(), np.random.default_rng(0))
    z = draw(500, 2)[0]
    np.testing.assert_array_equal(still.probs(z).argmax(1), plain.probs(z).argmax(1))
    stiff = fit(train(x, y), l2=1e9, scale="encoder")
    np.testing.assert_allclose(stiff.probs(z), plain.probs(z), atol=1e-4)


def test_it_learns_and_more_labels_are_better():
    plain = zero_shot.fit(train(*draw(0, 1)), zero_shot.Params(), np.random.default_rng(0))
    few, many = fit(train(*draw(30, 1))), fit(train(*draw(400, 1)))
    assert accuracy(plain) + 0.03 < accuracy(few)
    assert accuracy(few) + 0.01 < accuracy(many)


def test_without_text_it_starts_from_nothing():
    bare = fit(train(*draw(300, 1), prototypes=None))
    assert accuracy(bare) > 0.7


def test_a_class_without_examples_keeps_its_prototype_direction():
    x, y = draw(60, 1, classes=[0, 1, 2, 3])
    model = fit(train(x, y), scale="encoder")
    cosine = (unit(model.weights) * PROTOTYPES).sum(1)
    assert cosine[4:].min() > 0.97
    assert accuracy(model) > accuracy(fit(train(x, y, prototypes=None)))


@pytest.mark.parametrize("rows", [1, 2, 5, 129])
def test_10_any_number_of_rows(rows):
    assert np.isfinite(fit(train(*draw(rows, 3))).weights).all()


def test_the_step_minimises_the_objective():
    """Against plain scipy in float64 on the stated objective."""
    from scipy.optimize import minimize

    x, y = draw(80, 5)
    w = np.linspace(0.5, 2, 80)
    base = 15.0 * (x @ PROTOTYPES.T).astype(np.float64)
    axis = (w / w.sum()) @ x.astype(np.float64)
    axis /= np.linalg.norm(axis)
    z = x - np.outer(x @ axis, axis)

    def objective(flat, l2=0.05):
        step = flat.reshape(C, D)
        probs = softmax(base + z @ step.T)
        value = -(w * np.log(probs[np.arange(80), y])).sum() + 0.5 * l2 * (step**2).sum()
        probs[np.arange(80), y] -= 1
        return value, ((w[:, None] * probs).T @ z + l2 * step).ravel()

    best = minimize(
        objective, np.zeros(C * D), jac=True, method="L-BFGS-B", options={"maxiter": 2000, "gtol": 1e-9, "ftol": 1e-15}
    )
    ours = fit_step(x, y, w, base, 0.05, 200)
    assert objective(ours.ravel())[0] == pytest.approx(best.fun, rel=1e-5)
    np.testing.assert_allclose(ours, best.x.reshape(C, D), atol=0.02)


def test_more_dimensions_than_rows_and_fewer_give_the_same_solution():
    x, y = draw(15, 6)
    wide = np.concatenate([x, np.zeros((15, 30), np.float32)], axis=1)
    base = np.zeros((15, C))
    np.testing.assert_allclose(
        fit_step(wide, y, np.ones(15), base, 0.1, 300)[:, :D], fit_step(x, y, np.ones(15), base, 0.1, 300), atol=2e-3
    )


def test_the_scale_is_found_from_labels():
    rng = np.random.default_rng(1)
    cosines = rng.uniform(-0.2, 0.5, size=(4000, C)).astype(np.float32)
    y = np.array([rng.choice(C, p=p) for p in softmax(12.0 * cosines.astype(np.float64))])
    assert fit_scale(cosines, y, np.ones(4000), 100.0) == pytest.approx(12, rel=0.08)
    assert fit_scale(cosines[:0], y[:0], np.ones(0), 100.0) == pytest.approx(100, rel=1e-3)


def test_an_uncalibrated_encoder_costs_nothing():
    x, y = draw(80, 1)
    calm, sharp = fit(train(x, y, scale=10.0)), fit(train(x, y, scale=200.0))
    assert abs(accuracy(calm) - accuracy(sharp)) < 0.01
    assert accuracy(sharp) >= accuracy(fit(train(x, y, scale=200.0), scale="encoder"))


def test_retrieved_rows_count_less_than_labels():
    x, y = draw(40, 1)
    noise_x, _ = draw(200, 2)
    noise_y = np.random.default_rng(3).integers(C, size=200)
    flags = np.arange(240) >= 40
    mixed = train(np.concatenate([x, noise_x]), np.concatenate([y, noise_y]), flags)
    low, high = fit(mixed, retrieved_weight=0.05), fit(mixed, retrieved_weight=1.0)
    assert accuracy(low) > accuracy(high)
    np.testing.assert_array_equal(fit(mixed, retrieved_weight=0).weights, fit(train(x, y)).weights)


def test_retrieved_rows_alone_train():
    x, y = draw(200, 1)
    flags = np.ones(200, np.bool_)
    assert accuracy(fit(train(x, y, flags))) > accuracy(fit(train(x[:0], y[:0])))


def test_row_weights_by_hand():
    classes, mass = np.array([0, 0, 0, 1]), np.array([1, 1, 0.5, 1])
    np.testing.assert_allclose(linear_probe.row_weights(classes, mass, 3, 0.0), mass)
    balanced = linear_probe.row_weights(classes, mass, 3, 1.0)
    np.testing.assert_allclose(balanced, [0.7, 0.7, 0.35, 1.75])
    assert balanced.sum() == pytest.approx(mass.sum())


def test_blend_is_a_straight_line_between_prototypes_and_fit():
    x, y = draw(50, 1)
    whole, half, none = (fit(train(x, y), blend=b).weights for b in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(half, (whole + none) / 2, atol=1e-6)
    plain = zero_shot.fit(train(x, y), zero_shot.Params(), np.random.default_rng(0))
    np.testing.assert_array_equal(none, plain.weights)  # (12) bit for bit


def test_rows_in_another_order_give_the_same_model():
    x, y = draw(60, 1)
    order = np.random.default_rng(9).permutation(60)
    z = draw(100, 4)[0]
    np.testing.assert_allclose(fit(train(x, y)).probs(z), fit(train(x[order], y[order])).probs(z), atol=2e-3)


def test_the_length_of_training_rows_changes_nothing():
    x, y = draw(60, 1)
    z = draw(100, 4)[0]
    np.testing.assert_allclose(fit(train(x, y)).probs(z), fit(train(x * 10, y)).probs(z), atol=2e-3)


def test_params_refuse_unknown_and_impossible_options():
    from tailfirst import plugins
    from tailfirst.errors import ConfigError

    with pytest.raises(ConfigError, match=r"l3.*known keys of adaptation.linear_probe: l2"):
        plugins.params("adaptation", "linear_probe", {"l3": 1})
    with pytest.raises(ConfigError):
        plugins.params("adaptation", "linear_probe", {"l2": 0})
    assert plugins.params("adaptation", "linear_probe", {"scale": 30}).scale == 30.0


def test_a_broken_model_folder_is_explained(tmp_path):
    from tailfirst.errors import TaskFolderError

    with pytest.raises(TaskFolderError, match=r"weights.safetensors, head.json missing"):
        linear_probe.load(tmp_path)
    model = fit(train(*draw(20, 1)))
    replace(model, class_ids=("a",)).save(tmp_path)
    with pytest.raises(TaskFolderError, match="do not fit 1 classes"):
        linear_probe.load(tmp_path)
