import json
import logging

import numpy as np
import pytest
from PIL import Image

from tailfirst.config import Settings
from tailfirst.contracts import Media
from tailfirst.encoders import clip
from tailfirst.errors import ConfigError, TaskFolderError, Unavailable
from tailfirst.items import open_image
from tailfirst.paths import Workspace
from tests.support.pictures import picture
from tests.support.tiny_clip import make_tiny_clip, make_tiny_siglip

CPU = Settings(device="cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("clip")
    make_tiny_clip(root / "clip")
    make_tiny_siglip(root / "siglip")
    return root


@pytest.mark.parametrize("model", ["clip", "siglip"])
def test_vectors_equal_those_of_the_plain_model(root, model):
    """Against the model and processor called by hand, without chunks, padding steps and tables."""
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    encoder = clip.load(clip.Params(model=model), Workspace(root), CPU)
    network = AutoModel.from_pretrained(root / model).eval()
    processor = AutoImageProcessor.from_pretrained(root / model, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(root / model)
    data = [picture(k, 50, 40) for k in range(3)]
    texts = ["a photo of a cat", "red birds sitting on an old table in the snow"]
    pixels = processor(images=[open_image(one) for one in data], return_tensors="pt")["pixel_values"]
    if model == "clip":
        fed = tokenizer(texts, padding=True, return_tensors="pt")
    else:  # SigLIP is trained on texts padded to their full length, without a mask
        fed = {"input_ids": tokenizer(texts, padding="max_length", max_length=16, return_tensors="pt")["input_ids"]}
    with torch.no_grad():
        images = network.get_image_features(pixel_values=pixels).pooler_output
        words = network.get_text_features(**fed).pooler_output
    expected = [(side / side.norm(dim=1, keepdim=True)).numpy() for side in (images, words)]
    found = encoder.items([Media(str(k), data=one) for k, one in enumerate(data)])
    np.testing.assert_allclose(found, expected[0], atol=2e-6)
    np.testing.assert_allclose(encoder.texts(texts), expected[1], atol=2e-6)


def test_the_logit_scale_is_that_of_the_checkpoint(root):
    import torch
    from safetensors.torch import load_file

    stored = load_file(root / "clip" / "model.safetensors")["logit_scale"]
    encoder = clip.load(clip.Params(model="clip"), Workspace(root), CPU)
    assert encoder.logit_scale == pytest.approx(float(torch.exp(stored)), rel=1e-6)


@pytest.mark.parametrize("length", [7, 8, 9, 31, 32, 40])
def test_long_texts_are_cut_and_lengths_around_a_step_work(root, length):
    encoder = clip.load(clip.Params(model="clip"), Workspace(root), CPU)
    found = encoder.texts([" ".join(["cat"] * (length - 2))])
    assert np.isfinite(found).all()


def test_corrupt_bytes_name_the_item(root):
    encoder = clip.load(clip.Params(model="clip"), Workspace(root), CPU)
    media = [Media("whole", data=picture(0)), Media("broken-one", data=picture(1)[:60])]
    with pytest.raises(TaskFolderError, match="broken-one"):
        encoder.items(media)


def test_a_changed_tokenizer_changes_the_fingerprint(root, tmp_path):
    make_tiny_clip(tmp_path / "clip")
    ws = Workspace(tmp_path)
    before = clip.load(clip.Params(model="clip"), ws, CPU).fingerprint
    path = tmp_path / "clip" / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rescale_factor": 0.004}))
    assert clip.load(clip.Params(model="clip"), ws, CPU).fingerprint != before


def test_a_hub_id_that_is_not_cached_is_refused_within_seconds(root, monkeypatch, caplog):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with caplog.at_level(logging.WARNING), pytest.raises(Unavailable, match="HF_HUB_OFFLINE") as caught:
        clip.load(clip.Params(model="nobody/no-such-clip"), Workspace(root), CPU)
    assert "local folder" in str(caught.value)
    assert "no revision" in caplog.text


def test_an_unreachable_hub_is_reported_as_such(root, monkeypatch):
    import httpx
    from huggingface_hub import constants

    def refuse(*args, **kwargs):
        raise httpx.ConnectError("name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(httpx, "head", refuse)
    with pytest.raises(Unavailable, match="cannot be reached"):
        clip.load(clip.Params(model="nobody/no-such-clip", revision="abc"), Workspace(root), CPU)


@pytest.mark.parametrize("model", ["/no/such/folder", "./nothing", "a/b/c"])
def test_a_missing_folder_is_a_mistake_in_params(root, model):
    with pytest.raises(ConfigError, match="no model folder"):
        clip.load(clip.Params(model=model), Workspace(root), CPU)


def test_a_folder_without_a_model_is_a_mistake_in_params(root, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"config\.json"):
        clip.load(clip.Params(model="empty"), Workspace(tmp_path), CPU)


def test_an_unknown_device_is_refused(root):
    with pytest.raises(ConfigError, match="TAILFIRST_DEVICE"):
        clip.load(clip.Params(model="clip"), Workspace(root), Settings(device="abacus"))


def test_gray_and_transparent_images_are_read(root, tmp_path):
    encoder = clip.load(clip.Params(model="clip"), Workspace(root), CPU)
    paths = [tmp_path / "gray.png", tmp_path / "clear.png"]
    Image.new("L", (20, 30), 100).save(paths[0])
    Image.new("RGBA", (30, 20), (9, 9, 9, 0)).save(paths[1])
    assert np.isfinite(encoder.items([Media(p.name, data=p.read_bytes()) for p in paths])).all()
