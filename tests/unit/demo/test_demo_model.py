"""The demo VLM that ships: loads without a network, and is neither hopeless nor perfect."""

from pathlib import Path

import numpy as np
import pytest

from tailfirst.demo import vlm
from tailfirst.demo.classes import CLASSES
from tailfirst.demo.evaluate import class_prototypes, image_vectors, score
from tailfirst.demo.look import FIELD
from tailfirst.demo.pixels import decode
from tailfirst.demo.world import encode, picture

EACH = 10


@pytest.fixture(scope="module")
def loaded():
    return vlm.load()


@pytest.fixture(scope="module")
def sample():
    """Pictures of a stream that neither the corpus nor the items use."""
    pictures, truth = [], []
    for position, chosen in enumerate(CLASSES):
        for number in range(EACH):
            image = picture(chosen.id, FIELD, np.random.default_rng([77, position, number]))
            pictures.append(decode(encode(image)))
            truth.append(position)
    return np.stack(pictures), np.array(truth)


@pytest.fixture(scope="module")
def vectors(loaded, sample):
    return image_vectors(*loaded, sample[0])


def test_the_weights_are_small():
    weights = list(Path(vlm.MODEL_DIR).glob("*.safetensors"))
    assert len(weights) == 1
    assert weights[0].stat().st_size < 16_000_000
    assert not list(vlm.MODEL_DIR.glob("*.bin"))


def test_it_is_a_plain_transformers_clip_in_float32(loaded):
    import torch

    model, processor = loaded
    assert type(model).__name__ == "CLIPModel"
    assert type(processor).__name__ == "CLIPProcessor"
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_the_tokenizer_tells_words_apart_and_ends_with_its_own_end(loaded):
    model, processor = loaded
    ids = processor.tokenizer(["a picture of a canoe.", "a picture of a violin."])["input_ids"]
    assert ids[0] != ids[1]
    end = model.config.text_config.eos_token_id
    assert [row[-1] for row in ids] == [end, end]
    assert all(row.count(end) == 1 for row in ids)
    assert max(max(row) for row in ids) < model.config.text_config.vocab_size


def test_features_are_unit_rows(vectors, sample):
    assert vectors.shape == (len(sample[1]), vlm.WIDTH)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_the_same_picture_has_the_same_features_in_any_company(loaded, sample, vectors):
    alone = image_vectors(*loaded, sample[0][:3])
    np.testing.assert_allclose(alone, vectors[:3], atol=1e-5)


def test_zero_shot_is_middling_and_the_head_is_well_above_the_tail(loaded, sample, vectors):
    result = score(vectors, class_prototypes(*loaded), sample[1])
    assert 0.30 <= result.accuracy <= 0.75
    assert result.head > result.tail + 0.2


def test_score_by_hand():
    prototypes = np.eye(len(CLASSES), dtype=np.float32)
    truth = np.array([0, 0, len(CLASSES) - 1])
    result = score(prototypes[[0, 1, len(CLASSES) - 1]], prototypes, truth)
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.recall[0] == 0.5
    assert result.recall[-1] == 1.0
    assert result.head == pytest.approx(0.5 / 16)
    assert result.tail == pytest.approx(1 / 8)
    assert result.support[0] == 2
