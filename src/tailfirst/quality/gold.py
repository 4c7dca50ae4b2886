"""Gold: items with known answers that test annotators (specs/vendor.md section 9). They never train and never measure.

A gold item is an ordinary pool item that was taken out of the pool. Which of them a round shows is decided here: the
least used first, chance among equals, none above its cap, so that exposure is even and sets rotate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tailfirst import schemas
from tailfirst.errors import TaskFolderError
from tailfirst.ontology.tables import read_known
from tailfirst.paths import Workspace

PURPOSE = "GOLD"
STREAM = 3  # of random numbers, beside those of acquisition/_compose.py


def read_gold(ws: Workspace, version: str | None = None) -> dict[str, str]:
    """Known answers: item id -> class id of today, or of an older version; empty where the workspace has none.

    Ended classes fall away.

    Raises:
        TaskFolderError: data/gold.parquet cannot be read, or an item stands there twice.
    """
    if not ws.gold.exists():
        return {}
    table = read_known(ws, ws.gold, schemas.GOLD, version)
    found = dict(zip(table["item_id"].to_pylist(), table["class_id"].to_pylist(), strict=True))
    if len(found) < table.num_rows:
        raise TaskFolderError(f"{ws.gold} names {table.num_rows - len(found)} items twice; `tailfirst gold` writes it")
    return found


def gold_items(ws: Workspace) -> frozenset[str]:
    """Items that are or were gold, whatever became of their class: they never train.

    Raises:
        TaskFolderError: data/gold.parquet cannot be read.
    """
    if not ws.gold.exists():
        return frozenset()
    return frozenset(schemas.read(ws.gold, schemas.GOLD)["item_id"].to_pylist())


def uses(folders: Sequence[Path]) -> Counter[str]:
    """How often sealed rounds showed each gold item, from their batches: exposure is counted, not remembered."""
    counted: Counter[str] = Counter()
    for folder in folders:
        path = folder / "batch.parquet"
        if path.exists():
            rows = schemas.read(path, schemas.BATCH).select(["item_id", "purpose"]).to_pylist()
            counted.update(row["item_id"] for row in rows if row["purpose"] == PURPOSE)
    return counted


def choose(
    gold: Mapping[str, str], used: Mapping[str, int], wanted: int, max_uses: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """At most `wanted` gold items for a round, least used first; fewer where the others are used up."""
    open_items = sorted(item for item in gold if used.get(item, 0) < max_uses)
    lots = rng.permutation(len(open_items))
    order = sorted(range(len(open_items)), key=lambda row: (used.get(open_items[row], 0), lots[row]))
    return tuple(open_items[row] for row in order[:wanted])
