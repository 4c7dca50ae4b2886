"""Write the demo's ``data/``: ``python -m tailfirst.demo.make [--root DIR]``.

The folder appears whole or not at all, and its bytes are the same on every run and every machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tailfirst import artifacts, schemas
from tailfirst.demo.classes import task_document
from tailfirst.demo.corpus import DEMO, ItemPlan, Size, plan_items
from tailfirst.demo.draw_jobs import drawn, item_bytes, open_bytes
from tailfirst.demo.open_plan import OpenPlan, plan_open
from tailfirst.demo.tarshard import Entry, write_tar
from tailfirst.errors import TaskFolderError, UserError
from tailfirst.paths import Workspace

RECIPE = "demo-1"
"""Raised when the bytes change."""

MANIFEST = "demo.json"
OPEN_SHARD_ROWS = 5_500

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What :func:`make_demo` did.

    Attributes:
        data: the data folder.
        written: False when it was there already, unchanged.
        items: rows of ``items.parquet``.
        open_rows: rows of the open corpus.
        size_bytes: size of the files.
    """

    data: Path
    written: bool
    items: int
    open_rows: int
    size_bytes: int


def make_demo(root: Path, *, size: Size = DEMO, workers: int = 1, progress: Progress | None = None) -> Made:
    """Write ``root/data`` whole, or find that it is there already.

    Args:
        root: workspace folder; created if missing.
        size: how many pictures; tests use a small one.
        workers: drawing processes; does not change the bytes.
        progress: where to show the drawing, if anywhere.

    Returns:
        What was done.

    Raises:
        TaskFolderError: ``root/data`` holds something other than this demo.
    """
    ws = Workspace(root)
    if ws.data.exists():
        return _found(ws.data, size)
    with artifacts.atomic_folder(ws.data) as folder:
        items = _write_items(folder, size, workers, _bar(progress, "pool and holdout", size.pool))
        plans = plan_open(size, items)
        _write_open(folder / "open", plans, workers, _bar(progress, "open corpus", len(plans)))
        _write_task(folder)
        manifest = _manifest(folder, size, len(items), len(plans))
        artifacts.write_json(folder / MANIFEST, manifest)
    return _made(ws.data, manifest, written=True)


def _write_items(folder: Path, size: Size, workers: int, bar: tuple[Advance, Callable[[int], None]]) -> list[ItemPlan]:
    """Write the tar shards, ``items.parquet`` and the two tables of labels."""
    advance, total = bar
    everything: list[ItemPlan] = []
    rows: list[dict[str, Any]] = []
    labels: dict[str, list[dict[str, str]]] = {"pool": [], "holdout": []}
    roles = {role: plan_items(role, size) for role in ("pool", "holdout")}
    total(sum(len(plans) for plans in roles.values()))
    for role, plans in roles.items():
        shard = f"shards/{role}-000.tar"
        entries = write_tar(folder / shard, drawn(item_bytes, plans, workers, advance))
        for plan, entry in zip(plans, entries, strict=True):
            rows.append(_item_row(plan, entry, shard))
            labels[role].append({"item_id": entry.sha256[:20], "class_id": plan.thing})
        everything += plans
    _refuse_twins([row["item_id"] for row in rows])
    artifacts.write_parquet(folder / "items.parquet", _table(rows, schemas.ITEMS, "item_id"))
    artifacts.write_parquet(folder / "oracle.parquet", _table(labels["pool"], schemas.LABELED, "item_id"))
    artifacts.write_parquet(folder / "holdout.parquet", _table(labels["holdout"], schemas.LABELED, "item_id"))
    for name in ("seed_labels", "labels"):
        artifacts.write_parquet(folder / f"{name}.parquet", schemas.LABELS.empty_table())
    return everything


def _write_open(
    folder: Path, plans: Sequence[OpenPlan], workers: int, bar: tuple[Advance, Callable[[int], None]]
) -> None:
    """Write the captioned corpus as parquet shards."""
    advance, total = bar
    total(len(plans))
    rows: list[dict[str, Any]] = []
    shards = 0
    for plan, png in zip(plans, drawn(open_bytes, plans, workers, advance), strict=True):
        rows.append(_open_row(plan, png))
        if len(rows) == OPEN_SHARD_ROWS:
            artifacts.write_parquet(
                folder / f"part-{shards:03d}.parquet", pa.Table.from_pylist(rows, schema=schemas.OPEN)
            )
            rows, shards = [], shards + 1
    if rows:
        artifacts.write_parquet(folder / f"part-{shards:03d}.parquet", pa.Table.from_pylist(rows, schema=schemas.OPEN))


