"""Spreadsheets as bytes: written so that any program opens them, read whatever a program made of them. Pure."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tailfirst.errors import InvalidDelivery
from tailfirst.task import fold
from tailfirst.vendors._csv_safe import neutral, plain

COLUMNS = ("key", "item", "label", "annotator", "comment", "copy", "digest")
NEEDED = ("key", "label", "digest")
DELIMITERS = (",", ";", "\t")
MAX_CELL_CHARS = 32_767  # what a spreadsheet's cell holds
MAX_BYTES = 64 * 1024 * 1024
DIGEST = "sha256-"  # before a digest: bare hex digits can look like a number to a spreadsheet
DIGEST_CHARS = len(DIGEST) + 64
_SEP = re.compile(r"^sep=(.)\r?\n?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Record:
    """A row: its number as the spreadsheet shows it, its text as it is in the file, its cells by column."""

    row: int
    text: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that could be read."""

    encoding: str
    delimiter: str
    header: str
    records: tuple[Record, ...]


def write(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS, delimiter: str = ",") -> bytes:
    """A sheet as UTF-8 with its mark, so that Excel knows; every cell quoted and harmless."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([neutral(row.get(name, "")) for name in columns] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def read(data: bytes, texts: Mapping[str, str]) -> Sheet:
    """The rows of a sheet.

    Args:
        data: The file's bytes.
        texts: The text of each key as we wrote it: what proves an encoding that nothing in the file tells.

    Raises:
        InvalidDelivery: Too large, another encoding, no such columns, or rows that cannot be told apart; names rows.
    """
    if len(data) > MAX_BYTES:
        raise InvalidDelivery(f"{len(data):,} bytes; a sheet may have {MAX_BYTES:,}")
    for encoding, decoded in _decoded(data):
        sheet = _sheet(encoding, decoded)
        if encoding != "cp1252" or _proves(sheet, texts):
            return sheet
    raise InvalidDelivery(
        "the encoding is neither UTF-8 nor UTF-16, and as Windows-1252 the texts are not those that were sent; save as "
        "'CSV UTF-8 (comma delimited)'"
    )


def cells_of(header: str, text: str, delimiter: str) -> dict[str, str]:
    """The cells of one row by column.

    Raises:
        ValueError: The row is not one row, or has more cells than the header.
    """
    rows = [cells for cells, _ in _rows(header.rstrip("\r\n") + "\n" + text, delimiter)]
    if len(rows) != 2:
        raise ValueError(f"one row was expected, found {len(rows) - 1}")
    return _named([fold(name) for name in rows[0]], rows[1])


def _decoded(data: bytes) -> Iterator[tuple[str, str]]:
    """Candidates, the certain ones first: only cp1252 needs a proof, because it fits nearly any bytes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        names = ["utf-16"]
    elif b"\0" in data[:2]:  # one byte of the first letter of "key"; a text further on may hold any character
        names = ["utf-16-le" if data[1:2] == b"\0" else "utf-16-be"]
    else:
        names = ["utf-8-sig", "cp1252"]
    for name in names:
        try:
            decoded = codecs.getincrementaldecoder(name)().decode(data)  # a character cut at the end is left out
        except UnicodeDecodeError:
            continue
        yield name, decoded
        return


def _sheet(encoding: str, text: str) -> Sheet:
    lines = list(io.StringIO(text, newline=""))
    said = _SEP.match(lines[0]) if lines else None
    skipped = 1 if said else 0
    body = "".join(lines[skipped:])
    delimiter = _delimiter(body, said[1] if said else None)
    rows = list(_rows(body, delimiter))
    names = [fold(plain(name)) for name in rows[0][0]]
    doubled = sorted({n for n in names if n and names.count(n) > 1})
    if doubled:
        raise InvalidDelivery(f"row 1 has the column(s) {', '.join(doubled)} twice")
    records, ragged = [], []
    for number, (cells, raw) in enumerate(rows[1:], start=2 + skipped):
        try:
            found = _named(names, cells)
        except ValueError:
            ragged.append(number)
            continue
        if any(value.strip() for value in found.values()):
            records.append(Record(number, raw, found))
    if ragged:
        raise InvalidDelivery(
            f"row(s) {numbers(ragged)} have more cells than the {len(names)} columns of row 1: is a quote lost?"
        )
    if records and not text.endswith(("\n", "\r")) and len(records[-1].cells["digest"].strip()) != DIGEST_CHARS:
        records.pop()  # cut inside its last row; the digest stands last, so that this shows
    return Sheet(encoding, delimiter, rows[0][1], tuple(records))


def _delimiter(text: str, said: str | None) -> str:
    first: list[str]
    for delimiter in [said] if said else DELIMITERS:
        try:
            first, _ = next(_rows(text, delimiter), ([""], ""))
        except InvalidDelivery:  # quotes that make no sense with this delimiter: it is another one
            continue
        if set(NEEDED) <= {fold(plain(name)) for name in first}:
            return delimiter
    shown = text[:80].splitlines()[0] if text.strip() else "nothing"
    raise InvalidDelivery(
        f"row 1 must name the columns {', '.join(COLUMNS)} (needed: {', '.join(NEEDED)}), with comma, semicolon or tab "
        f"between them; found {shown!r}"
    )


def _rows(text: str, delimiter: str) -> Iterator[tuple[list[str], str]]:
    """Each row's cells and its own text; quoted cells may hold line breaks."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) and len(lines) - start <= 1:
                return  # the file ends inside its last row: it is being written, or was cut
            raise InvalidDelivery(f"row {number} cannot be read: {error}") from error
        yield cells, "".join(lines[start : reader.line_num])
        start = reader.line_num


def _named(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    extra = [cell for cell in cells[len(names) :] if cell.strip()]
    if extra:
        raise ValueError(f"{len(cells)} cells for {len(names)} columns")
    padded = [*cells, *[""] * (len(names) - len(cells))]
    return {name: plain(cell) for name, cell in zip(names, padded, strict=False) if name in COLUMNS}


def _proves(sheet: Sheet, texts: Mapping[str, str]) -> bool:
    """Whether the texts that are not plain ASCII came back as they were sent, as far as Windows-1252 can write them."""
    wanted = [(r.cells.get("item", ""), texts.get(r.cells["key"], "")) for r in sheet.records]
    telling = [(found, sent) for found, sent in wanted if not sent.isascii()]
    same = sum(
        _squeezed(found) == _squeezed(sent.encode("cp1252", "replace").decode("cp1252")) for found, sent in telling
    )
    labels = all(r.cells["label"].isascii() for r in sheet.records)
    return 2 * same > len(telling) if telling else labels


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def numbers(rows: Sequence[int], most: int = 10) -> str:
    """Row numbers for people."""
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return ", ".join(map(str, sorted(rows)[:most])) + more
