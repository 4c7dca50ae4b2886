"""data/labels.parquet: always rebuilt from the seed labels and all sealed rounds, never appended to."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import Artifact, write_parquet
from tailfirst.ontology.versions import Versions
from tailfirst.paths import Workspace
from tailfirst.quality.gold import gold_items
from tailfirst.takedowns import Takedowns


def fold(ws: Workspace) -> Artifact:
    """Rebuild data/labels.parquet; the same folders always give the same bytes.

    Labels of items that were taken down, or that became gold, stay in the sealed folders and do not enter. One label
    per item: an AUDIT label stays AUDIT, whatever came later, so that it never trains; otherwise the newest round wins
    (a late label or a second opinion replaces an older one). A label of an older ontology version is read through the
    migrations: renamed and merged classes move, those of a split or retired class do not enter.

    Raises:
        TaskFolderError: A sealed round or the seed labels cannot be read.
    """
    return write_parquet(ws.labels, folded(ws))


def folded(ws: Workspace) -> pa.Table:
    """The labels (schemas.LABELS) by round and item id, each mapped from its ontology version to that of task.yaml."""
    rows, versions = newest(ws), Versions.if_any(ws)
    if versions is not None:
        moved = [(row, versions.move(row["class_id"], row["ontology_version"]).class_id) for row in rows]
        rows = [row | {"class_id": class_id} for row, class_id in moved if class_id is not None]
    rows.sort(key=lambda row: (row["round_no"], row["item_id"]))
    return pa.Table.from_pylist(rows, schema=schemas.LABELS)


def newest(ws: Workspace) -> list[dict[str, Any]]:
    """The label of each item as it was given, under the ontology version it was given under."""
    best: dict[str, dict[str, Any]] = {}
    gone = {*Takedowns.of(ws).ids, *gold_items(ws)}
    for path in [*([ws.seed_labels] if ws.seed_labels.exists() else []), *sealed_labels(ws)]:
        for item_id, round_no in _retracted(path.parent):
            if item_id in best and round_no in {best[item_id]["round_no"], best[item_id]["late_for_round"]}:
                del best[item_id]
        for row in schemas.read(path, schemas.LABELS).to_pylist():
            if row["item_id"] in gone:
                continue
            held = best.get(row["item_id"])
            if held is None or _rank(row) >= _rank(held):
                best[row["item_id"]] = row
    return list(best.values())


def sealed_folders(ws: Workspace) -> list[Path]:
    """The sealed rounds' folders, oldest first; names that are no numbers are none."""
    return sorted(p for p in ws.rounds.glob("[0-9][0-9][0-9][0-9]*") if p.is_dir() and p.name.isdecimal())


def sealed_labels(ws: Workspace) -> list[Path]:
    """The label tables of all sealed rounds, oldest first."""
    return [folder / "labels.parquet" for folder in sealed_folders(ws)]


def _retracted(folder: Path) -> list[tuple[str, int]]:
    """Labels of earlier rounds that a sealed folder takes back: item id and the round that ordered."""
    path = folder / "round.json"
    if not path.exists():  # the folder of the seed labels
        return []
    record = json.loads(path.read_text(encoding="utf-8"))
    return [(one["item_id"], one["round_no"]) for one in record.get("retracted", ())]


def _rank(row: dict[str, Any]) -> tuple[bool, int]:
    return row["purpose"] == "AUDIT", row["round_no"]