def _item_row(plan: ItemPlan, entry: Entry, shard: str) -> dict[str, Any]:
    return {
        "item_id": entry.sha256[:20],
        "sha256": entry.sha256,
        "role": plan.role,
        "shard": shard,
        "offset": entry.offset,
        "length": entry.length,
        "source": plan.source,
        "licence": plan.licence,
    }


def _open_row(plan: OpenPlan, png: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(plan.caption.encode() + b"\0" + png).hexdigest()
    return {
        "open_id": f"o{digest[:19]}",
        "caption": plan.caption,
        "sha256": artifacts.sha256_bytes(png),
        "image": png,
        "licence": plan.licence,
        "nsfw": plan.nsfw,
        "source": plan.source,
    }


def _write_task(folder: Path) -> None:
    text = yaml.safe_dump(task_document(), sort_keys=False, allow_unicode=True, width=120)
    artifacts.write_bytes(folder / "task.yaml", text.encode())


def _table(rows: list[Any], schema: pa.Schema, order: str) -> pa.Table:
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row[order])), schema=schema)


def _refuse_twins(item_ids: list[str]) -> None:
    if len(set(item_ids)) != len(item_ids):
        raise TaskFolderError(f"two of the {len(item_ids)} drawn items have the same bytes; change the demo's seed")


def _manifest(folder: Path, size: Size, items: int, open_rows: int) -> dict[str, Any]:
    """Describe the facts; labels and rounds are left out because campaigns add to them."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "labels.parquet")
    return {
        "recipe": RECIPE,
        "size": [getattr(size, name) for name in sorted(Size.__slots__)],
        "items": items,
        "open_rows": open_rows,
        "files": {p.relative_to(folder).as_posix(): artifacts.sha256_file(p) for p in files},
    }


def _found(data: Path, size: Size) -> Made:
    """Accept an existing folder only if it is this demo, unchanged.

    Raises:
        TaskFolderError: It is something else, or some of its files changed.
    """
    path = data / MANIFEST
    manifest = json.loads(path.read_text()) if path.exists() else {}
    same = manifest.get("recipe") == RECIPE and manifest.get("size") == [
        getattr(size, n) for n in sorted(Size.__slots__)
    ]
    if not same:
        what = f"recipe {manifest.get('recipe')!r}" if manifest else "something that is not the demo"
        raise TaskFolderError(
            f"{data} exists and holds {what}, asked for {RECIPE}; move it away or choose another --root"
        )
    changed = [name for name, digest in manifest["files"].items() if not _intact(data / name, digest)]
    if changed:
        raise TaskFolderError(
            f"{data} is the demo, but {', '.join(changed)} changed or is gone; remove the folder and run this again"
        )
    return _made(data, manifest, written=False)


def _intact(path: Path, digest: str) -> bool:
    return path.is_file() and artifacts.sha256_file(path) == digest


def _made(data: Path, manifest: dict[str, Any], *, written: bool) -> Made:
    size_bytes = sum((data / name).stat().st_size for name in manifest["files"])
    return Made(data, written, manifest["items"], manifest["open_rows"], size_bytes)


def _bar(progress: Progress | None, text: str, total: int) -> tuple[Advance, Callable[[int], None]]:
    """Return how to advance a bar and how to set its total."""
    if progress is None:
        return (lambda _: None), (lambda _: None)
    task = progress.add_task(text, total=total)
    return (lambda n: progress.advance(task, n)), (lambda n: progress.update(task, total=n))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m tailfirst.demo.make", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="workspace folder (default: here)")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 8), help="drawing processes")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            made = make_demo(chosen.root, workers=chosen.workers, progress=progress)
    except UserError as error:
        console.print(f"error: {error}", markup=False)
        return 2
    verb = "wrote" if made.written else "found unchanged"
    console.print(
        f"{verb} {made.data}: {made.items:,} items, {made.open_rows:,} open pictures, {made.size_bytes / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
