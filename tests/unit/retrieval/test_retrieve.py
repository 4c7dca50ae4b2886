"""The whole stage, with the ALOR acceptance checks (2), (3) and (5)."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from tailfirst import schemas
from tailfirst.config import Settings
from tailfirst.embedding import load_embeddings, run_embed
from tailfirst.embedding import run as embed_stage
from tailfirst.retrieval import run as stage
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture

CPU = Settings(device="cpu")
POOL = [picture(k) for k in range(6)]
NEAR = picture(900)  # its vector is that of POOL[0]
TEXTS = {
    "polar bear": [1, 0, 0, 0],
    "ice bear": [1, 0, 0, 0],
    "bear": [1, 0, 0, 0],
    "fire truck": [0, 1, 0, 0],
    "fire engine": [0, 1, 0, 0],
    "bluefin tuna": [0, 0, 1, 0],
    "a polar bear, best": [1, 0, 0, 0],
    "an ice bear, second": [0.9, 0, 0, 0.1],
    "a bear, third": [0.7, 0, 0, 0.5],
    "bear drives fire truck": [0.3, 0.8, 0, 0],
    "fire engine or bear": [0.5, 0.5, 0, 0.5],
    "fire engine, nsfw": [0, 1, 0, 0],
    "fire truck, copy": [0, 0.9, 0, 0.1],
    "fire truck, near": [0, 0.9, 0, 0.2],
    "fire truck, lost": [0, 0.9, 0, 0.3],
    "fire truck, broken": [0, 0.9, 0, 0.4],
    "fire truck, changed": [0, 0.9, 0, 0.5],
}
ROWS = [
    open_row(0, "a bear, third", picture(100)),
    open_row(1, "an ice bear, second", picture(101)),
    open_row(2, "a polar bear, best", picture(102)),
    open_row(3, "bear drives fire truck", picture(103)),
    open_row(4, "fire engine or bear", picture(104)),
    open_row(5, "fire engine, nsfw", picture(105), nsfw=0.9),
    open_row(6, "fire truck, copy", POOL[1]),
    open_row(7, "fire truck, near", NEAR),
    open_row(8, "fire truck, lost", None, url="https://example.org/8.png"),
    open_row(9, "fire truck, broken", b"not an image"),
    open_row(10, "fire truck, changed", picture(110), sha256="0" * 64),
    open_row(11, "a scar", picture(111)),
    open_row(12, "a polar bear, best", picture(102), open_id="o" + "f" * 19),  # the same bytes once more
]


def fake(**options):
    drawn = np.random.default_rng(5).normal(size=4)
    return FakeEncoder(dim=4, decode=True, known_texts=TEXTS, known_items={POOL[0]: drawn, NEAR: drawn}, **options)


@pytest.fixture
def world(tmp_path, monkeypatch):
    ws = write_task(tmp_path)
    write_items(ws, POOL)
    write_open(ws, ROWS[:7], ROWS[7:])
    encoder = fake()
    for module in (stage, embed_stage):
        monkeypatch.setattr(module, "load_encoder", lambda *_: encoder)
    return ws, encoder


def tables(ws):
    counts = schemas.read(ws.class_counts, schemas.CLASS_COUNTS).to_pylist()
    return schemas.read(ws.retrieved, schemas.RETRIEVED).to_pylist(), {row["class_id"]: row for row in counts}


def retrieve(ws, **rules):
    return stage.retrieve(ws, params(retrieval={"max_similarity": 0.99, **rules}), CPU)


def test_hand_made_corpus(world):
    ws, _ = world
    summary = retrieve(ws)
    retrieved, counts = tables(ws)
    assert [(r["class_id"], r["rank"], r["caption"], r["synonym"]) for r in retrieved] == [
        ("bear", 0, "a polar bear, best", "polar bear"),
        ("bear", 1, "an ice bear, second", "ice bear"),
        ("bear", 2, "a bear, third", "bear"),
        ("truck", 0, "bear drives fire truck", "fire truck"),
    ]
    assert {c: (row["freq"], row["retrieved"], row["most_common_name"]) for c, row in counts.items()} == {
        "bear": (6, 3, "polar bear"),
        "truck": (8, 1, "fire truck"),
        "tuna": (0, 0, "bluefin tuna"),
    }
    assert summary.dropped == {
        "nsfw": 1,
        "item": 1,
        "near_tie": 1,
        "duplicate": 1,
        "near_duplicate": 1,
        "no_image": 1,
        "unreadable": 1,
        "other_bytes": 1,
    }
    assert (summary.captions, summary.matched, summary.retrieved) == (13, 12, 4)
    assert summary.matched == summary.retrieved + sum(summary.dropped.values())
    assert summary.unnamed_classes == ("tuna",)
    assert json.loads(ws.retrieval_summary.read_text())["dropped"] == summary.dropped
    synonyms = schemas.read(ws.synonym_counts, schemas.SYNONYM_COUNTS).to_pylist()
    assert {(r["class_id"], r["synonym"]): r["captions"] for r in synonyms}["bear", "bear"] == 6


def test_every_row_says_where_it_comes_from(world):
    ws, _ = world
    retrieve(ws)
    row = tables(ws)[0][3]
    assert (row["shard"], row["row"], row["origin"]) == ("open/part-0.parquet", 3, "retrieved")
    assert (row["source"], row["licence"], row["open_id"]) == ("book", "cc0-1.0", "o" + f"{3:019x}")
    assert row["t2t"] == pytest.approx(0.8 / np.hypot(0.3, 0.8), abs=1e-3)
    assert row["sha256"] == ROWS[3]["sha256"]
    assert -1 <= row["t2i"] <= 1


@pytest.mark.parametrize(
    "rules",
    [
        {"cap": 1},
        {"rank": "random"},
        {"rank": "t2i"},
        {"match_limit": 1},
        {"min_t2i": 0.9},
        {"min_t2t": 0.9},
        {"within_class_similarity": 0.5},
        {"max_nsfw": 1.0},
        {"licences": []},
    ],
)
def test_freq_is_unchanged_by_cap_ranking_and_filters(world, rules):
    ws, _ = world
    retrieve(ws)
    before = tables(ws)[1]
    summary = retrieve(ws, **rules)
    after = tables(ws)[1]
    assert {c: r["freq"] for c, r in after.items()} == {c: r["freq"] for c, r in before.items()}
    assert {c: r["most_common_name"] for c, r in after.items()} == {c: r["most_common_name"] for c, r in before.items()}
    assert summary.matched == summary.retrieved + sum(summary.dropped.values())


def test_freq_is_unchanged_by_missing_images(world):
    ws, _ = world
    before = retrieve(ws)
    freq = {c: r["freq"] for c, r in tables(ws)[1].items()}
    write_open(ws, [row | {"image": None, "sha256": None} for row in ROWS[:7]], ROWS[7:])
    summary = retrieve(ws)
    assert {c: r["freq"] for c, r in tables(ws)[1].items()} == freq
    assert summary.dropped["no_image"] > before.dropped["no_image"]


def test_no_open_row_stands_under_two_classes_and_none_is_near_an_item(world):
    ws, encoder = world
    retrieve(ws)
    retrieved, _ = tables(ws)
    ids, shas = [r["open_id"] for r in retrieved], [r["sha256"] for r in retrieved]
    assert len(set(ids)) == len(ids)
    assert len(set(shas)) == len(shas)
    items = encoder.items([_media(data) for data in POOL])
    own = encoder.items([_media(ROWS[int(r["open_id"][1:], 16)]["image"]) for r in retrieved])
    assert (own @ items.T).max() <= 0.99


def _media(data):
    from tailfirst.contracts import Media

    return Media("x", data=data)


def test_the_ranking_modes_order_by_their_own_score(world):
    ws, _ = world
    retrieve(ws, rank="t2i")
    scores = [r["t2i"] for r in tables(ws)[0] if r["class_id"] == "bear"]
    assert scores == sorted(scores, reverse=True)
    retrieve(ws, rank="random")
    first = [r["open_id"] for r in tables(ws)[0]]
    retrieve(ws, rank="random")
    assert [r["open_id"] for r in tables(ws)[0]] == first


def test_the_same_facts_give_the_same_bytes_with_and_without_a_cache(world):
    ws, encoder = world
    retrieve(ws)
    before = [path.read_bytes() for path in (ws.retrieved, ws.class_counts, ws.synonym_counts, ws.retrieval_summary)]
    seen = len(encoder.seen_items)
    retrieve(ws)
    assert len(encoder.seen_items) == seen, "a second run embeds nothing"
    for path in ws.cache.rglob("seg-*"):
        path.unlink()
    retrieve(ws)
    assert before == [p.read_bytes() for p in (ws.retrieved, ws.class_counts, ws.synonym_counts, ws.retrieval_summary)]


def test_only_rows_that_are_looked_at_are_embedded(world):
    ws, encoder = world
    retrieve(ws, cap=1)
    looked = {one for one in encoder.seen_items if one.startswith("o")}
    assert f"o{0:019x}" not in looked


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"enabled": False}, "retrieval.enabled is false"),
        ({}, "no parquet files"),
    ],
)
def test_without_open_data_the_tables_are_empty_and_every_class_survives(tmp_path, change, why):
    ws = write_task(tmp_path)
    write_items(ws, POOL)
    summary = stage.retrieve(ws, params(retrieval=change), CPU)
    retrieved, counts = tables(ws)
    assert retrieved == []
    assert [(c, r["freq"], r["retrieved"]) for c, r in counts.items()] == [
        ("bear", 0, 0),
        ("truck", 0, 0),
        ("tuna", 0, 0),
    ]
    assert why in summary.why
    assert summary.unnamed_classes == ("bear", "truck", "tuna")


def test_an_encoder_without_texts_still_counts(world, monkeypatch):
    ws, _ = world
    monkeypatch.setattr(stage, "load_encoder", lambda *_: fake(has_text=False))
    summary = retrieve(ws)
    retrieved, counts = tables(ws)
    assert retrieved == []
    assert counts["truck"]["freq"] == 8
    assert "no text side" in summary.why


def test_a_corpus_that_names_no_class_is_no_error(world):
    ws, _ = world
    write_open(ws, [open_row(0, "a scar", picture(1))], [open_row(1, "", picture(2))])
    assert "no caption" in retrieve(ws).why


def test_a_corpus_of_which_nothing_may_be_used_is_no_error(world):
    ws, _ = world
    summary = retrieve(ws, licences=["none-of-them"])
    assert (summary.why, summary.retrieved) == (None, 0)
    assert tables(ws)[0] == []
    run_embed(ws, params(), CPU)
    assert load_embeddings(ws).open.shape == (0, 4)


def test_embed_reads_what_retrieve_wrote(world):
    ws, encoder = world
    retrieve(ws)
    seen = len(encoder.seen_items)
    run_embed(ws, params(), CPU)
    assert len(encoder.seen_items) == seen, "everything was in the cache"
    found = load_embeddings(ws)
    assert found.items.shape == (6, 4)
    assert found.roles.tolist() == ["pool", "pool", "holdout"] * 2
    assert found.open_classes.tolist() == ["bear", "bear", "bear", "truck"]
    assert found.prototypes.shape == (3, 4)
    np.testing.assert_allclose(found.prototypes[1], [0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.items, axis=1), 1, atol=1e-6)
    expected = encoder.items([_media(data) for data in POOL])
    np.testing.assert_allclose(found.items, expected, atol=1e-3)
    assert (found.encoder, found.logit_scale) == (encoder.fingerprint, 100.0)


def test_embed_fills_an_empty_cache_from_the_retrieved_rows(world):
    ws, encoder = world
    retrieve(ws)
    run_embed(ws, params(), CPU)
    before = (ws.embeddings / "open.npy").read_bytes()
    for path in ws.cache.rglob("seg-*"):
        path.unlink()
    encoder.seen_items.clear()
    run_embed(ws, params(), CPU)
    assert (ws.embeddings / "open.npy").read_bytes() == before
    assert len(encoder.seen_items) == 6 + 4


def test_a_text_task_retrieves_captions(tmp_path, monkeypatch):
    ws = write_task(tmp_path, "text")
    write_items(ws, ["a fire truck is here", "what is this", "some bear"])
    rows = ["the bear sleeps", "a fire truck is here", "fire engine on its way", "unrelated", "the bear sleeps"]
    write_open(ws, [open_row(k, caption) for k, caption in enumerate(rows)])
    encoder = FakeEncoder(reads="text", dim=6)
    for module in (stage, embed_stage):
        monkeypatch.setattr(module, "load_encoder", lambda *_: encoder)
    summary = stage.retrieve(ws, params(), CPU)
    retrieved, _ = tables(ws)
    assert [(r["class_id"], r["caption"], r["t2i"]) for r in retrieved] == [
        ("bear", "the bear sleeps", None),
        ("truck", "fire engine on its way", None),
    ]
    assert summary.dropped == {"item": 1, "duplicate": 1}
    run_embed(ws, params(), CPU)
    np.testing.assert_allclose(load_embeddings(ws).open[0], encoder.texts(["the bear sleeps"])[0], atol=1e-3)


def test_an_open_corpus_that_changed_is_noticed(world):
    from tailfirst.errors import StaleArtifact

    ws, _ = world
    retrieve(ws)
    for path in ws.cache.rglob("seg-*"):
        path.unlink()
    write_open(ws, [row | {"image": picture(500 + k), "sha256": None} for k, row in enumerate(ROWS[:7])], ROWS[7:])
    with pytest.raises(StaleArtifact, match="run the stage `retrieve` again"):
        run_embed(ws, params(), CPU)


def test_tables_have_their_schemas(world):
    ws, _ = world
    retrieve(ws)
    assert pq.read_schema(ws.retrieved).equals(schemas.RETRIEVED)
    assert pq.read_schema(ws.class_counts).equals(schemas.CLASS_COUNTS)
    assert pq.read_schema(ws.synonym_counts).equals(schemas.SYNONYM_COUNTS)
