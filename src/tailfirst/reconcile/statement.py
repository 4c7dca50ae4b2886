"""Reading the vendor's statement: CSV with a header, or JSON lines. Nothing is guessed; every bad row is named."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from pathlib import Path
from typing import Any

from tailfirst.errors import UserError
from tailfirst.reconcile.match import Invoiced

COLUMNS: Mapping[str, tuple[str, ...]] = {  # ours -> as others call it; the first that is there counts
    "line_id": ("line_id", "invoice_line_id", "invoice_line", "line", "id"),
    "key": ("key", "submission_key", "task_key", "external_id", "reference"),
    "order": ("order", "order_id", "batch", "batch_id", "vendor_batch_id"),
    "amount": ("amount", "charge", "total", "price"),
    "currency": ("currency", "currency_code"),
    "date": ("date", "invoice_date", "charged_at", "at"),
}
OPTIONAL = "order"
LARGEST = Decimal(10) ** 12  # in units of the currency: what integer micros hold in 64 bits
SHOWN = 5  # bad rows in a message

Rows = Sequence[tuple[int, Mapping[str, str]]]  # row number in the file, cells by normalised header


def read(path: Path, currency: str) -> list[Invoiced]:
    """The lines of a statement file; a JSON-lines file is known by its first character.

    Raises:
        UserError: No such file, no rows, missing columns, or rows that cannot be used; names them. Nothing is taken.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the statement {path} cannot be read as UTF-8 text: {error}") from error
    try:
        rows = list(_json_rows(text) if text.lstrip().startswith("{") else _csv_rows(text))
    except (ValueError, csv.Error) as error:
        raise UserError(f"the statement {path.name} is neither CSV nor JSON lines: {error}") from error
    if not rows:
        raise UserError(f"the statement {path.name} holds no lines; is it the right file?")
    return _lines(path.name, rows, currency)


def unique(lines: Sequence[tuple[str, Invoiced]], where: str) -> list[Invoiced]:
    """The lines, if every id is there once; `lines` come with the place where each stands.

    Raises:
        UserError: Names the places.
    """
    seen: dict[str, str] = {}
    wrong = []
    for place, line in lines:
        if line.stored_as in seen:
            wrong.append(f"{place}: line id {line.line_id!r} stands in {seen[line.stored_as]} too")
        seen.setdefault(line.stored_as, place)
    refuse(where, wrong)
    return [line for _, line in lines]


def refuse(where: str, wrong: Sequence[str]) -> None:
    """Name what cannot be used.

    Raises:
        UserError: If there is anything.
    """
    if wrong:
        rest = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UserError(
            f"{where}: {len(wrong)} rows cannot be used: {'; '.join(wrong[:SHOWN])}{rest}; nothing was taken, "
            "correct the file or ask the vendor for another"
        )


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    head = text.lstrip().partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    header: list[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [_name(cell) for cell in cells]
        elif len(cells) > len(header):
            raise ValueError(f"row {reader.line_num} has {len(cells)} cells, the header {len(header)}")
        else:
            yield reader.line_num, dict(zip(header, cells, strict=False))


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line, parse_float=Decimal)
        except ValueError as error:
            raise ValueError(f"row {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is no JSON object")  # noqa: TRY004 - like every other unreadable row
        yield number, {_name(name): "" if value is None else str(value) for name, value in row.items()}


def _name(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_").replace("-", "_")


def _lines(where: str, rows: Rows, currency: str) -> list[Invoiced]:
    there = {name for _, row in rows for name in row}
    columns = {ours: next((n for n in names if n in there), "") for ours, names in COLUMNS.items()}
    missing = [ours for ours, found in columns.items() if not found and ours != OPTIONAL]
    if missing:
        asked = ", ".join(f"{ours} (or {', '.join(COLUMNS[ours][1:])})" for ours in missing)
        raise UserError(f"{where} has no column {asked}; its columns are: {', '.join(sorted(there))}")
    good: list[tuple[str, Invoiced]] = []
    wrong: list[str] = []
    for number, row in rows:
        cells = {ours: row.get(found, "").strip() for ours, found in columns.items()}
        try:
            good.append((f"row {number}", _line(cells, currency)))
        except ValueError as error:
            wrong.append(f"row {number}: {error}")
    refuse(where, wrong)
    return unique(good, where)


def _line(cells: Mapping[str, str], currency: str) -> Invoiced:
    if not cells["line_id"]:
        raise ValueError("it has no line id")
    if cells["currency"].upper() != currency:
        found = cells["currency"] or "no currency"
        raise ValueError(f"{found}, but the campaign counts in {currency} and the ledger converts nothing")
    return Invoiced(
        cells["line_id"],
        cells["key"] or None,
        cells["order"] or None,
        _micros(cells["amount"]),
        _moment(cells["date"]),
    )


def _micros(text: str) -> int:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"amount {text!r} is no number; write it like 12.50, a credit like -12.50") from error
    if not amount.is_finite() or abs(amount) >= LARGEST:
        raise ValueError(f"amount {text!r} is not below {LARGEST:,}")
    if amount * 1_000_000 % 1:
        raise ValueError(f"amount {text!r} has more than six decimals; the ledger counts in millionths")
    return int(amount * 1_000_000)


def _moment(text: str) -> datetime:
    """A date or time in ISO 8601; UTC where no zone is given."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"date {text!r} is not like 2026-03-31") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
