"""Items: ids, media by shard, paths that must stay below data/, images that must not bite."""

import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tailfirst import artifacts, schemas
from tailfirst.errors import StaleArtifact, TaskFolderError
from tailfirst.items import clean_text, inside, item_id, items_of, load_items, open_image, read_media, sha256_text
from tailfirst.paths import Workspace

ROW = dict.fromkeys(schemas.ITEMS.names)


def png(color: str = "red", size: tuple[int, int] = (4, 3), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()


def row(data: bytes, role: str = "pool", **more: object) -> dict[str, object]:
    sha = artifacts.sha256_bytes(data)
    return ROW | {"item_id": item_id(sha), "sha256": sha, "role": role} | more


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Two images in one shard, one as a file, one text that also has a vector."""
    ws = Workspace(tmp_path)
    red, green, blue = png("red"), png("green"), png("blue")
    (ws.data / "images").mkdir(parents=True)
    (ws.data / "images/red.png").write_bytes(red)
    (ws.data / "shard.bin").write_bytes(green + b"gap" + blue)
    rows = [
        row(blue, "holdout", shard="shard.bin", offset=len(green) + 3, length=len(blue)),
        row(red, path="images/red.png"),
        row(green, shard="shard.bin", offset=0, length=len(green)),
        row(b"hello", text="hello", vector_row=5),
    ]
    artifacts.write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))
    return ws


def test_load_items_knows_roles_and_rows(ws: Workspace):
    items = load_items(ws)
    assert len(items) == 4
    assert items.is_pool.tolist() == [False, True, True, True]
    assert items.holdout_ids.tolist() == [items.item_ids[0]]
    wanted = [items.item_ids[3], items.item_ids[1]]
    assert items.rows(wanted).tolist() == [3, 1]
    assert items.take(wanted)["item_id"].to_pylist() == wanted


def test_unknown_item_is_named(ws: Workspace):
    with pytest.raises(TaskFolderError, match=r"1 item.*nobody"):
        load_items(ws).rows(["nobody"])


def test_read_media_keeps_the_order_of_the_rows(ws: Workspace):
    items = load_items(ws)
    media = read_media(ws, items.table.slice(0, 3), "image")
    assert [m.item_id for m in media] == items.item_ids[:3].tolist()
    assert [open_image(m.data or b"").getpixel((0, 0)) for m in media] == [(0, 0, 255), (255, 0, 0), (0, 128, 0)]


def test_read_media_of_texts_and_rows(ws: Workspace):
    last = load_items(ws).table.slice(3, 1)
    assert read_media(ws, last, "text")[0].text == "hello"
    assert read_media(ws, last, "row")[0].vector_row == 5


@pytest.mark.parametrize(("reads", "why"), [("text", "has no text"), ("row", "has no vector_row")])
def test_read_media_says_what_an_item_lacks(ws: Workspace, reads: str, why: str):
    with pytest.raises(TaskFolderError, match=why):
        read_media(ws, load_items(ws).table.slice(0, 1), reads)


def test_read_media_of_a_text_as_an_image(ws: Workspace):
    with pytest.raises(TaskFolderError, match="has no image"):
        read_media(ws, load_items(ws).table.slice(3, 1), "image")


def test_changed_bytes_are_noticed(ws: Workspace):
    (ws.data / "images/red.png").write_bytes(png("pink"))
    rows = load_items(ws).table.slice(1, 1)
    with pytest.raises(StaleArtifact, match="not the bytes recorded"):
        read_media(ws, rows, "image")
    assert read_media(ws, rows, "image", check=False)[0].data == png("pink")


def test_cut_shard_and_missing_file(ws: Workspace):
    (ws.data / "shard.bin").write_bytes(b"x" * 10)
    (ws.data / "images/red.png").unlink()
    table = load_items(ws).table
    with pytest.raises(TaskFolderError, match="ends before byte"):
        read_media(ws, table.slice(0, 1), "image")
    with pytest.raises(TaskFolderError, match="dvc pull"):
        read_media(ws, table.slice(1, 1), "image")


def test_doubled_ids_and_unknown_roles_are_refused():
    one = row(b"a", text="a")
    with pytest.raises(TaskFolderError, match="more than once"):
        items_of(pa.Table.from_pylist([one, one], schema=schemas.ITEMS))
    with pytest.raises(TaskFolderError, match=r"role.*test.*known: pool, holdout"):
        items_of(pa.Table.from_pylist([row(b"a", "test", text="a")], schema=schemas.ITEMS))


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "C:/x", "C:x", "\\x", "a\\..\\..\\x"])
def test_paths_that_leave_are_refused(tmp_path: Path, path: str):
    with pytest.raises(TaskFolderError, match="stay below"):
        inside(tmp_path, path)


def test_links_that_leave_are_refused(tmp_path: Path):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root/link").symlink_to(tmp_path / "secret")
    (tmp_path / "root/near").symlink_to("link2")
    with pytest.raises(TaskFolderError, match="leads out"):
        inside(tmp_path / "root", "link")
    assert inside(tmp_path / "root", "near").name == "link2"


def test_open_image_caps_pixels_and_refuses_other_bytes():
    with pytest.raises(TaskFolderError, match=r"4 x 3 pixels; the cap is 11"):
        open_image(png(), max_pixels=11)
    with pytest.raises(TaskFolderError, match="not an image of a known format"):
        open_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(TaskFolderError, match="unreadable"):
        open_image(png(size=(64, 64))[:-30])


def test_open_image_is_upright_and_white_behind():
    clear = png((0, 0, 0, 0), mode="RGBA")
    assert open_image(clear).getpixel((0, 0)) == (255, 255, 255)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.new("RGB", (8, 4)).save(buffer, "JPEG", exif=exif)
    assert open_image(buffer.getvalue()).size == (4, 8)


@given(st.text(max_size=40))
def test_text_ids_ignore_unicode_form_and_outer_spaces(text: str):
    assert sha256_text(f"  {text}\n") == sha256_text(clean_text(text))
    assert clean_text(clean_text(text)) == clean_text(text)


def test_text_id_by_hand():
    # sha256 of the five bytes of "café" in NFC (c3 a9), given here in NFD
    assert sha256_text("cafe\u0301") == artifacts.sha256_bytes(b"caf\xc3\xa9")
