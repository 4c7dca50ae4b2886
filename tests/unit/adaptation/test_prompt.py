"""Learned context: it stands where words would stand, and only it is trained (alor.md 3.2 PT)."""

import dataclasses

import numpy as np
import pytest
import torch

from tailfirst import plugins
from tailfirst.adaptation import prompt
from tailfirst.adaptation._context import ContextTower, fed
from tailfirst.errors import Unavailable
from tests.support import tunable


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tunable.train_set(tmp_path_factory.mktemp("tiny"))


def fit(data, **options):
    return prompt.fit(data, plugins.params("adaptation", "prompt", options), np.random.default_rng(0))


def test_context_of_word_embeddings_is_a_prompt_of_those_words(data):
    encoder, words = data.source.encoder(), "a photo of a"
    tokens = encoder.tokens.ids([words])[0][1:-1]
    tower = ContextTower(data.source, len(tokens), np.random.default_rng(0))
    table = encoder.network.text_model.embeddings.token_embedding.weight
    with torch.no_grad():
        tower.context.copy_(table[tokens].expand_as(tower.context))
    expected = encoder.texts([f"{words} {name}" for name in data.source.names])
    np.testing.assert_allclose(tower.prototypes(), expected, atol=1e-5)


def test_a_long_context_is_cut_to_what_the_tower_reads(data):
    tokens = data.source.encoder().tokens
    ids, mask, first, length = fed(tokens, data.source.names, 1000)
    assert ids.shape[1] == tokens.longest == mask.sum(1).max()
    assert first == 1
    assert length == tokens.longest - max(map(len, tokens.ids(data.source.names)))


def test_it_learns_and_leaves_vectors_and_encoder_as_they_are(data):
    before = {name: value.clone() for name, value in data.source.encoder().network.state_dict().items()}
    model = fit(data, epochs=15, lr=2e-2)
    after = data.source.encoder().network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.grad is None for parameter in data.source.encoder().network.parameters())
    assert model.features(data.vectors, None) is data.vectors
    assert model.curve[-1].loss < model.curve[0].loss
    np.testing.assert_allclose(np.linalg.norm(model.head.weights, axis=1), 1, atol=1e-5)
    assert model.head.scale == data.logit_scale


def test_vectors_alone_or_an_encoder_without_a_text_tower_are_not_enough(data):
    with pytest.raises(Unavailable, match="text tower"):
        fit(dataclasses.replace(data, source=None))
    rows = dataclasses.replace(data.source, encoder=object)
    with pytest.raises(Unavailable, match="text tower"):
        fit(dataclasses.replace(data, source=rows))
