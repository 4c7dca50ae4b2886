"""Training the demo VLM: re-runnable, seeded, honest about what it left out."""

import io

import numpy as np
import pytest
from rich.console import Console

from tailfirst.demo import make, train, vlm
from tailfirst.demo.corpus import Size
from tailfirst.demo.evaluate import image_vectors
from tailfirst.demo.pixels import item_pixels
from tailfirst.demo.recipe import Recipe
from tailfirst.demo.start import fewer_patches, place_positions
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace

TINY = Size(8, 3.0, 2, 2, 5, 2, 12, 8, 48, 4.0, 3, 2, 3)
SHORT = Recipe(seed=3, epochs=2, batch=32, threads=1)


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    make.make_demo(root, size=TINY)
    return Workspace(root)


@pytest.fixture(scope="module")
def trained(ws):
    log = io.StringIO()
    cost = train.run(ws, SHORT, ws.root / "model", Console(file=log, width=200))
    return ws.root / "model", cost, log.getvalue()


def test_a_short_training_saves_a_model_that_loads(ws, trained):
    folder, cost, log = trained
    model, processor = vlm.load(folder)
    items = item_pixels(ws, "holdout")
    vectors = image_vectors(model, processor, items.pixels)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert cost.steps == 2 * (cost.pairs // SHORT.batch)
    assert cost.parameters == sum(p.numel() for p in model.parameters())
    assert "seed 3" in log
    assert "minutes" in log


def test_the_card_says_what_was_measured(trained):
    folder, cost, _ = trained
    text = (folder / "MODEL_CARD.md").read_text()
    assert f"{cost.pairs:,} image-caption pairs" in text
    assert "| canoe | 2 |" in text
    assert "{" not in text.split("## Use")[1].split("## Recipe")[1]


def test_the_same_seed_gives_the_same_weights(ws, trained):
    train.run(ws, SHORT, ws.root / "again", Console(file=io.StringIO()))
    one, two = ((folder / "model.safetensors").read_bytes() for folder in (trained[0], ws.root / "again"))
    assert one == two


def test_a_corpus_smaller_than_a_step_is_refused(ws, tmp_path):
    with pytest.raises(TaskFolderError, match="one step needs"):
        train.run(ws, Recipe(batch=10_000), tmp_path / "model", Console(file=io.StringIO()))
    assert not (tmp_path / "model").exists()


def test_without_a_corpus_the_command_says_what_to_do(tmp_path, capsys):
    assert train.main(["--root", str(tmp_path), "--out", str(tmp_path / "model")]) == 2
    assert "tailfirst.demo.make" in capsys.readouterr().err.replace("\n", "")


def test_fewer_patches_only_inside_the_block():
    import torch

    model = vlm.build_model(100, 0, 1)
    seen = []
    watch = model.vision_model.pre_layrnorm.register_forward_hook(
        lambda _m, inputs, _out: seen.append(inputs[0].shape[1])
    )
    pictures = torch.zeros(2, 3, 48, 48)
    with torch.no_grad():
        with fewer_patches(model, 0.5, np.random.default_rng(1)):
            model.vision_model(pixel_values=pictures)
        model.vision_model(pixel_values=pictures)
    watch.remove()
    assert seen == [1 + 18, 1 + 36]


def test_positions_start_as_distinct_codes():
    import torch

    torch.manual_seed(0)
    model = vlm.build_model(100, 0, 1)
    place_positions(model)
    codes = model.vision_model.embeddings.position_embedding.weight.detach().numpy()[1:]
    assert len({code.round(4).tobytes() for code in codes}) == 36
    np.testing.assert_allclose((codes**2).sum(1), (codes[0] ** 2).sum(), rtol=1e-5)


def test_augmentation_keeps_shape_and_range():
    import torch

    pixels = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (5, 48, 48, 3)).astype(np.uint8))
    out = train.augmented(pixels, np.random.default_rng(3))
    assert out.shape == (5, 3, 48, 48)
    assert out.dtype == torch.float32
    assert float(out.min()) >= -1.0
    assert float(out.max()) <= 1.5
