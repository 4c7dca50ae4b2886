"""The stages from end to end on a small workspace: files in, files out, twice the same bytes."""

import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from tailfirst import artifacts, schemas, stages
from tailfirst.errors import EncoderMismatch, StaleArtifact, TaskFolderError
from tailfirst.evaluation.gate import decide_files
from tests.support import embedded

AFTER = ("choose", "acquire", "control")


def run(ws, params):
    for candidate in params.candidates:
        for name in ("adapt", "predict", "evaluate"):
            getattr(stages, name)(ws, params, candidate)
    for name in AFTER:
        getattr(stages, name)(ws, params)


def load(path):
    return json.loads(path.read_text())


def buy(ws, round_no, ignored=()):
    truth = embedded.answers(ws)
    batch = schemas.read(ws.batch, schemas.BATCH).to_pylist()
    embedded.seal(ws, round_no, [(r["item_id"], truth[r["item_id"]], r["purpose"]) for r in batch], ignored)


@pytest.fixture
def campaign(tmp_path):
    """After one sealed round."""
    ws, params = embedded.build(tmp_path)
    run(ws, params)
    buy(ws, 1)
    run(ws, params)
    return ws, params


def test_before_the_first_label(tmp_path):
    ws, params = embedded.build(tmp_path, retrieved=0)
    run(ws, params)
    zero, probe = load(ws.metrics("zero_shot")), load(ws.metrics("linear_probe"))
    assert zero["available"]
    assert probe["available"]
    assert zero["versus_zero_shot"] is None
    assert probe["versus_zero_shot"]["accuracy"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert load(ws.choice)["candidate"] == "zero_shot"  # equal: the simpler one
    assert not load(ws.control)["available"]
    assert load(ws.acquisition)["round_no"] == 1


def test_metrics_json_has_every_promised_key(campaign):
    ws, _ = campaign
    found = load(ws.metrics("linear_probe"))
    assert set(found) == {
        "candidate", "available", "why", "n_labels", "n_retrieved", "accuracy", "balanced_accuracy", "macro_f1",
        "tail_accuracy", "head_accuracy", "ece", "per_class", "tail_classes", "tail_definition", "versus_zero_shot",
        "confusions", "holdout",
    }  # fmt: skip
    assert found["tail_classes"] == ["bay", "box", "fig"]
    assert "matching captions" in found["tail_definition"]
    assert found["n_retrieved"] == 40
    audits = Counter(r["purpose"] for r in schemas.read(ws.labels, schemas.LABELS).to_pylist())
    assert found["n_labels"] == audits["TRAIN"] == 36
    assert found["holdout"]["items"] == 160
    recall = [found["per_class"][c]["recall"] for c in found["tail_classes"]]
    assert found["tail_accuracy"]["value"] == pytest.approx(np.mean(recall), abs=1e-5)
    assert found["accuracy"]["low"] < found["accuracy"]["value"] < found["accuracy"]["high"]
    shares = [c["count"] for c in found["confusions"]]
    assert shares == sorted(shares, reverse=True)
    gap = found["versus_zero_shot"]["accuracy"]["value"]
    assert gap == pytest.approx(
        found["accuracy"]["value"] - load(ws.metrics("zero_shot"))["accuracy"]["value"], abs=1e-5
    )


def test_labels_help_and_the_better_candidate_ranks_the_pool(campaign):
    ws, _ = campaign
    assert (
        load(ws.metrics("linear_probe"))["balanced_accuracy"]["value"]
        > load(ws.metrics("zero_shot"))["balanced_accuracy"]["value"]
    )
    assert load(ws.choice)["candidate"] == "linear_probe"


def test_the_next_batch(campaign):
    ws, _ = campaign
    rows = schemas.read(ws.batch, schemas.BATCH).to_pylist()
    labeled = set(schemas.read(ws.labels, schemas.LABELS)["item_id"].to_pylist())
    assert len(rows) == len({r["item_id"] for r in rows}) == 40
    assert not labeled & {r["item_id"] for r in rows}
    assert set(embedded.answers(ws)) >= {r["item_id"] for r in rows}  # pool items only
    assert Counter(r["stage"] for r in rows)["audit"] == 4
    assert Counter(r["stage"] for r in rows)["control"] == 2
    assert {r["purpose"] for r in rows if r["stage"] == "audit"} == {"AUDIT"}
    assert all(r["predicted"] in embedded.CLASSES and 0 < r["probability"] <= 1 for r in rows)
    assert pq.read_schema(ws.batch).metadata[b"round_no"] == b"2"
    notes = load(ws.acquisition)
    assert (notes["round_no"], notes["audit"], notes["control"], notes["eligible"]) == (2, 4, 2, 280)


def test_tail_first_buys_more_tail_than_its_share(campaign):
    ws, _ = campaign
    truth = embedded.answers(ws)
    tail = {"bay", "box", "fig"}
    bought = schemas.read(ws.labels, schemas.LABELS)["class_id"].to_pylist()
    assert np.mean([c in tail for c in bought]) > 1.5 * np.mean([c in tail for c in truth.values()])


def test_the_same_inputs_give_the_same_bytes(campaign):
    ws, params = campaign
    before = artifacts.sha256_tree(ws.work)
    run(ws, params)
    assert artifacts.sha256_tree(ws.work) == before


def test_the_holdout_file_is_what_the_gate_reads(campaign):
    ws, params = campaign
    table = schemas.read(ws.holdout_predictions("linear_probe"), schemas.HOLDOUT_PREDICTIONS)
    right = np.mean([r["class_id"] == r["predicted"] for r in table.to_pylist()])
    assert right == pytest.approx(load(ws.metrics("linear_probe"))["accuracy"]["value"], abs=1e-5)
    found = decide_files(
        ws.holdout_predictions("zero_shot"), ws.holdout_predictions("linear_probe"),
        evaluation=params.evaluation, choice=params.choice, seed=7,
    )  # fmt: skip
    told = load(ws.metrics("linear_probe"))["versus_zero_shot"]
    for name in ("balanced_accuracy", "tail_accuracy", "head_accuracy"):
        assert found.differences[name].value == pytest.approx(told[name]["value"], abs=1e-5)
    assert found.promote == (told["balanced_accuracy"]["low"] >= 0 and told["tail_accuracy"]["value"] >= -0.01)


def test_the_random_control_has_one_point_per_round(campaign):
    ws, params = campaign
    found = load(ws.control)
    assert found["available"]
    assert [(p["round_no"], p["n_labels"], p["seeds"]) for p in found["points"]] == [(1, 36, 3)]
    point = found["points"][0]["balanced_accuracy"]
    assert point["low"] <= point["value"] <= point["high"]
    assert "clean" in found["notes"]
    buy(ws, 2)
    run(ws, params)
    assert [p["n_labels"] for p in load(ws.control)["points"]] == [36, 72]


def test_without_prototypes_and_labels_the_round_starts_cold(tmp_path):
    ws, params = embedded.build(tmp_path, prototypes=False, retrieved=0)
    run(ws, params)
    for name in params.candidates:
        card, found = load(ws.model(name) / "model.json"), load(ws.metrics(name))
        assert (card["available"], found["available"]) == (False, False)
        assert card["why"] == found["why"]
        assert [p.name for p in ws.model(name).iterdir()] == ["model.json"]
        assert np.load(ws.predictions(name)).shape == (0, 8)
        assert schemas.read(ws.holdout_predictions(name), schemas.HOLDOUT_PREDICTIONS).num_rows == 0
    assert load(ws.choice)["candidate"] is None
    assert load(ws.acquisition)["cold_start"]
    rows = schemas.read(ws.batch, schemas.BATCH).to_pylist()
    assert Counter(r["stage"] for r in rows) == {"audit": 4, "control": 2, "cold_start": 34}
    assert rows[0]["predicted"] is None
    buy(ws, 1)
    run(ws, params)
    assert load(ws.choice)["candidate"] == "linear_probe"
    assert load(ws.metrics("linear_probe"))["versus_zero_shot"] is None


def test_retrieved_rows_alone_train_a_probe_without_text(tmp_path):
    ws, params = embedded.build(tmp_path, prototypes=False)
    run(ws, params)
    assert load(ws.choice)["candidate"] == "linear_probe"
    assert not load(ws.acquisition)["cold_start"]


def test_without_open_data_the_tail_is_the_holdouts_own(tmp_path):
    ws, params = embedded.build(tmp_path, retrieved=0)
    counts = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)
    zeros = counts.set_column(1, schemas.CLASS_COUNTS.field("freq"), [[0] * 8])
    artifacts.write_parquet(ws.class_counts, zeros)
    run(ws, params)
    assert "holdout items" in load(ws.metrics("zero_shot"))["tail_definition"]


