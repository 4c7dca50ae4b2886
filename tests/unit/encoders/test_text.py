import numpy as np
import pytest

from tailfirst.config import Settings
from tailfirst.encoders import text
from tailfirst.errors import ConfigError, Unavailable
from tailfirst.paths import Workspace

CPU = Settings(device="cpu")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return text.load(text.Params(), Workspace(tmp_path_factory.mktemp("text")), CPU)


def test_close_meanings_have_close_vectors(encoder):
    card, same, other = encoder.texts(
        ["my card has not arrived", "the card I ordered is not here yet", "exchange rates"]
    )
    assert card @ same > 0.6
    assert card @ other < 0.4


def test_the_vector_is_the_mean_over_the_tokens_without_the_padding(encoder):
    import torch

    texts = ["hello there", "a somewhat longer sentence than the other one, so that padding is needed"]
    fed = encoder.tokens.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = encoder.network(**fed).last_hidden_state
    expected = [h[m.bool()].mean(dim=0).numpy() for h, m in zip(hidden, fed["attention_mask"], strict=True)]
    expected = [one / np.linalg.norm(one) for one in expected]
    np.testing.assert_allclose(encoder.texts(texts), expected, atol=2e-6)


def test_the_scale_is_an_option(encoder, tmp_path):
    assert encoder.logit_scale == 20
    assert text.load(text.Params(logit_scale=30), Workspace(tmp_path), CPU).logit_scale == 30


def test_a_missing_package_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(text._folders, "packaged", lambda *names: None)
    with pytest.raises(Unavailable, match="minilm"):
        text.load(text.Params(), Workspace(tmp_path), CPU)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(ConfigError, match="minilm"):
        text.load(text.Params(model="./nothing"), Workspace(tmp_path), CPU)
