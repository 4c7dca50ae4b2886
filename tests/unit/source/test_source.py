"""Stages and backtest with a candidate that trains the encoder itself: pictures, captions, a tiny CLIP."""

import json

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import artifacts, backtest, schemas, stages
from tailfirst.adaptation._stores import Pixels
from tailfirst.config import Settings
from tailfirst.contracts import Media
from tailfirst.embedding import load_embeddings
from tailfirst.items import item_id
from tailfirst.media import joined
from tailfirst.source import Behind
from tests.support.open_world import CLASSES, open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture
from tests.support.tiny_clip import make_tiny_clip

CPU = Settings(_env_file=None, device="cpu")
QUICK = {"epochs": 1, "epoch_rows": None, "batch": 8}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A workspace after retrieve and embed, with labels, oracle and holdout; and its params."""
    root = tmp_path_factory.mktemp("world")
    ws = write_task(root)
    ids = [item_id(sha) for sha in write_items(ws, [picture(k) for k in range(18)])]
    captions = ("a fire truck", "a polar bear", "bluefin tuna on ice")
    rows = [open_row(k, f"{captions[k % 3]} {k}", picture(50 + k)) for k in range(9)]
    write_open(ws, rows[:5], rows[5:])
    given = params(
        encoder={"plugin": "clip", "model": str(make_tiny_clip(root / "clip"))},
        retrieval={"max_similarity": 1.0, "near_tie": 0.0},
        candidates={
            "contrastive": {"plugin": "contrastive", "lr": 0.01, **QUICK},
            "finetune": {"plugin": "finetune", "tower": "adapter", **QUICK},
            "prompt": {"plugin": "prompt", **QUICK},
        },
    )
    truth = [CLASSES[k % 3].id for k in range(18)]
    blank = dict.fromkeys(schemas.LABELS.names)
    pool, held = [k for k in range(18) if k % 3 != 2], [k for k in range(18) if k % 3 == 2]
    labels = [
        {**blank, "item_id": ids[k], "class_id": truth[k], "round_no": 1 + n // 3, "purpose": "TRAIN"}
        for n, k in enumerate(pool[:6])
    ]
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist(labels, schema=schemas.LABELS))
    for path, which in ((ws.oracle, pool), (ws.holdout, held)):
        table = {"item_id": [ids[k] for k in which], "class_id": [truth[k] for k in which]}
        artifacts.write_parquet(path, pa.table(table, schema=schemas.LABELED))
    ws.rounds.mkdir(parents=True)
    stages.retrieve(ws, given, CPU)
    stages.embed(ws, given, CPU)
    return ws, given


def run(ws, given, name):
    stages.adapt(ws, given, name, CPU)
    stages.predict(ws, given, name, CPU)
    stages.evaluate(ws, given, name)


def test_a_tuned_network_goes_through_the_stages_and_leaves_no_cache(world):
    ws, given = world
    before = {path.name for path in (ws.cache / "embeddings").iterdir()}
    run(ws, given, "contrastive")
    found = load_embeddings(ws)
    features = np.load(ws.features("contrastive"))
    assert features.shape == found.items.shape
    assert not np.allclose(features, found.items, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(features.astype(np.float32), axis=1), 1, atol=1e-2)
    np.testing.assert_allclose(np.load(ws.predictions("contrastive")).sum(1), 1, atol=1e-5)
    assert json.loads(ws.metrics("contrastive").read_text())["accuracy"]["value"] is not None
    assert {path.name for path in (ws.cache / "embeddings").iterdir()} == before
    assert not list((ws.fits / "contrastive" / "fit").glob("*"))


def test_the_stages_give_the_same_bytes_again(world):
    ws, given = world
    run(ws, given, "contrastive")
    first = artifacts.sha256_tree(ws.candidate("contrastive"))
    run(ws, given, "contrastive")
    assert artifacts.sha256_tree(ws.candidate("contrastive")) == first


@pytest.mark.parametrize(("name", "own"), [("finetune", True), ("prompt", False)])
def test_models_of_vectors_and_of_prompts(world, name, own):
    ws, given = world
    run(ws, given, name)
    assert (len(np.load(ws.features(name))) == 18) is own
    assert json.loads((ws.model(name) / "model.json").read_text())["available"]


def test_the_batch_is_chosen_in_the_model_s_own_space(world):
    ws, given = world
    for name in given.candidates:
        run(ws, given, name)
    artifacts.write_json(ws.choice, {"candidate": "contrastive"})
    stages.acquire(ws, given)
    assert schemas.read(ws.batch, schemas.BATCH).num_rows == 6


def test_the_random_arm_fits_networks_too(world):
    ws, given = world
    table = backtest.load_world(ws, given, settings=CPU)
    plugin = given.candidates["contrastive"]
    one, two = (backtest.random_control(table, [3, 6], plugin, [1]) for _ in range(2))
    assert [arm[0].n_labels for arm in one] == [3, 6]
    assert all(arm[0].scores is not None for arm in one)
    assert [arm[0].scores.of("accuracy") for arm in one] == [arm[0].scores.of("accuracy") for arm in two]


def test_media_are_those_of_the_vectors(world):
    """Every training row's media, in any order, embed to its vector: labeled items and rows of both open shards."""
    ws, given = world
    found = load_embeddings(ws)
    rows = np.array([4, 0, 13])
    source = Behind(ws, given, CPU, found).source("x")(rows)
    vectors = np.concatenate([found.items[rows], found.open])
    order = np.random.default_rng(0).permutation(len(vectors))
    again = source.encoder().items(source.media(order))
    np.testing.assert_allclose(again, vectors[order], atol=2e-3)  # they were stored in half precision
    assert sorted(source.order()) == list(range(len(vectors)))
    assert source.names == ("polar bear", "fire truck", "bluefin tuna")
    assert source.prompts[1] == ("fire truck",)


def test_pixels_are_those_that_the_encoder_reads_in_memory_and_in_a_file(world, tmp_path):
    ws, given = world
    source = Behind(ws, given, CPU, load_embeddings(ws)).source("x")(np.array([2, 7]))
    encoder = source.encoder()
    wanted = np.stack([encoder.pixels(media) for media in source.media(np.arange(11))])
    for room, spill in ((2**30, tmp_path / "none.npy"), (1, tmp_path / "spill.npy")):
        store = Pixels(encoder, source.media, source.order(), room, spill)
        np.testing.assert_array_equal(store.plain(np.arange(11)).numpy(), wanted)
    assert (tmp_path / "spill.npy").exists()
    assert not (tmp_path / "none.npy").exists()


def test_media_are_joined_in_the_order_asked():
    def of(prefix):
        return lambda rows: [Media(f"{prefix}{row}") for row in rows]

    found = joined(of("a"), of("b"), 3)(np.array([4, 0, 3, 2]))
    assert [one.item_id for one in found] == ["b1", "a0", "b0", "a2"]
