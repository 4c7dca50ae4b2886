"""A small workspace with pictures, an open corpus and params, written row by row."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.config import Params
from tailfirst.items import sha256_text
from tailfirst.paths import Workspace
from tailfirst.task import ClassDef, Task, save_task

CLASSES = (
    ClassDef("bear", "polar bear", ("ice bear", "bear")),
    ClassDef("truck", "fire truck", ("fire engine",)),
    ClassDef("tuna", "bluefin tuna", ()),
)


def params(**sections: Any) -> Params:
    value: dict[str, Any] = {
        "campaign": {"name": "open", "seed": 3},
        "encoder": {"plugin": "clip"},
        "candidates": {},
        "acquisition": {"strategy": {"plugin": "random"}},
        "vendor": {"plugin": "simulated"},
        "retrieval": {"names": "official"},
        **{name: {} for name in ("evaluation", "choice", "round", "money", "stopping", "control")},
    }
    for name, section in sections.items():
        value[name] = {**value.get(name, {}), **section}
    return Params.model_validate(value)


def write_task(root: Path, modality: str = "image", classes: Sequence[ClassDef] = CLASSES) -> Workspace:
    ws = Workspace(root)
    ws.data.mkdir(parents=True, exist_ok=True)
    save_task(Task("open", modality, "1", tuple(classes), ("{}",)), ws.task)
    return ws


def write_items(ws: Workspace, contents: Sequence[bytes | str]) -> list[str]:
    """Images as files, texts in the table; every third one is holdout. Gives the sha256 of each."""
    shas, rows = [], []
    for number, content in enumerate(contents):
        row = dict.fromkeys(schemas.ITEMS.names)
        if isinstance(content, bytes):
            sha = hashlib.sha256(content).hexdigest()
            row["path"] = f"images/{number}.png"
            (ws.data / "images").mkdir(exist_ok=True)
            (ws.data / row["path"]).write_bytes(content)
        else:
            sha = sha256_text(content)
            row["text"] = content
        rows.append(row | {"item_id": sha[:20], "sha256": sha, "role": "holdout" if number % 3 == 2 else "pool"})
        shas.append(sha)
    pq.write_table(pa.Table.from_pylist(rows, schema=schemas.ITEMS), ws.items)
    return shas


def open_row(number: int, caption: str, image: bytes | None = None, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(schemas.OPEN.names) | {"open_id": f"o{number:019x}", "caption": caption, "image": image}
    if image is not None:
        row["sha256"] = hashlib.sha256(image).hexdigest()
    return row | {"licence": "cc0-1.0", "nsfw": 0.0, "source": "book"} | more


def write_open(ws: Workspace, *shards: Sequence[dict[str, Any]], group: int = 4) -> None:
    ws.open.mkdir(exist_ok=True)
    for number, rows in enumerate(shards):
        table = pa.Table.from_pylist(list(rows), schema=schemas.OPEN)
        pq.write_table(table, ws.open / f"part-{number}.parquet", row_group_size=group)
