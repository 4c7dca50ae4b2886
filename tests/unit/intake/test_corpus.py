"""The open corpus: every known shape becomes the one schema."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailfirst import artifacts, schemas
from tailfirst.errors import UserError
from tailfirst.intake import corpus
from tailfirst.intake.records import quiet


def written(folder: Path, *files: Path) -> tuple[list[dict[str, object]], corpus.Corpus]:
    found = corpus.write_corpus(files, folder, quiet)
    parts = sorted(folder.glob("*.parquet"))
    rows = [row for part in parts for row in schemas.read(part, schemas.OPEN).to_pylist()]
    assert found.n == len(rows)
    return rows, found


def test_laion_400m_columns(tmp_path: Path):
    table = pa.table(
        {
            "URL": ["https://a/1.jpg", "https://a/2.jpg", "https://a/3.jpg", None],
            "TEXT": [" A cafe\u0301 ", "an owl", "", "a cat"],
            "LICENSE": ["?", "CC0", None, "cc"],
            "NSFW": ["UNLIKELY", "UNSURE", "NSFW", None],
        }
    )
    pq.write_table(table, tmp_path / "laion.parquet")
    rows, found = written(tmp_path / "open", tmp_path / "laion.parquet")
    assert [r["caption"] for r in rows] == ["A caf\u00e9", "an owl", "a cat"]
    assert [r["nsfw"] for r in rows] == [0.0, 0.5, None]
    assert [r["licence"] for r in rows] == [None, "CC0", "cc"]
    assert [r["source"] for r in rows] == ["laion.parquet"] * 3
    assert found.dropped == {"rows without a caption": 1}
    assert all(str(r["open_id"]).startswith("o") and len(str(r["open_id"])) == 20 for r in rows)


def test_relaion_columns(tmp_path: Path):
    table = pa.table({"url": ["u"], "top_caption": ["an owl"], "punsafe": [0.25]})
    pq.write_table(table, tmp_path / "relaion.parquet")
    rows, _ = written(tmp_path / "open", tmp_path / "relaion.parquet")
    assert (rows[0]["url"], rows[0]["caption"], rows[0]["nsfw"]) == ("u", "an owl", 0.25)


def test_our_own_schema_keeps_ids_and_images(tmp_path: Path, make_picture: Callable[..., bytes]):
    data = make_picture(1)
    row = dict.fromkeys(schemas.OPEN.names) | {
        "open_id": "o1",
        "caption": "c",
        "image": data,
        "source": "s",
        "path": "p",
    }
    pq.write_table(pa.Table.from_pylist([row], schema=schemas.OPEN), tmp_path / "ours.parquet")
    rows, _ = written(tmp_path / "open", tmp_path / "ours.parquet")
    assert (rows[0]["open_id"], rows[0]["image"], rows[0]["sha256"]) == ("o1", data, artifacts.sha256_bytes(data))


def test_images_come_from_nested_columns_and_from_files(tmp_path: Path, make_picture: Callable[..., bytes]):
    data = make_picture(1)
    nested = pa.table({"text": ["a", "b"], "image": [{"bytes": data, "path": "x"}, {"bytes": b"broken", "path": "y"}]})
    pq.write_table(nested, tmp_path / "nested.parquet")
    (tmp_path / "pic.png").write_bytes(data)
    (tmp_path / "files.csv").write_text("caption,path\nc,pic.png\nd,gone.png\ne,../pic.png\n")
    rows, found = written(tmp_path / "open", tmp_path / "nested.parquet", tmp_path / "files.csv")
    assert [r["image"] for r in rows] == [data, None, data, None, None]
    assert sorted(found.dropped) == [
        "image paths that leave the corpus folder, their captions kept",
        "images (not an image of a known format (6 bytes)), their captions kept",
    ]


def test_lines_doubles_and_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpus, "PART_ROWS", 2)
    (tmp_path / "a.txt").write_text("one\ntwo\n\nthree\none\n")
    rows, found = written(tmp_path / "open", tmp_path / "a.txt")
    assert [r["caption"] for r in rows] == ["one", "two", "three"]
    assert found.dropped == {"doubled rows": 1, "rows without a caption": 1}
    assert sorted(p.name for p in (tmp_path / "open").iterdir()) == ["part-000.parquet", "part-001.parquet"]


def test_no_caption_column_lists_the_columns(tmp_path: Path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(UserError, match=r"no caption column.*top_caption.*it has: x, y"):
        corpus.write_corpus([tmp_path / "a.csv"], tmp_path / "open", quiet)
