"""What no earlier seal has exported: late deliveries, and cost lines.

The ledger knows in which folder each stands. Where it does not, the folders are asked: a ledger of an older version,
or one that was restored, learns it at its next seal.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tailfirst import schemas
from tailfirst.context import Context
from tailfirst.labeling._tables import COSTS
from tailfirst.labeling.fold import sealed_folders
from tailfirst.ledger.exports import Line, Place
from tailfirst.ledger.records import CostRow, DeliveryRow, RoundRow

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Unexported(Generic[V, K]):
    """Rows that this seal is to export, and places that turned out to stand in an earlier folder (its round)."""

    rows: tuple[V, ...]
    elsewhere: Mapping[K, int]


def late_deliveries(ctx: Context, before: int) -> Unexported[tuple[int, DeliveryRow], Place]:
    """Of sealed rounds below `before`, with the round that ordered."""
    found = {(no, d.vendor_id, d.revision): (no, d) for no, d in ctx.ledger.exports.late(ctx.campaign, before)}
    return _apart(ctx, found, {no for no, _, _ in found}, before, _places)


def cost_lines(ctx: Context, row: RoundRow) -> Unexported[CostRow, Line]:
    """The round's own, and those of earlier rounds; by round and id."""
    waiting = ctx.ledger.exports.unsealed_lines(ctx.campaign, row.round_no)
    found = {(line.round_no, line.line_id): line for line in waiting}
    return _apart(ctx, found, {no for no, _ in found}, row.round_no, _lines)


def _apart(
    ctx: Context, found: Mapping[K, V], rounds: set[int], before: int, read: Callable[[Path], Iterable[K]]
) -> Unexported[V, K]:
    """Nothing stands in a folder that is older than the round that ordered it."""
    first = min(rounds, default=before)
    folders = [folder for folder in sealed_folders(ctx.ws) if first <= int(folder.name) < before]
    elsewhere = {place: int(folder.name) for folder in folders for place in read(folder) if place in found}
    return Unexported(tuple(one for place, one in found.items() if place not in elsewhere), elsewhere)


def _places(folder: Path) -> Iterable[Place]:
    lines = (folder / "deliveries.jsonl").read_text(encoding="utf-8").splitlines()
    return [(int(row["round_no"]), str(row["vendor_id"]), str(row["revision"])) for row in map(json.loads, lines)]


def _lines(folder: Path) -> Iterable[Line]:
    table = schemas.read(folder / "costs.parquet", COSTS)
    return zip(table["round_no"].to_pylist(), table["line_id"].to_pylist(), strict=True)
