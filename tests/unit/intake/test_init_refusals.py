"""Bad input: what is refused, row by row or as a whole, and that nothing half-made stays."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tailfirst import schemas
from tailfirst.errors import UserError
from tailfirst.intake import InitReport, InitRequest, init
from tailfirst.items import load_items
from tailfirst.paths import Workspace

Csv = Callable[..., Path]
Request = InitRequest


def nothing(_ws: Workspace) -> None:
    """No git, no DVC."""


def reasons(report: InitReport) -> dict[str, str]:
    return {f"{r['source']}:{r['row']}": r["reason"] for r in report.rejected.to_pylist()}


def table_request(write_csv: Csv, rows: Sequence[Sequence[object]], **more: object) -> Request:
    """Ten good rows before the given ones, and a holdout of two."""
    good = [(f"good {i}", "ab"[i % 2]) for i in range(10)]
    table = write_csv("t.csv", ("text", "y"), [*good, *rows])
    held = write_csv("held.csv", ("text", "y"), [("held a", "a"), ("held b", "b")])
    base = Request(table=table, text_column="text", label_column="y", holdout_table=held, max_rejected=1.0)
    return replace(base, **more)  # type: ignore[arg-type]


def test_empty_text_is_refused_with_its_row(tmp_path: Path, write_csv: Csv):
    report = init(tmp_path / "ws", table_request(write_csv, [("  ", "a"), ("fine", "b")]), nothing)
    assert reasons(report) == {"t.csv:11": "empty text"}
    assert report.n_pool == 11


def test_unknown_class_is_refused(tmp_path: Path, write_csv: Csv):
    (tmp_path / "c.json").write_text('["a", "b"]')
    request = table_request(write_csv, [("fine", "zebra")], classes=tmp_path / "c.json")
    assert reasons(init(tmp_path / "ws", request, nothing)) == {"t.csv:11": "unknown class 'zebra'"}


def test_missing_labels_in_the_pool_are_no_fault_but_said(tmp_path: Path, write_csv: Csv):
    report = init(tmp_path / "ws", table_request(write_csv, [("x", "NaN"), ("y", "")]), nothing)
    assert (report.n_pool, report.n_known, len(report.rejected)) == (12, 10, 0)
    assert any("row(s) 11, 12" in note for note in report.notes)


def test_missing_labels_in_the_holdout_are_refused(tmp_path: Path, write_csv: Csv):
    request = table_request(write_csv, [])
    held = write_csv("held.csv", ("text", "y"), [("h", "a"), ("i", "nan"), ("j", "b")])
    assert (
        "label is missing"
        in reasons(init(tmp_path / "ws", replace(request, holdout_table=held), nothing))["held.csv:2"]
    )


def test_nan_and_whole_floats_in_parquet_labels(tmp_path: Path):
    values = {"text": list("abcdef"), "y": [1.0, 2.0, float("nan"), None, 1.0, 2.0]}
    pq.write_table(pa.table(values), tmp_path / "t.parquet")
    request = Request(table=tmp_path / "t.parquet", text_column="text", label_column="y", holdout_share=0.5)
    report = init(tmp_path / "ws", request, nothing)
    assert (report.n_pool, report.n_holdout, report.n_classes) == (4, 2, 2)


def test_doubles_are_merged_and_do_not_count_as_faults(tmp_path: Path, write_csv: Csv):
    request = table_request(write_csv, [("good 0", "a"), ("good 1", "")], max_rejected=0.0)
    report = init(tmp_path / "ws", request, nothing)
    assert reasons(report)["t.csv:11"] == "same bytes as t.csv, row 1"
    assert report.rejected["kind"].to_pylist() == ["duplicate", "duplicate"]
    assert (report.n_pool, report.n_known) == (10, 10)


def test_conflicting_labels_of_the_same_bytes_are_refused(tmp_path: Path, write_csv: Csv):
    report = init(tmp_path / "ws", table_request(write_csv, [("good 0", "b")]), nothing)
    assert reasons(report) == {f"t.csv:{n}": "same bytes, different labels: a, b" for n in (1, 11)}
    assert report.n_pool == 9


def test_holdout_items_leave_the_pool(tmp_path: Path, write_csv: Csv):
    report = init(tmp_path / "ws", table_request(write_csv, [(" held a", "a")], max_rejected=0.0), nothing)
    assert reasons(report) == {"t.csv:11": "the same bytes are in the holdout (held.csv, row 1)"}
    assert report.rejected["kind"].to_pylist() == ["overlap"]
    assert load_items(Workspace(tmp_path / "ws")).is_holdout.sum() == 2


def test_bad_images_are_refused_one_by_one(
    tmp_path: Path, class_folders: Callable[..., Path], make_picture: Callable[..., bytes]
):
    pool = class_folders("pool")
    (pool / "owl/empty.png").touch()
    (pool / "owl/words.png").write_text("no image")
    (pool / "owl/cut.png").write_bytes(make_picture(900)[:-20])
    (pool / "owl/cut.jpg").write_bytes(make_picture(901, "JPEG", 64)[:-200])
    (pool / "owl/cut.webp").write_bytes(make_picture(903, "WEBP", 64)[:-200])
    (pool / "owl/odd.jpg").write_bytes(make_picture(902, "JPEG") + b"maker data")
    (tmp_path / "outside.png").write_bytes(make_picture(904))
    (pool / "owl/link.png").symlink_to(tmp_path / "outside.png")
    request = Request(images=pool, labels_from_folders=True, holdout_share=0.3, max_rejected=0.5)
    found = reasons(init(tmp_path / "ws", request, nothing))
    assert sorted(found) == [
        f"pool:owl/{n}" for n in ("cut.jpg", "cut.png", "cut.webp", "empty.png", "link.png", "words.png")
    ]
    assert "empty file" in found["pool:owl/empty.png"]
    assert "known format" in found["pool:owl/words.png"]
    assert "leads out" in found["pool:owl/link.png"]


def test_huge_images_are_refused(tmp_path: Path, class_folders: Callable[..., Path]):
    pool = class_folders("pool")
    Image.new("1", (10_000, 5_001)).save(pool / "owl/huge.png")
    request = Request(images=pool, labels_from_folders=True, holdout_share=0.3, max_rejected=0.5)
    found = reasons(init(tmp_path / "ws", request, nothing))
    assert found == {"pool:owl/huge.png": "owl/huge.png: 10000 x 5001 pixels; the cap is 50,000,000"}


def test_paths_of_a_table(tmp_path: Path, class_folders: Callable[..., Path], write_csv: Csv):
    class_folders("sub/pool")
    good = [(f"pool/{one}/{i}.png", one) for one in ("owl", "red_fox") for i in range(4)]
    bad = [
        ("../secret.png", "owl"),
        ("/etc/passwd", "owl"),
        ("pool/owl/9.png", "owl"),
        ("", "owl"),
        ("pool/owl", "owl"),
    ]
    table = write_csv("sub/t.csv", ("path", "y"), [*good, *bad])
    request = Request(table=table, path_column="path", label_column="y", holdout_share=0.3, max_rejected=0.5)
    found = reasons(init(tmp_path / "ws", request, nothing))
    assert [found[f"t.csv:{n}"].split(":")[0] for n in (11, 12, 13)] == [
        "cannot read pool/owl/9.png", "column 'path' is empty", "cannot read pool/owl",
    ]  # fmt: skip
    assert all("must be relative and stay below" in found[f"t.csv:{n}"] for n in (9, 10))


def test_blob_places(tmp_path: Path, write_csv: Csv, make_picture: Callable[..., bytes]):
    data = [make_picture(i) for i in range(4)]
    (tmp_path / "b.bin").write_bytes(b"".join(data))
    starts = np.cumsum([0, *map(len, data)])
    good = [(f"{i}.png", starts[i], len(data[i]), "ab"[i % 2]) for i in range(4)]
    bad = [("x", -1, 5, "a"), ("y", starts[4] - 1, 5, "a"), ("z", "two", 5, "a"), ("w", 0, 0, "a"), ("v", 1, 9, "a")]
    index = write_csv("i.csv", ("path", "offset", "length", "label"), [*good, *bad])
    request = Request(blob=tmp_path / "b.bin", index=index, holdout_share=0.5, max_rejected=0.6)
    found = reasons(init(tmp_path / "ws", request, nothing))
    assert len(found) == 5
    assert "whole numbers" in found["i.csv:7"]
    assert all("do not lie in the blob" in found[f"i.csv:{n}"] for n in (5, 6, 8))
    assert "known format" in found["i.csv:9"]


def test_vectors_that_cannot_become_unit_rows(tmp_path: Path, write_csv: Csv):
    vectors = np.random.default_rng([0]).normal(size=(10, 3)).astype(np.float32)
    vectors[1], vectors[2, 1], vectors[3, 2] = 0, np.nan, np.inf
    np.save(tmp_path / "v.npy", vectors)
    rows = [(f"t{i}", "ab"[i % 2]) for i in range(10)]
    table = write_csv("t.csv", ("text", "y"), rows)
    request = Request(
        table=table,
        text_column="text",
        label_column="y",
        vectors=tmp_path / "v.npy",
        holdout_share=0.4,
        max_rejected=0.5,
    )
    report = init(tmp_path / "ws", request, nothing)
    assert reasons(report) == {
        "t.csv:2": "row 1 of v.npy: all zeros",
        "t.csv:3": "row 2 of v.npy: 1 value(s) are not finite",
        "t.csv:4": "row 3 of v.npy: 1 value(s) are not finite",
    }
    assert np.load(Workspace(tmp_path / "ws").vectors).shape == (7, 3)


@pytest.mark.parametrize(
    ("shape", "prototypes", "why"),
    [
        ((9, 3), (2, 3), r"v\.npy has 9 rows, but .*t\.csv has 10"),
        ((11, 3), (2, 3), r"v\.npy has 11 rows, but .*t\.csv has 10"),
        ((10, 3), (3, 3), r"p\.npy has 3 rows, but the task has 2 classes; row 0 must be class 'a'"),
        ((10, 3), (2, 4), r"4 dimensions, but the vectors have 3"),
        ((10,), (2, 3), r"must be a \(rows, dimensions\) matrix"),
    ],
)
def test_matrices_that_do_not_fit(
    tmp_path: Path, write_csv: Csv, shape: tuple[int, ...], prototypes: tuple[int, ...], why: str
):
    np.save(tmp_path / "v.npy", np.ones(shape, np.float32))
    np.save(tmp_path / "p.npy", np.ones(prototypes, np.float32))
    request = table_request(write_csv, [], vectors=tmp_path / "v.npy", prototypes=tmp_path / "p.npy")
    request = replace(request, holdout_table=None, holdout_share=0.4)
    with pytest.raises(UserError, match=why):
        init(tmp_path / "ws", request, nothing)
    assert not (tmp_path / "ws").exists()


def test_pickled_arrays_are_refused(tmp_path: Path, write_csv: Csv):
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    request = replace(table_request(write_csv, []), vectors=tmp_path / "v.npy", holdout_table=None, holdout_share=0.4)
    with pytest.raises(UserError, match="not a readable"):
        init(tmp_path / "ws", request, nothing)


def test_too_many_bad_rows_stop_everything_and_are_listed(tmp_path: Path, write_csv: Csv):
    request = table_request(write_csv, [("", "a")] * 12, max_rejected=0.5)
    with pytest.raises(
        UserError, match=r"12 of 22 rows of t\.csv.*row 11: empty text.*init\.csv.*Nothing was made"
    ) as error:
        init(tmp_path / "ws", request, nothing)
    assert "row 20: empty text" in str(error.value)
    assert "row 21" not in str(error.value)
    assert [p.name for p in (tmp_path / "ws").iterdir()] == ["state"]
    assert len(pacsv.read_csv(Workspace(tmp_path / "ws").quarantine / "init.csv")) == 12
    init(tmp_path / "ws", replace(request, max_rejected=0.6), nothing)  # the list is in nobody's way


def test_every_row_bad_is_an_error_even_when_allowed(tmp_path: Path, write_csv: Csv):
    request = table_request(write_csv, [])
    write_csv("held.csv", ("text", "y"), [("", "a"), ("x", "")])
    with pytest.raises(UserError, match="no item is left for the holdout"):
        init(tmp_path / "ws", request, nothing)


def test_existing_data_is_refused(tmp_path: Path, write_csv: Csv):
    (tmp_path / "ws/data").mkdir(parents=True)
    with pytest.raises(UserError, match="never overwrites"):
        init(tmp_path / "ws", table_request(write_csv, []), nothing)


@pytest.mark.parametrize("error", [UserError("refused"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_nothing_half_made_stays_when_the_end_fails(tmp_path: Path, write_csv: Csv, error: BaseException):
    root = tmp_path / "ws"
    root.mkdir()
    (root / "mine.txt").write_text("mine")
    (root / ".gitignore").write_text("mine\n")

    def finish(ws: Workspace) -> None:
        assert ws.items.exists()
        (ws.root / ".dvc").mkdir()
        (ws.root / ".gitignore").write_text("mine\n/data\n")
        (ws.root / "data.dvc").write_text("x")
        raise error

    with pytest.raises(type(error)):
        init(root, table_request(write_csv, []), finish)
    assert sorted(p.name for p in root.iterdir()) == [".gitignore", "mine.txt"]
    assert (root / ".gitignore").read_text() == "mine\n"


def test_seed_rows_that_fit_nothing(tmp_path: Path, write_csv: Csv):
    rows = [("good 0", "a"), ("good 0", "b"), ("good 1", "zebra"), ("who", "a"), ("held a", "a"), ("good 2", "a")]
    seed = write_csv("seed.csv", ("text", "label"), rows)
    report = init(tmp_path / "ws", table_request(write_csv, [], seed_labels=seed), nothing)
    assert report.n_seed == 1
    found = reasons(report)
    assert (found["seed.csv:3"], found["seed.csv:4"]) == ("unknown class 'zebra'", "no item 'who'")
    assert "different labels: a, b" in found["seed.csv:1"]
    assert "different labels: a, b" in found["seed.csv:2"]
    assert "in the holdout" in found["seed.csv:5"]
    labels = schemas.read(Workspace(tmp_path / "ws").seed_labels, schemas.LABELS)
    assert labels["class_id"].to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"text_column": "txt"}, r"no column 'txt'; it has: text, y"),
        ({"label_column": "z"}, r"no column 'z'"),
        ({"table": Path("nowhere.csv")}, r"no file nowhere\.csv"),
        ({"images": Path()}, "exactly one of.*found: --images, --table"),
        ({"text_column": None}, "say what the rows of --table are"),
        ({"path_column": "p"}, "not both"),
        ({"holdout_table": None}, "nothing can be measured"),
        ({"holdout_share": 0.2}, "exactly one of"),
        ({"holdout_table": None, "holdout_share": 2.0}, "between 0 and 1"),
        ({"split_column": "y"}, "go together"),
        ({"blob": Path("x")}, "--blob and --index go together"),
        ({"labels_from_folders": True}, "needs --images"),
        ({"prototypes": Path("p.npy")}, "--prototypes need --vectors"),
        ({"vectors": Path("v.npy")}, "needs --holdout-vectors"),
        ({"max_rejected": 2.0}, "--max-rejected"),
        ({"name": "***"}, "no campaign name"),
        ({"templates": ("none",)}, "must hold {} once"),
        ({"classes": Path("none.txt")}, r"no file none\.txt"),
        ({"open": (Path("none.txt"),)}, r"no file none\.txt"),
    ],
)
def test_requests_that_contradict_themselves(tmp_path: Path, write_csv: Csv, change: dict[str, object], why: str):
    with pytest.raises(UserError, match=why):
        init(tmp_path / "ws", table_request(write_csv, [], **change), nothing)
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("e.csv", b"", "is empty"),
        ("h.csv", b"text,y\n", "header but no row"),
        ("r.csv", b"text,y\na,b,c\n", "Expected 2 columns"),
        ("u.csv", b"text,y\n\xff\xfe,a\n", "invalid UTF8|not UTF-8"),
        ("d.csv", b"text,text,y\na,b,c\n", "more than one column named text"),
        ("x.parquet", b"PAR1", "not a readable parquet"),
        ("x.xlsx", b"PK", "read from .csv"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, write_csv: Csv, name: str, content: bytes, why: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=why):
        init(tmp_path / "ws", table_request(write_csv, [], table=tmp_path / name), nothing)
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize("content", [b"", b"not a tar at all" * 100, b"\x1f\x8b\x08\x00" + bytes(600)])
def test_tars_that_cannot_be_read(tmp_path: Path, content: bytes):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"uncompressed tar|holds no image"):
        init(tmp_path / "ws", Request(tars=(tmp_path / "x.tar",), holdout_share=0.2), nothing)