def test_a_planted_audit_leak_stops_adapt_and_acquire(campaign):
    ws, params = campaign
    audit = next(r["item_id"] for r in schemas.read(ws.labels, schemas.LABELS).to_pylist() if r["purpose"] == "AUDIT")
    embedded.seal(ws, 2, [(audit, "elm", "TRAIN")])
    with pytest.raises(TaskFolderError, match="audit item"):
        stages.adapt(ws, params, "linear_probe")
    with pytest.raises(TaskFolderError, match="audit item"):
        stages.acquire(ws, params)


def test_a_planted_holdout_leak_stops_adapt_and_acquire(campaign):
    ws, params = campaign
    held = schemas.read(ws.holdout, schemas.LABELED)["item_id"][0].as_py()
    embedded.seal(ws, 2, [(held, "elm", "TRAIN")])
    with pytest.raises(TaskFolderError, match="holdout item"):
        stages.adapt(ws, params, "linear_probe")
    with pytest.raises(TaskFolderError, match="holdout item"):
        stages.acquire(ws, params)


def test_audit_labels_change_no_model_and_no_count(campaign):
    ws, params = campaign
    before = artifacts.sha256_tree(ws.model("linear_probe"))
    counts = load(ws.acquisition)["counts_before"]
    labels = schemas.read(ws.labels, schemas.LABELS).to_pylist()
    for row in labels:
        row["class_id"] = "box" if row["purpose"] == "AUDIT" else row["class_id"]
    artifacts.write_parquet(ws.labels, type(schemas.LABELS.empty_table()).from_pylist(labels, schema=schemas.LABELS))
    run(ws, params)
    assert artifacts.sha256_tree(ws.model("linear_probe")) == before
    assert load(ws.acquisition)["counts_before"] == counts


