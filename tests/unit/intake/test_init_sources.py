"""Every kind of source becomes a sound workspace whose items read back as the bytes that were brought."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailfirst import artifacts, config, schemas
from tailfirst.intake import InitReport, InitRequest, init, store, validate_task
from tailfirst.items import load_items, read_media, sha256_text
from tailfirst.paths import Workspace
from tailfirst.task import load_task


def made(root: Path, request: InitRequest) -> tuple[Workspace, InitReport]:
    """A workspace that passes its own checks and whose params pass theirs."""
    report = init(root, request, lambda _ws: None)
    ws = Workspace(root)
    assert validate_task(ws) == []
    assert config.load(ws.params).campaign.name == "ws"
    items = load_items(ws)
    assert (report.n_pool, report.n_holdout) == (items.is_pool.sum(), items.is_holdout.sum())
    assert items.item_ids.tolist() == sorted(items.item_ids.tolist())
    for name in ("open/README.md", "rounds/README.md"):
        assert (ws.data / name).read_text()
    return ws, report


def bytes_of(ws: Workspace) -> set[bytes | None]:
    return {m.data for m in read_media(ws, load_items(ws).table, "image")}


def labels_of(path: Path) -> dict[str, str]:
    table = schemas.read(path, schemas.LABELED)
    return dict(zip(table["item_id"].to_pylist(), table["class_id"].to_pylist(), strict=True))


def test_folder_with_labels_and_holdout_folder(tmp_path: Path, class_folders: Callable[..., Path]):
    pool, held = class_folders("pool"), class_folders("held", n=2, start=50)
    (pool / "notes.txt").write_text("x")
    (pool / ".hidden.png").write_bytes(b"x")
    ws, report = made(tmp_path / "ws", InitRequest(images=pool, labels_from_folders=True, holdout_images=held))
    assert (report.n_pool, report.n_holdout, report.n_classes, report.n_known) == (8, 4, 2, 8)
    assert bytes_of(ws) == {p.read_bytes() for f in (pool, held) for p in f.rglob("?.png")}
    assert load_task(ws.task).classes[1].name == "red fox"
    assert set(labels_of(ws.holdout).values()) == {"red_fox", "owl"}
    assert any("2 other file(s)" in note for note in report.notes)
    one = load_items(ws).table.slice(0, 1).to_pylist()[0]
    assert one["path"] == f"images/{one['item_id'][:2]}/{one['item_id']}.png"


def test_folder_without_labels_keeps_them_unknown(tmp_path: Path, class_folders: Callable[..., Path]):
    request = InitRequest(images=class_folders("pool"), holdout_images=class_folders("held", start=50))
    ws, report = made(tmp_path / "ws", request)
    assert report.n_known == 0
    assert labels_of(ws.oracle) == {}


def test_many_files_become_tar_shards(
    tmp_path: Path, class_folders: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "MAX_FILES", 3)
    monkeypatch.setattr(store, "SHARD_BYTES", 2000)
    pool, held = class_folders("pool", n=9), class_folders("held", n=2, start=50)
    request = InitRequest(images=pool, holdout_images=held, labels_from_folders=True)
    ws, _ = made(tmp_path / "ws", request)
    shards = sorted(p.name for p in (ws.data / "shards").iterdir())
    assert shards[0] == "holdout-000.tar"
    assert len(shards) > 2
    assert bytes_of(ws) == {p.read_bytes() for f in (pool, held) for p in f.rglob("*.png")}
    again, _ = made(tmp_path / "more" / "ws", request)
    assert artifacts.sha256_tree(ws.data) == artifacts.sha256_tree(again.data)


def test_hard_links_share_the_bytes(tmp_path: Path, class_folders: Callable[..., Path]):
    pool = class_folders("pool")
    request = InitRequest(images=pool, labels_from_folders=True, holdout_share=0.25, link=True)
    ws, report = made(tmp_path / "ws", request)
    assert report.n_holdout == 2  # a quarter of four, per class
    assert {p.stat().st_ino for p in ws.data.rglob("*.png")} == {p.stat().st_ino for p in pool.rglob("*.png")}


def test_texts_with_a_holdout_table(tmp_path: Path, texts: Path, write_csv: Callable[..., Path]):
    held = write_csv("held.csv", ("text", "category"), [(" held\none ", "Lost Card"), ("held two", "exchange-rate")])
    classes = tmp_path / "classes.txt"
    classes.write_text("lost_card\n\nexchange-rate\n")
    request = InitRequest(
        table=texts,
        text_column="text",
        label_column="category",
        holdout_table=held,
        source="bank",
        licence="CC0",
        classes=classes,
    )
    ws, report = made(tmp_path / "ws", request)
    assert (report.n_pool, report.n_holdout, report.n_known) == (12, 2, 12)
    assert load_task(ws.task).class_ids == ("lost_card", "exchange-rate")
    assert labels_of(ws.holdout)[sha256_text("held\none")[:20]] == "lost_card"
    items = load_items(ws).table
    assert set(items["licence"].to_pylist()) == {"CC0"}
    assert {"bank: texts.csv#12", "bank: held.csv#2"} < set(items["source"].to_pylist())


def test_texts_with_a_split_column_in_parquet(tmp_path: Path):
    table = pa.table({"q": ["a", "b", "c", "d"], "y": [0, 1, 0, 1], "part": ["train", "train", "test", "test"]})
    pq.write_table(table, tmp_path / "t.parquet")
    request = InitRequest(
        table=tmp_path / "t.parquet", text_column="q", label_column="y", split_column="part", holdout_value="test"
    )
    ws, _ = made(tmp_path / "ws", request)
    assert labels_of(ws.holdout) == {sha256_text("c")[:20]: "0", sha256_text("d")[:20]: "1"}
    assert labels_of(ws.oracle) == {sha256_text("a")[:20]: "0", sha256_text("b")[:20]: "1"}


def test_table_of_paths(tmp_path: Path, class_folders: Callable[..., Path], write_csv: Callable[..., Path]):
    pool = class_folders("pool")
    rows = [(p.relative_to(tmp_path).as_posix(), p.parent.name) for p in sorted(pool.rglob("*.png"))]
    table = write_csv("t.csv", ("file", "kind"), rows)
    request = InitRequest(table=table, path_column="file", label_column="kind", holdout_share=0.5)
    ws, report = made(tmp_path / "ws", request)
    assert (report.n_pool, report.n_holdout) == (4, 4)
    assert load_items(ws).table["source"][0].as_py().startswith("t.csv#pool/")


def test_tar_is_read_in_place(tmp_path: Path, make_tar: Callable[..., Path], make_picture: Callable[..., bytes]):
    members = {f"./{one}/{i}.png": make_picture(10 * i + len(one)) for i in range(3) for one in ("owl", "lynx")}
    members |= {"owl/0.cls": b"3", "owl/0.json": b"{}"}
    tar = make_tar("shard.tar", members)
    ws, report = made(tmp_path / "ws", InitRequest(tars=(tar,), labels_from_folders=True, holdout_share=0.4))
    assert (report.n_pool, report.n_holdout, report.n_classes) == (4, 2, 2)
    assert (ws.data / "shards/shard.tar").read_bytes() == tar.read_bytes()
    assert bytes_of(ws) == {data for name, data in members.items() if name.endswith(".png")}


def test_blob_with_index_vectors_and_prototypes(
    tmp_path: Path, write_csv: Callable[..., Path], make_picture: Callable[..., bytes]
):
    pictures = [make_picture(i, "JPEG") for i in range(6)]
    (tmp_path / "images.bin").write_bytes(b"".join(pictures))
    starts = np.cumsum([0, *map(len, pictures)])
    rows = [
        (f"p/{i}.jpg", "test" if i > 3 else "train", i % 2, ("owl", "red_fox")[i % 2], starts[i], len(pictures[i]))
        for i in range(6)
    ]
    index = write_csv("index.csv", ("path", "split", "label", "class_name", "offset", "length"), rows)
    vectors = np.random.default_rng([1]).normal(size=(6, 5)).astype(np.float16)
    np.save(tmp_path / "v.npy", vectors)
    np.save(tmp_path / "p.npy", np.eye(2, 5, dtype=np.float32))
    request = InitRequest(
        blob=tmp_path / "images.bin",
        index=index,
        split_column="split",
        holdout_value="test",
        vectors=tmp_path / "v.npy",
        prototypes=tmp_path / "p.npy",
    )
    ws, report = made(tmp_path / "ws", request)
    assert (report.n_pool, report.n_holdout, report.n_classes) == (4, 2, 2)
    assert any(f"in the order of task.yaml: {', '.join(load_task(ws.task).class_ids)}" in note for note in report.notes)
    items = load_items(ws)
    stored = np.load(ws.vectors)
    for media, row in zip(read_media(ws, items.table, "image"), read_media(ws, items.table, "row"), strict=True):
        np.testing.assert_array_equal(stored[row.vector_row], vectors[pictures.index(media.data or b"")])
    assert config.load(ws.params).encoder.plugin == "precomputed"
    assert set(config.load(ws.params).candidates) == {"zero_shot", "linear_probe"}


def test_vectors_alone_with_labels_in_a_table(tmp_path: Path, write_csv: Callable[..., Path]):
    np.save(tmp_path / "v.npy", np.eye(6, 3, dtype=np.float32) + 0.5 + np.arange(6)[:, None])
    table = write_csv("t.csv", ("y",), [("a",), ("b",), ("a",), ("b",), ("",), ("a",)])
    request = InitRequest(table=table, label_column="y", vectors=tmp_path / "v.npy", holdout_share=0.5)
    ws, report = made(tmp_path / "ws", request)
    assert load_task(ws.task).modality == "vector"
    assert report.n_holdout == 3  # two of three a, one of two b
    assert report.n_known == 2
    assert any("1 pool row(s) have no label" in note and "row(s) 5" in note for note in report.notes)
    assert "zero_shot" not in config.load(ws.params).candidates


def test_same_rows_in_any_order_give_the_same_task(tmp_path: Path, texts: Path, write_csv: Callable[..., Path]):
    lines = [line.rsplit(",", 1) for line in texts.read_text().splitlines()[1:]]
    turned = write_csv("turned/texts.csv", ("text", "category"), lines[::-1])
    tables = []
    for number, table in enumerate((texts, turned)):
        request = InitRequest(table=table, text_column="text", label_column="category", holdout_share=0.3)
        ws, _ = made(tmp_path / str(number) / "ws", request)
        tables.append(load_items(ws).table.drop_columns(["source"]))
        assert ws.task.read_bytes() == (tmp_path / "0/ws/data/task.yaml").read_bytes()
    assert tables[0].equals(tables[1])


def test_seed_labels_by_id_path_and_text(tmp_path: Path, texts: Path, write_csv: Callable[..., Path]):
    rows = [
        ("question 0 about lost_card", "Lost Card"),
        (sha256_text("question 1 about lost_card")[:20], "lost_card"),
        ("question 2 about exchange-rate", "exchange rate"),
    ]
    held = write_csv("held.csv", ("text", "category"), [("h1", "lost_card"), ("h2", "exchange-rate")])
    request = InitRequest(
        table=texts,
        text_column="text",
        label_column="category",
        holdout_table=held,
        seed_labels=write_csv("seed.csv", ("item", "class"), rows),
        ontology_version="v7",
    )
    ws, report = made(tmp_path / "ws", request)
    assert report.n_seed == 3
    seeds = schemas.read(ws.labels, schemas.LABELS).to_pylist()
    assert {(s["purpose"], s["round_no"], s["ontology_version"]) for s in seeds} == {("SEED", 0, "v7")}
    assert ws.labels.read_bytes() == ws.seed_labels.read_bytes()


def test_existing_params_are_kept(tmp_path: Path, texts: Path):
    first = InitRequest(table=texts, text_column="text", label_column="category", holdout_share=0.3)
    made(tmp_path / "ws", first)
    (tmp_path / "two").mkdir()
    text = (tmp_path / "ws/params.yaml").read_text() + "# mine\n"
    (tmp_path / "two/params.yaml").write_text(text)
    report = init(tmp_path / "two", first, lambda _ws: None)
    assert (tmp_path / "two/params.yaml").read_text() == text
    assert any("is kept" in note for note in report.notes)
