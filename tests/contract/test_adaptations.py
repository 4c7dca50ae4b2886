"""Every file of adaptation/ keeps the contract: probabilities, files without pickles, the same bytes again.

They get vectors alone. One that cannot work without its encoder's text tower says so, and gets a tiny CLIP.
"""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tailfirst import plugins
from tailfirst.config import Settings
from tailfirst.contracts import Source, TrainSet
from tailfirst.encoders import clip
from tailfirst.errors import Unavailable
from tailfirst.paths import Workspace
from tests.support.tiny_clip import make_tiny_clip

NAMES = plugins.names("adaptation")
CLASSES = ("elm", "ash", "yew", "oak", "fir")
DIM = 16  # of the tiny CLIP
HOME = tempfile.TemporaryDirectory()  # of the tiny CLIP; removed when the tests end


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def train(rows=30, prototypes=True, retrieved=10, seed=0, classes=CLASSES) -> TrainSet:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(len(classes), DIM))
    labels = rng.integers(len(classes), size=rows)
    return TrainSet(
        vectors=unit(centers[labels] + rng.normal(size=(rows, DIM))),
        classes=labels.astype(np.int64),
        retrieved=np.arange(rows) >= rows - retrieved,
        class_ids=classes,
        prototypes=unit(centers + rng.normal(size=centers.shape)) if prototypes else None,
        logit_scale=20.0,
        encoder="enc:1",
    )


@functools.cache
def tiny_clip():
    ws = Workspace(Path(HOME.name))
    return clip.load(clip.Params(model=str(make_tiny_clip(ws.root / "clip"))), ws, Settings(_env_file=None))


def with_text_tower(data) -> TrainSet:
    prompts = tuple((f"a photo of a {name}",) for name in data.class_ids)
    scratch = Path(HOME.name) / "fits" / "fit"
    return replace(data, source=Source(tiny_clip, lambda rows: [], prompts, data.class_ids, scratch))


def fit(name, data):
    module, options = plugins.load("adaptation", name), plugins.params("adaptation", name, {})
    try:
        return module.fit(data, options, np.random.default_rng(0))
    except Unavailable as error:
        if "text tower" not in str(error):
            raise
        return module.fit(with_text_tower(data), options, np.random.default_rng(0))


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_probabilities_sum_to_one(name):
    model = fit(name, train())
    probs = model.probs(train(seed=9).vectors)
    assert probs.shape == (30, 5)
    assert probs.dtype == np.float64
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-9)
    assert model.encoder == "enc:1"
    assert model.class_ids == CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_what_was_saved_predicts_the_same_bit_for_bit_and_holds_no_pickle(name, tmp_path):
    model = fit(name, train())
    model.save(tmp_path)
    again = plugins.load("adaptation", name).load(tmp_path)
    vectors = train(seed=5).vectors
    np.testing.assert_array_equal(model.probs(vectors), again.probs(vectors))
    assert (again.encoder, again.class_ids) == (model.encoder, model.class_ids)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} <= {".safetensors", ".json"}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_inputs_give_the_same_bytes(name, tmp_path):
    for folder in ("a", "b"):
        fit(name, train()).save(tmp_path / folder)
    files = [sorted(p.name for p in (tmp_path / f).iterdir()) for f in ("a", "b")]
    assert files[0] == files[1]
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in files[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [0, 1, 2, 129])
def test_any_number_of_rows_trains(name, rows):
    model = fit(name, train(rows=rows, retrieved=0))
    assert np.isfinite(model.probs(train(seed=2).vectors)).all()


@pytest.mark.parametrize("name", NAMES)
def test_without_labels_and_prototypes_it_says_what_is_missing(name):
    with pytest.raises(Unavailable, match="prototypes"):
        fit(name, train(rows=0, retrieved=0, prototypes=False))


@pytest.mark.parametrize("name", NAMES)
def test_the_length_of_raw_vectors_changes_nothing(name):
    model = fit(name, train())
    vectors = train(seed=3).vectors
    np.testing.assert_allclose(model.probs(vectors), model.probs(vectors * 10), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_one_row_more_does_not_change_the_others(name):
    model = fit(name, train())
    vectors = train(seed=4).vectors
    np.testing.assert_allclose(model.probs(vectors)[:29], model.probs(vectors[:29]), atol=1e-6)
