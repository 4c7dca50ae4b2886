"""Sheets as bytes: hostile texts, what spreadsheet programs make of a file, and what is refused with its row."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.errors import InvalidDelivery
from tailfirst.vendors._csv_safe import neutral, plain
from tailfirst.vendors._csv_sheet import COLUMNS, DIGEST, cells_of, read, write

DIGEST_OF = DIGEST + "a" * 64
HOSTILE = st.text(st.sampled_from(list("=+-@'\"\t\r\n,;| aä\uff1d\u2028")) | st.characters(codec="utf-8"), max_size=40)


def row(n: int, item: str = "a text", label: str = "", **more: str) -> dict[str, str]:
    return {"key": f"tf-kit-{n}", "item": item, "label": label, "copy": "1", "digest": DIGEST_OF, **more}


@given(HOSTILE)
def test_neutral_is_undone_by_plain(text: str) -> None:
    assert plain(neutral(text)) == text


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_hostile_texts_come_back_as_they_were(texts: Sequence[str]) -> None:
    data = write([row(n, text) for n, text in enumerate(texts)])
    sheet = read(data, {})
    assert [r.cells["item"] for r in sheet.records] == list(texts)
    for record, text in zip(sheet.records, texts, strict=True):
        assert cells_of(sheet.header, record.text, sheet.delimiter)["item"] == text


@given(HOSTILE, st.sampled_from([",", ";", "\t"]))
def test_no_program_sees_a_formula_whatever_its_delimiter(text: str, theirs: str) -> None:
    written = write([row(0, text)]).decode("utf-8-sig")
    for cells in csv.reader(io.StringIO(written, newline=""), delimiter=theirs):
        for cell in cells:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
            assert not cell.startswith(("\t", "\r"))


def test_a_formula_is_text_by_hand() -> None:
    assert neutral("=1+1") == "'=1+1"
    assert neutral(" -3") == "' -3"
    assert neutral("'quoted'") == "''quoted'"
    assert neutral("a;=1") == "a;'=1"
    assert neutral("plain, text") == "plain, text"
    assert plain("=1+1") == "=1+1"  # a program took the apostrophe away


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_are_told_apart(encoding: str, delimiter: str) -> None:
    text = "größer, “quoted”; and\ta tab"
    data = write([row(0, text, "cat")], delimiter=delimiter).decode("utf-8-sig").encode(encoding)
    sheet = read(data, {"tf-kit-0": text})
    assert sheet.delimiter == delimiter
    assert sheet.records[0].cells["item"] == text
    assert sheet.records[0].cells["label"] == "cat"


def test_windows_1252_counts_only_with_a_proof() -> None:
    text, cyrillic = "größer – 5 €", "größer ы"
    rows = [row(0, text, "cat"), row(1, cyrillic, "owl")]
    data = write(rows).decode("utf-8-sig").encode("cp1252", "replace")
    sheet = read(data, {"tf-kit-0": text, "tf-kit-1": cyrillic})
    assert sheet.encoding == "cp1252"
    assert sheet.records[0].cells["item"] == text
    assert sheet.records[1].cells["item"] == "größer ?"  # what that encoding can write of it
    mac = write([row(0, text, "cat")]).decode("utf-8-sig").encode("mac_roman")
    with pytest.raises(InvalidDelivery, match="save as 'CSV UTF-8"):
        read(mac, {"tf-kit-0": text})


def test_habits_of_spreadsheets_are_borne() -> None:
    body = write([row(0, "two\r\nlines", "cat"), row(1, label="owl")]).decode("utf-8-sig")
    with_columns = "".join(line + ",,\r\n" for line in body.replace("two\r\n", "two\n").split("\r\n") if line)
    sheet = read(("sep=,\r\n" + with_columns + ",,,,,,,,\r\n").encode(), {})
    assert [(r.row, r.cells["label"]) for r in sheet.records] == [(3, "cat"), (4, "owl")]
    moved = [
        ",".join(reversed(cells)) for cells in csv.reader(io.StringIO(write([row(0, label="cat")]).decode("utf-8-sig")))
    ]
    assert read("\n".join(moved).encode(), {}).records[0].cells["label"] == "cat"


def test_a_file_cut_inside_its_last_row_gives_the_rows_before() -> None:
    data = write([row(n, label="cat") for n in range(3)])
    wide = data.decode("utf-8-sig").encode("utf-16")
    assert len(read(wide[:-61], {}).records) == 2
    for end in range(len(data) - 60, len(data) - 3):
        labels = [r.cells["key"] for r in read(data[:end], {}).records]
        assert labels == ["tf-kit-0", "tf-kit-1"]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "row 1 must name the columns key, item, label"),
        (b"key,label\r\nx,y\r\n", "needed: key, label, digest"),
        (b"key,label,digest\r\nx,y,z,more\r\n", r"row\(s\) 2 have more cells than the 3 columns"),
        (b"key,label,label,digest\r\n", "column.s. label twice"),
        (b'key,label,digest\r\nx,"y,z\r\nx,y,z\r\n', "row 2 cannot be read"),
    ],
)
def test_what_is_no_sheet_is_refused_with_its_row(data: bytes, match: str) -> None:
    with pytest.raises(InvalidDelivery, match=match):
        read(data, {})


def test_the_digest_stands_last() -> None:
    """A cut row shows, because its digest is not whole."""
    assert COLUMNS[-1] == "digest"
