"""SigLIP from the open corpus to the next batch: a tiny one with random weights, saved locally."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tailfirst import artifacts, schemas, stages
from tailfirst.config import Settings
from tailfirst.embedding import load_embeddings
from tailfirst.encoders import clip
from tailfirst.paths import Workspace
from tailfirst.task import ClassDef
from tests.support import tunable
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.tiny_clip import make_tiny_siglip

CPU = Settings(_env_file=None, device="cpu")
CLASSES = tuple(ClassDef(i, n, ()) for i, n in zip(("fox", "boat", "fish"), tunable.NAMES, strict=True))
QUICK = {"epochs": 8, "epoch_rows": None, "labeled_share": None, "batch": 16, "lr": 3e-3, "lr_head": 1e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """With the scale and the bias of released models: exp(4.77) = 118 and -16."""
    from safetensors.torch import load_file, save_file

    folder = make_tiny_siglip(tmp_path_factory.mktemp("model") / "siglip")
    weights = load_file(folder / "model.safetensors")
    weights |= {"logit_scale": torch.tensor([4.77]), "logit_bias": torch.tensor([-16.0])}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_zero_shot_is_what_the_sigmoids_say_of_exactly_one_class(model, tmp_path):
    """SigLIP answers yes or no per class: sigma(s z.t + b). That one class is meant and all others are not has odds
    sigma / (1 - sigma) = exp(s z.t + b), so the posterior is softmax(s z.t): the bias is the same for all and cancels.
    """
    from transformers import AutoModel

    encoder = clip.load(clip.Params(model=str(model), batch=8), Workspace(tmp_path), CPU)
    assert encoder.logit_scale == pytest.approx(np.exp(4.77), rel=1e-6)
    media, _ = tunable.pictures(6)
    prompts = [f"a photo of a {name}" for name in tunable.NAMES]
    ids, _ = encoder.tokens.fed(encoder.tokens.ids(prompts))
    network = AutoModel.from_pretrained(model).eval()
    pixels = torch.from_numpy(np.stack([encoder.pixels(one) for one in media]))
    with torch.no_grad():
        yes = torch.sigmoid(network(input_ids=torch.from_numpy(ids), pixel_values=pixels).logits_per_image.double())
    alone = torch.stack([yes[:, c] * torch.cat([1 - yes[:, :c], 1 - yes[:, c + 1 :]], 1).prod(1) for c in range(3)], 1)
    expected = (alone / alone.sum(1, keepdim=True)).numpy()
    logits = encoder.logit_scale * encoder.items(media).astype(float) @ encoder.texts(prompts).T.astype(float)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(1, keepdims=True), expected, atol=2e-3)


@pytest.fixture(scope="module")
def workspace(model, tmp_path_factory):
    """36 pool and 18 holdout pictures, 24 captioned ones, four seed labels of each class."""
    ws = write_task(tmp_path_factory.mktemp("ws"), classes=CLASSES)
    media, classes = tunable.pictures(54)
    shas = write_items(ws, [one.data for one in media])
    names = np.array([one.id for one in CLASSES])[classes]
    held = [number % 3 == 2 for number in range(54)]
    for path, role in ((ws.holdout, True), (ws.oracle, False)):
        rows = [{"item_id": s[:20], "class_id": n} for s, n, h in zip(shas, names, held, strict=True) if h == role]
        pq.write_table(pa.Table.from_pylist(rows, schema=schemas.LABELED), path)
    chosen = [r for c in range(3) for r in np.flatnonzero((classes == c) & ~np.array(held))[:4]]
    seeds = [{"item_id": shas[r][:20], "class_id": names[r], "round_no": 0, "purpose": "SEED"} for r in sorted(chosen)]
    for path in (ws.seed_labels, ws.labels):
        artifacts.write_parquet(path, pa.Table.from_pylist(seeds, schema=schemas.LABELS))
    more, kinds = tunable.pictures(24, seed=1)
    captions = [f"a photo of a {tunable.NAMES[c]}" for c in kinds]
    write_open(ws, [open_row(k, text, one.data) for k, (text, one) in enumerate(zip(captions, more, strict=True))])
    given = params(
        encoder={"plugin": "clip", "model": str(model), "batch": 8},
        retrieval={"max_similarity": 1.0, "near_tie": 0.0, "cap": 10},  # random weights find everything alike
        candidates={
            "zero_shot": {"plugin": "zero_shot"},
            "linear_probe": {"plugin": "linear_probe"},
            "contrastive": {"plugin": "contrastive", "tower": "full", **QUICK},
            "low_rank": {"plugin": "contrastive", "tower": "full", "lora_rank": 2, **QUICK},
        },
        acquisition={
            "strategy": {"plugin": "tail_first", "retrieved_by": "kept", "relevance": "t2t"},
            "budget": 6,
            "control_share": 0,
        },
        evaluation={"bootstrap": 100},
    )
    stages.retrieve(ws, given, CPU)
    stages.embed(ws, given, CPU)
    for name in given.candidates:
        stages.adapt(ws, given, name, CPU)
        stages.predict(ws, given, name, CPU)
        stages.evaluate(ws, given, name)
    return ws, given


def test_every_candidate_is_measured(workspace):
    ws, given = workspace
    found = load_embeddings(ws)
    assert found.items.shape == (54, 32)
    assert len(found.open) == pq.read_metadata(ws.retrieved).num_rows > 0
    assert found.logit_scale == pytest.approx(np.exp(4.77), rel=1e-6)
    for name in given.candidates:
        measured = json.loads(ws.metrics(name).read_text())
        assert measured["available"], measured
        assert 0 <= measured["ece"]["value"] <= 1
        probs = np.load(ws.predictions(name))
        np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["contrastive", "low_rank"])
def test_a_tuned_tower_knows_the_colors(workspace, name):
    """The tower re-encodes: its features are its own, and the holdout it never saw is mostly right."""
    ws, _ = workspace
    assert np.load(ws.features(name)).shape == (54, 32)
    curve = json.loads((ws.model(name) / "curve.json").read_text())
    assert curve[-1]["loss"] < curve[0]["loss"]
    card = json.loads((ws.model(name) / "network" / "config.json").read_text())
    assert card["model_type"] == "siglip"
    tuned, plain = (json.loads(ws.metrics(n).read_text())["balanced_accuracy"]["value"] for n in (name, "zero_shot"))
    assert tuned > plain


@pytest.mark.parametrize("chosen", ["contrastive", "zero_shot"])
def test_the_next_batch_is_chosen_in_the_space_of_the_candidate(workspace, chosen):
    ws, given = workspace
    stages.choose(ws, given)
    artifacts.write_json(ws.choice, json.loads(ws.choice.read_text()) | {"candidate": chosen})
    stages.acquire(ws, given)
    batch = schemas.read(ws.batch, schemas.BATCH).to_pylist()
    assert len({row["item_id"] for row in batch}) == 6
    labeled = set(schemas.read(ws.labels, schemas.LABELS)["item_id"].to_pylist())
    assert not labeled & {row["item_id"] for row in batch}
    notes = json.loads(ws.acquisition.read_text())
    assert notes["pool_size"] == 36
    assert notes["exhausted"] == []
    means = pq.read_table(ws.retrieved).to_pandas().groupby("class_id")["t2t"].mean().clip(0, 1)
    kept = dict(zip(*[pq.read_table(ws.class_counts)[n].to_pylist() for n in ("class_id", "retrieved")], strict=True))
    weighed = {c: 4 + notes["retrieved_weight"] * means[c] * kept[c] for c in means.index}
    assert {c: notes["counts_before"][c] for c in weighed} == pytest.approx(weighed, abs=1e-5)
