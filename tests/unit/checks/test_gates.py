"""The gates on a real (tiny) workspace; the ledger is a stand-in that keeps what is recorded."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tailfirst import artifacts, pipeline, schemas
from tailfirst.__main__ import run_stage
from tailfirst.checks.gates import LedgerGates
from tailfirst.config import Params
from tailfirst.errors import CheckFailed
from tailfirst.task import load_task
from tests.support import tiny_workspace

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Book:
    """A ledger stand-in."""

    current: Any = None
    orders: list[Any] = field(default_factory=list)
    recorded: list[Any] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)
    left: int = 100
    busy: list[Any] = field(default_factory=list)
    skip: set[str] = field(default_factory=set)

    @property
    def rounds(self):
        return SimpleNamespace(current=lambda _: self.current, get=lambda _, __: self.current)

    @property
    def tasks(self):
        return SimpleNamespace(list=lambda *_: self.orders, in_flight=lambda _: self.busy, ignored=lambda _: self.skip)

    @property
    def money(self):
        return SimpleNamespace(status=lambda _: SimpleNamespace(left=self.left), lines=lambda *_: self.lines)

    @property
    def checks(self):
        return SimpleNamespace(record=self.recorded.append)


@pytest.fixture
def ws(tmp_path):
    return tiny_workspace.make(tmp_path)


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def gates(ws, book):
    params = Params.model_validate(tiny_workspace.params())
    task = load_task(ws.task)
    context = SimpleNamespace(ws=ws, params=params, task=task, ledger=book, campaign="tiny", now=lambda: NOW)
    return LedgerGates(context)


def rewrite(path, schema, change):
    rows = schemas.read(path, schema).to_pylist()
    artifacts.write_parquet(path, pa.Table.from_pylist(change(rows), schema=schema))


def first(rows, **values):
    return [rows[0] | values, *rows[1:]]


# ---- items ------------------------------------------------------------------------------------------------------


def test_good_items_pass_and_the_result_is_recorded(gates, book):
    gates.items()
    (row,) = book.recorded
    assert (row.suite, row.round_no, row.success, row.rows, row.failed) == ("items", 1, True, 100, 0)
    assert row.evaluated == 14
    assert json.loads(row.details_json) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"item_id": "00000000000000000000"}, "beginning of its sha256"),
        ({"role": "test"}, "pool or holdout"),
        ({"path": "images/x.png", "text": "words"}, "exactly one of"),
        ({"path": "../secret.png", "vector_row": None}, "below data/"),
        ({"shard": "/etc/passwd", "vector_row": None}, "below data/"),
        ({"shard": "shards/0.tar", "vector_row": None, "offset": 0, "length": 0}, "64 MiB"),
    ],
)
def test_bad_items_block_with_the_reason(ws, gates, book, change, why):
    rewrite(ws.items, schemas.ITEMS, lambda rows: first(rows, **change))
    with pytest.raises(CheckFailed, match=why):
        gates.items()
    assert book.recorded[0].success is False
    assert pq.read_table(ws.quarantine / "items-0001.parquet")["why"].to_pylist()


def test_an_item_that_is_there_twice_blocks(ws, gates):
    rewrite(ws.items, schemas.ITEMS, lambda rows: [*rows, rows[0]])
    with pytest.raises(CheckFailed, match="item_id is there once"):
        gates.items()


def test_a_holdout_label_outside_the_ontology_blocks(ws, gates):
    rewrite(ws.holdout, schemas.LABELED, lambda rows: first(rows, class_id="fern"))
    with pytest.raises(CheckFailed, match="outside the ontology"):
        gates.items()


def test_an_unlabeled_holdout_item_is_only_noted(ws, gates, book):
    rewrite(ws.holdout, schemas.LABELED, lambda rows: rows[1:])
    gates.items()
    assert book.recorded[0].success
    assert json.loads(book.recorded[0].details_json)[0]["severity"] == "info"


def test_a_task_folder_without_items_blocks(ws, gates):
    artifacts.write_parquet(ws.items, schemas.ITEMS.empty_table())
    with pytest.raises(CheckFailed, match="no rows"):
        gates.items()


# ---- retrieved --------------------------------------------------------------------------------------------------


def open_corpus(ws, rows):
    artifacts.write_parquet(ws.open / "a.parquet", schemas.OPEN.empty_table())
    artifacts.write_parquet(ws.retrieved, pa.Table.from_pylist(rows, schema=schemas.RETRIEVED))


def found(number=0, **values):
    row = {"open_id": f"o{number:019x}", "class_id": "oak", "rank": number, "synonym": "oak", "caption": "an oak"}
    return row | {"origin": "retrieved", "t2t": 0.5, "sha256": "ab" * 32} | values


def enabled(gates, **retrieval):
    params = Params.model_validate(tiny_workspace.params(retrieval={"enabled": True} | retrieval))
    gates.ctx.params = params
    return gates


def test_retrieval_that_is_off_is_not_checked(gates, book):
    gates.retrieved()
    assert book.recorded == []


def test_retrieved_rows_pass(ws, gates, book):
    open_corpus(ws, [found(0), found(1)])
    enabled(gates).retrieved()
    assert book.recorded[0].success


def test_open_data_that_repeats_the_holdout_blocks(ws, gates):
    rows = schemas.read(ws.items, schemas.ITEMS).to_pylist()
    holdout = next(row for row in rows if row["role"] == "holdout")
    open_corpus(ws, [found(0), found(1, sha256=holdout["sha256"])])
    with pytest.raises(CheckFailed, match="repeats a holdout item"):
        enabled(gates).retrieved()


def test_a_licence_outside_the_list_is_quarantined(ws, gates, book):
    open_corpus(ws, [found(0, licence="CC0-1.0"), found(1, licence="unknown"), found(2)])
    enabled(gates, licences=["CC0-1.0"]).retrieved()
    assert book.recorded[0].success is False
    assert book.recorded[0].failed_ids == (found(1)["open_id"], found(2)["open_id"])


def test_where_captions_are_only_counted_there_is_nothing_to_check(ws, gates, book):
    open_corpus(ws, [])
    enabled(gates, counts_only=True).retrieved()
    assert book.recorded == []


def test_an_open_corpus_that_matches_nothing_blocks(ws, gates):
    open_corpus(ws, [])
    with pytest.raises(CheckFailed, match="no rows"):
        enabled(gates).retrieved()


# ---- embeddings -------------------------------------------------------------------------------------------------


def embed(ws, spoil=lambda matrix: matrix, order=None, encoder="precomputed:1"):
    items = schemas.read(ws.items, schemas.ITEMS).select(["item_id", "role"])
    matrix = np.load(ws.vectors)[schemas.read(ws.items, schemas.ITEMS)["vector_row"].to_pylist()]
    artifacts.write_array(ws.embeddings / "items.npy", spoil(matrix).astype(np.float16))
    artifacts.write_parquet(ws.embeddings / "items.parquet", items if order is None else items.take(order))
    manifest = {"encoder": encoder, "dim": 16, "logit_scale": 100.0, "reads": "row", "items": items.num_rows}
    artifacts.write_json(ws.embeddings / "manifest.json", manifest)


def test_unit_rows_of_one_encoder_pass(ws, gates, book):
    embed(ws)
    gates.embeddings()
    assert book.recorded[0].success


def zero_row(matrix):
    matrix[3] = 0
    return matrix


def nan_cell(matrix):
    matrix[3, 2] = np.nan
    return matrix


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (zero_row, "unit vectors"),
        (nan_cell, "finite"),
        (lambda m: m[:-1], "one row per item"),
        (lambda m: m[:, :8], "width"),
    ],
)
def test_a_broken_matrix_blocks(ws, gates, spoil, why):
    embed(ws, spoil)
    with pytest.raises(CheckFailed, match=why):
        gates.embeddings()


def test_rows_in_another_order_block(ws, gates):
    embed(ws, order=list(range(99, -1, -1)))
    with pytest.raises(CheckFailed, match="in its order"):
        gates.embeddings()


def test_an_encoder_without_a_name_blocks(ws, gates):
    embed(ws, encoder="")
    with pytest.raises(CheckFailed, match="names the encoder"):
        gates.embeddings()


# ---- batch ------------------------------------------------------------------------------------------------------


def picks(ws, n=8):
    pool = [row for row in schemas.read(ws.items, schemas.ITEMS).to_pylist() if row["role"] == "pool"][:n]
    rows = []
    for rank, item in enumerate(pool):
        stage = ("audit", "control")[rank] if rank < 2 else "quota"
        rows.append({
            "item_id": item["item_id"], "rank": rank, "purpose": "AUDIT" if stage == "audit" else "TRAIN",
            "strategy": "tail_first", "stage": stage, "reason": "tail:yew", "score": 0.5,
            "inclusion_probability": 0.1 if rank < 2 else None, "predicted": "yew", "probability": 0.4,
            "item_sha256": item["sha256"],
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schemas.BATCH).to_pandas()


def test_a_good_batch_passes(ws, gates, book):
    gates.batch(picks(ws))
    assert (book.recorded[0].suite, book.recorded[0].success) == ("batch", True)


def holdout_item(ws):
    return next(r for r in schemas.read(ws.items, schemas.ITEMS).to_pylist() if r["role"] == "holdout")


@pytest.mark.parametrize(
    ("column", "row", "value", "why"),
    [
        ("item_id", 3, "f" * 20, "unknown"),
        ("item_sha256", 3, "f" * 64, "changed"),
        ("rank", 3, 2, "rank is there once"),
        ("rank", 3, 99, "ranks count from 0"),
        ("purpose", 3, "AUDIT", "go together"),
        ("stage", 3, "a guess", "stage is a word"),
        ("inclusion_probability", 0, 1.0, "inside"),
        ("inclusion_probability", 0, 0.0, "inside"),
        ("inclusion_probability", 0, None, "random picks carry"),
        ("predicted", 3, "fern", "of the ontology"),
        ("probability", 3, 1.5, "probability lies in"),
    ],
)
def test_a_wrong_row_blocks_the_batch(ws, gates, column, row, value, why):
    frame = picks(ws)
    frame.loc[row, column] = value
    with pytest.raises(CheckFailed, match=why):
        gates.batch(frame)


def test_holdout_labeled_in_flight_and_ignored_items_block(ws, gates, book):
    frame = picks(ws)
    book.busy = [SimpleNamespace(item_id=frame["item_id"][4])]
    book.skip = {frame["item_id"][5]}
    labeled = dict.fromkeys(schemas.LABELS.names) | {
        "item_id": frame["item_id"][6], "class_id": "oak", "round_no": 0, "purpose": "SEED",
    }  # fmt: skip
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist([labeled], schema=schemas.LABELS))
    held = holdout_item(ws)
    frame.loc[7, ["item_id", "item_sha256"]] = held["item_id"], held["sha256"]
    with pytest.raises(CheckFailed):
        gates.batch(frame)
    why = " ".join(pq.read_table(ws.quarantine / "batch-0001.parquet")["why"].to_pylist())
    assert all(repr(word) in why for word in ("in flight", "ignored", "labeled", "holdout"))
    assert set(book.recorded[0].failed_ids) == set(frame["item_id"][4:8])


def test_a_batch_of_another_size_blocks(ws, gates):
    with pytest.raises(CheckFailed, match="size of the budget"):
        gates.batch(picks(ws, 7))


def test_a_batch_without_its_audit_slice_blocks(ws, gates):
    frame = picks(ws)
    frame.loc[0, ["stage", "purpose", "inclusion_probability"]] = "score", "TRAIN", None
    with pytest.raises(CheckFailed, match="audit slice"):
        gates.batch(frame)


@pytest.mark.parametrize("budget", [1, 2, 7, 59, 500])
@pytest.mark.parametrize("strategy", ["tail_first", "random"])
def test_what_the_stage_chooses_passes_at_any_budget(ws, gates, budget, strategy):
    changes = {"budget": budget, "audit_min": 2, "strategy": {"plugin": strategy}}
    gates.ctx.params = Params.model_validate(tiny_workspace.params(acquisition=changes))
    ws.params.write_text(yaml.safe_dump(tiny_workspace.params(acquisition=changes)))
    for identity in pipeline.stage_ids(["zero_shot", "linear_probe"]):
        name, _, candidate = identity.partition("@")
        if name not in {"control", "report"}:
            run_stage(ws, name, candidate or None)
    gates.embeddings()
    gates.batch(schemas.read(ws.batch, schemas.BATCH).to_pandas())


def test_the_last_two_items_of_a_pool_are_a_batch_too(ws, gates):
    pool = [r["item_id"] for r in schemas.read(ws.items, schemas.ITEMS).to_pylist() if r["role"] == "pool"]
    labels = [{"item_id": item, "class_id": "oak", "round_no": 0, "purpose": "SEED"} for item in pool[2:]]
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist(labels, schema=schemas.LABELS))
    frame = picks(ws, 2)
    frame.loc[1, ["purpose", "stage"]] = "AUDIT", "audit"
    frame["inclusion_probability"] = 1.0
    gates.ctx.params = Params.model_validate(tiny_workspace.params(acquisition={"audit_min": 2}))
    gates.batch(frame)


# ---- deliveries and labels ----------------------------------------------------------------------------------------


def order(book, ws, n=4):
    pool = [r for r in schemas.read(ws.items, schemas.ITEMS).to_pylist() if r["role"] == "pool"][:n]
    sent = NOW - timedelta(hours=5)
    book.orders = [
        SimpleNamespace(key=f"k{i}", item_id=row["item_id"], purpose="AUDIT" if i == 0 else "TRAIN", sent_at=sent)
        for i, row in enumerate(pool)
    ]
    book.current = SimpleNamespace(round_no=2, state="IN_PROGRESS", cap_micros=1000)
    return book.orders


def test_answers_with_one_class_column_are_read_too(ws, gates, book):
    frame = answers(order(book, ws))
    frame["class_id"] = pd.array(["oak", None, "fern", "yew"], dtype="str")
    frame["skipped"] = [False, True, False, False]
    frame["submitted_at"] = pd.NaT
    assert list(gates.deliveries(frame.drop(columns="class_ids"))) == ["k2"]


def answers(orders, **changes):
    rows = [
        {
            "key": o.key,
            "annotator_id": "ann-1",
            "class_ids": ("oak",),
            "skipped": False,
            "submitted_at": NOW,
            "work_s": 3.0,
        }
        for o in orders
    ]
    rows[1] |= changes
    return pd.DataFrame(rows)


def test_good_deliveries_are_all_kept(ws, gates, book):
    assert gates.deliveries(answers(order(book, ws))) == ()
    assert book.recorded[0].round_no == 2


def test_a_poll_that_brought_nothing_is_fine(ws, gates, book):
    order(book, ws)
    assert gates.deliveries(pd.DataFrame()) == ()
    assert book.recorded == []


@pytest.mark.parametrize(
    "change",
    [
        {"class_ids": ("fern",)},
        {"class_ids": ()},
        {"submitted_at": NOW + timedelta(hours=1)},
        {"submitted_at": NOW - timedelta(days=9)},
        {"annotator_id": None},
        {"key": "k99"},
        {"key": "k2"},
    ],
)
def test_a_bad_delivery_is_quarantined_alone(ws, gates, book, change):
    frame = answers(order(book, ws), **change)
    assert list(gates.deliveries(frame)) == [change.get("key", "k1")]
    assert (ws.quarantine / "deliveries-0002.parquet").exists()


def test_a_skip_is_an_answer(ws, gates, book):
    assert gates.deliveries(answers(order(book, ws), class_ids=(), skipped=True)) == ()


def test_deliveries_without_a_column_block(ws, gates, book):
    with pytest.raises((CheckFailed, KeyError)):
        gates.deliveries(answers(order(book, ws)).drop(columns="annotator_id"))


def sealed(orders, **changes):
    rows = [
        dict.fromkeys(schemas.LABELS.names)
        | {"item_id": o.item_id, "class_id": "oak", "round_no": 2, "purpose": o.purpose, "confidence": 1.0,
           "n_annotations": 1, "ontology_version": "1"}
        for o in orders
    ]  # fmt: skip
    rows[1] |= changes
    return pa.Table.from_pylist(rows, schema=schemas.LABELS).to_pandas()


def test_good_labels_pass(ws, gates, book):
    gates.labels(sealed(order(book, ws)))
    assert book.recorded[0].success


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"class_id": "fern"}, "of the ontology"),
        ({"round_no": 1}, "belongs to this round"),
        ({"purpose": "AUDIT"}, "another purpose"),
        ({"item_id": "f" * 20}, "not ordered"),
        ({"ontology_version": "0"}, "ontology is that of the task"),
        ({"n_annotations": 0}, "somebody answered"),
        ({"inclusion_probability": 1.0}, "inside"),
        ({"confidence": 1.5}, "agree enough"),
    ],
)
def test_a_wrong_label_blocks(ws, gates, book, change, why):
    with pytest.raises(CheckFailed, match=why):
        gates.labels(sealed(order(book, ws), **change))


def test_two_labels_of_one_item_block(ws, gates, book):
    orders = order(book, ws)
    with pytest.raises(CheckFailed, match="item_id is there once"):
        gates.labels(sealed(orders, item_id=orders[2].item_id))


def test_a_label_of_a_holdout_item_blocks(ws, gates, book):
    orders = order(book, ws)
    held = holdout_item(ws)["item_id"]
    orders[1] = SimpleNamespace(key="k1", item_id=held, purpose="TRAIN", sent_at=NOW)
    book.orders = orders
    with pytest.raises(CheckFailed, match="'holdout'"):
        gates.labels(sealed(orders))


def test_money_over_the_cap_blocks(ws, gates, book):
    frame = sealed(order(book, ws))
    book.lines = [
        SimpleNamespace(kind="ACCRUED", amount_micros=1001),
        SimpleNamespace(kind="INVOICED", amount_micros=5),
    ]
    with pytest.raises(CheckFailed, match="under the caps"):
        gates.labels(frame)


def test_a_repeated_check_that_passes_clears_its_quarantine_file(ws, gates, book):
    orders = order(book, ws)
    gates.deliveries(answers(orders, class_ids=("fern",)))
    gates.deliveries(answers(orders))
    assert not (ws.quarantine / "deliveries-0002.parquet").exists()
