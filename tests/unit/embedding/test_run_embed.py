"""The stage with real plugins: a tiny CLIP, and vectors that are brought along."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailfirst import schemas
from tailfirst.config import Settings
from tailfirst.embedding import load_embeddings, run_embed
from tailfirst.errors import StaleArtifact, TaskFolderError
from tailfirst.retrieval.run import retrieve
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture
from tests.support.tiny_clip import make_tiny_clip

CPU = Settings(device="cpu")
CLOSE = {"max_similarity": 1.0, "near_tie": 0.0}  # random weights find everything alike


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_clip(tmp_path_factory.mktemp("model") / "m")


def clip_params(model, **retrieval):
    return params(encoder={"plugin": "clip", "model": str(model)}, retrieval=CLOSE | retrieval)


def brought(tmp_path, rows=5):
    ws = write_task(tmp_path, "vector")
    vectors = np.random.default_rng(0).normal(size=(rows, 7)).astype(np.float32)
    np.save(ws.vectors, vectors)
    table = [
        dict.fromkeys(schemas.ITEMS.names)
        | {"item_id": f"i{k}", "sha256": f"{k:064x}", "role": "pool", "vector_row": rows - 1 - k}
        for k in range(rows)
    ]
    pq.write_table(pa.Table.from_pylist(table, schema=schemas.ITEMS), ws.items)
    return ws, vectors


def test_a_whole_pass_with_a_real_model(tmp_path, model):
    ws = write_task(tmp_path)
    write_items(ws, [picture(k) for k in range(9)])
    write_open(ws, [open_row(k, f"a fire truck {k}", picture(50 + k)) for k in range(6)])
    given = clip_params(model)
    summary = retrieve(ws, given, CPU)
    run_embed(ws, given, CPU)
    found = load_embeddings(ws)
    assert summary.retrieved == 6
    assert found.items.shape == (9, 16)
    assert found.open.shape == (6, 16)
    assert found.prototypes.shape == (3, 16)
    assert found.items.dtype == found.open.dtype == found.prototypes.dtype == np.float32
    assert np.load(ws.embeddings / "items.npy").dtype == np.float16
    manifest = json.loads((ws.embeddings / "manifest.json").read_text())
    assert set(manifest) == {"encoder", "dim", "logit_scale", "reads", "items", "open", "prototypes"}
    before = {path.name: path.read_bytes() for path in ws.embeddings.iterdir()}
    run_embed(ws, given, CPU)
    assert {path.name: path.read_bytes() for path in ws.embeddings.iterdir()} == before


def test_names_of_prompts_change_the_prototypes_only(tmp_path, model):
    ws = write_task(tmp_path)
    write_items(ws, [picture(k) for k in range(3)])
    write_open(ws, [open_row(0, "a fire engine", picture(50))])
    found = {}
    for names in ("official", "most_common", "all_synonyms"):
        given = clip_params(model, names=names)
        retrieve(ws, given, CPU)
        run_embed(ws, given, CPU)
        found[names] = load_embeddings(ws)
    np.testing.assert_array_equal(found["official"].items, found["most_common"].items)
    assert not np.allclose(found["official"].prototypes[1], found["most_common"].prototypes[1])
    np.testing.assert_array_equal(found["official"].prototypes[2], found["all_synonyms"].prototypes[2])


def test_vectors_that_are_brought_along(tmp_path):
    ws, vectors = brought(tmp_path)
    given = params(encoder={"plugin": "precomputed"}, retrieval={"enabled": False})
    retrieve(ws, given, CPU)
    run_embed(ws, given, CPU)
    found = load_embeddings(ws)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.items, unit[::-1], atol=1e-3)
    assert found.prototypes is None
    assert found.open.shape == (0, 7)
    assert found.is_pool.all()
    assert not ws.cache.joinpath("embeddings").exists()


def test_prototypes_that_are_brought_along_are_in_task_order(tmp_path):
    ws, _ = brought(tmp_path)
    np.save(ws.prototypes, np.eye(7)[:3] * 5)
    given = params(encoder={"plugin": "precomputed"}, retrieval={"enabled": False})
    retrieve(ws, given, CPU)
    run_embed(ws, given, CPU)
    np.testing.assert_allclose(load_embeddings(ws).prototypes, np.eye(7)[:3], atol=1e-6)


def test_a_corrupt_item_stops_the_stage_and_leaves_what_was(tmp_path, model):
    ws = write_task(tmp_path)
    shas = write_items(ws, [picture(0), b"not an image", picture(2)])
    given = clip_params(model)
    retrieve(ws, given, CPU)
    with pytest.raises(TaskFolderError, match=f"item {shas[1][:20]}"):
        run_embed(ws, given, CPU)
    assert not ws.embeddings.exists()


def test_changed_bytes_are_noticed(tmp_path, model):
    ws = write_task(tmp_path)
    write_items(ws, [picture(k) for k in range(3)])
    (ws.data / "images" / "1.png").write_bytes(picture(77))
    given = clip_params(model)
    retrieve(ws, given, CPU)
    with pytest.raises(StaleArtifact, match="not the bytes recorded"):
        run_embed(ws, given, CPU)


def test_an_encoder_that_reads_something_else_is_told_so(tmp_path, model):
    ws = write_task(tmp_path, "text")
    write_items(ws, ["where is my card"])
    given = clip_params(model)
    retrieve(ws, given, CPU)
    with pytest.raises(TaskFolderError, match="the encoder reads images"):
        run_embed(ws, given, CPU)


def test_files_that_do_not_belong_together_are_refused(tmp_path, model):
    ws = write_task(tmp_path)
    write_items(ws, [picture(k) for k in range(3)])
    given = clip_params(model)
    retrieve(ws, given, CPU)
    run_embed(ws, given, CPU)
    np.save(ws.embeddings / "items.npy", np.zeros((2, 16), np.float16))
    with pytest.raises(StaleArtifact, match="run the stage `embed` again"):
        load_embeddings(ws)


def test_a_stage_that_has_not_run_is_named(tmp_path):
    with pytest.raises(TaskFolderError, match="`retrieve` and `embed` first"):
        load_embeddings(write_task(tmp_path))