def test_ignored_items_are_not_asked_again(campaign):
    ws, params = campaign
    unwanted = schemas.read(ws.batch, schemas.BATCH)["item_id"].to_pylist()
    artifacts.write_json(ws.sealed(1) / "round.json", {"ignored": unwanted})
    stages.acquire(ws, params)
    assert not set(unwanted) & set(schemas.read(ws.batch, schemas.BATCH)["item_id"].to_pylist())
    assert load(ws.acquisition)["eligible"] == 240


def test_a_composed_strategy_from_the_params(campaign):
    ws, params = campaign
    staged = {
        "plugin": "compose",
        "score": "entropy",
        "diversify": "coreset",
        "subpool": {"plugin": "near", "size": 100},
    }
    acquisition = params.acquisition.model_validate({"strategy": staged, "budget": 40})
    stages.acquire(ws, params.model_copy(update={"acquisition": acquisition}))
    batch = schemas.read(ws.batch, schemas.BATCH).to_pylist()
    assert len({row["item_id"] for row in batch}) == 40
    assert {row["strategy"] for row in batch} == {"compose"}
    assert "diversify" in {row["stage"] for row in batch}
    assert load(ws.acquisition)["counts_after"]


def test_a_small_pool_is_taken_whole_and_then_the_batch_is_empty(tmp_path):
    ws, params = embedded.build(tmp_path, pool=30)
    run(ws, params)
    assert schemas.read(ws.batch, schemas.BATCH).num_rows == 30
    assert "the whole pool" in load(ws.acquisition)["note"]
    buy(ws, 1)
    run(ws, params)
    assert schemas.read(ws.batch, schemas.BATCH).num_rows == 0
    assert "the campaign is over" in load(ws.acquisition)["note"]


def test_vectors_of_another_encoder_are_refused(campaign):
    ws, params = campaign
    manifest = load(ws.embeddings / "manifest.json")
    artifacts.write_json(ws.embeddings / "manifest.json", manifest | {"encoder": "other:2"})
    with pytest.raises(EncoderMismatch, match=r"hand:1.*other:2"):
        stages.predict(ws, params, "linear_probe")


def test_predictions_that_do_not_fit_are_refused(campaign):
    ws, params = campaign
    artifacts.write_array(ws.predictions("linear_probe"), np.zeros((3, 8), np.float32))
    with pytest.raises(StaleArtifact, match="3 rows"):
        stages.evaluate(ws, params, "linear_probe")


def test_a_missing_stage_says_what_to_run(tmp_path):
    ws, params = embedded.build(tmp_path)
    with pytest.raises(TaskFolderError, match="run the stage before"):
        stages.choose(ws, params)


def test_a_holdout_without_labels_measures_nothing(tmp_path):
    ws, params = embedded.build(tmp_path)
    artifacts.write_parquet(ws.holdout, schemas.LABELED.empty_table())
    run(ws, params)
    assert load(ws.metrics("zero_shot"))["why"] == "data/holdout.parquet labels no item"
    assert load(ws.choice)["candidate"] is None


def test_a_pool_item_in_the_holdout_labels_is_refused(tmp_path):
    ws, params = embedded.build(tmp_path)
    artifacts.write_parquet(ws.holdout, schemas.read(ws.oracle, schemas.LABELED))
    stages.adapt(ws, params, "zero_shot")
    stages.predict(ws, params, "zero_shot")
    with pytest.raises(TaskFolderError, match="labels pool item"):
        stages.evaluate(ws, params, "zero_shot")
