"""Naming gold: known answers go into data/gold.parquet, and their items leave the training set for good.

Gold comes from people: seed labels, or experts who looked at the items. Never from a model or from a round's labels.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.context import Context
from tailfirst.errors import UserError
from tailfirst.intake.rows import as_label, columns_of, first_of, read_rows
from tailfirst.items import load_items
from tailfirst.labeling.fold import fold, sealed_folders
from tailfirst.ontology.tables import VERSION, given_versions, read_known
from tailfirst.quality.gold import STREAM, gold_items, read_gold, uses

ITEM = ("item_id", "item", "id")
CLASS = ("class_id", "class", "label", "class_name")


@dataclass(frozen=True, slots=True)
class Named:
    """What became of the answers that were given."""

    added: int
    changed: int  # had another answer before
    total: int


def from_table(ctx: Context, path: Path, expert: str) -> Named:
    """Take the answers of an expert from a table with an item id and a class per row.

    Raises:
        UserError: The table cannot be read, or an item cannot be gold; names the rows, and nothing is changed.
    """
    if not expert.strip():
        raise UserError("gold needs a name: who looked at these items? give --expert NAME")
    found = columns_of(path)
    item_column, class_column = first_of(found, ITEM), first_of(found, CLASS)
    if item_column is None or class_column is None:
        raise UserError(
            f"{path} needs a column for the item ({', '.join(ITEM)}) and one for the class ({', '.join(CLASS)}); "
            f"it has: {', '.join(found)}"
        )
    answers: dict[str, str] = {}
    wrong: list[str] = []
    for row in read_rows(path, (item_column, class_column)):
        item, label = as_label(row.values[0]) or "", as_label(row.values[1]) or ""
        class_id = ctx.task.resolve(label)
        if class_id is None:
            wrong.append(f"row {row.number}: no class {label!r}")
        elif answers.setdefault(item, class_id) != class_id:
            wrong.append(f"row {row.number}: item {item} has two answers")
    return name(ctx, answers, f"expert:{expert.strip()}", wrong)


def from_seed(ctx: Context, n: int) -> Named:
    """Turn `n` seed labels into gold, evenly over the classes, by chance within a class.

    Raises:
        UserError: There are fewer seed labels that are no gold yet.
    """
    there = ctx.ws.seed_labels.exists()
    seeds = read_known(ctx.ws, ctx.ws.seed_labels, schemas.LABELS).to_pylist() if there else []
    known = gold_items(ctx.ws)
    by_class: dict[str, list[str]] = defaultdict(list)
    for row in sorted(seeds, key=lambda row: row["item_id"]):
        if row["item_id"] not in known:
            by_class[row["class_id"]].append(row["item_id"])
    rng = np.random.default_rng([ctx.params.campaign.seed, STREAM])
    drawn = [
        (place, c, item) for c in sorted(by_class) for place, item in enumerate(rng.permutation(by_class[c]).tolist())
    ]
    if len(drawn) < n:
        raise UserError(f"{n} gold items were asked of the seed labels; {len(drawn)} of them are no gold yet")
    return name(ctx, {item: class_id for _, class_id, item in sorted(drawn)[:n]}, "seed", [])


def name(ctx: Context, answers: dict[str, str], source: str, wrong: Sequence[str]) -> Named:
    """Write the answers beside those that are there, and rebuild data/labels.parquet without these items.

    Raises:
        UserError: An item is unknown, holdout, audit or in flight; nothing is changed.
    """
    problems = [*wrong, *_unfit(ctx, answers)]
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(f"no gold was named: {'; '.join(problems[:5])}{more}")
    rows, now = _before(ctx), read_gold(ctx.ws)
    changed = sum(item in rows and now.get(item) != answer for item, answer in answers.items())
    added = sum(item not in rows for item in answers)
    known = {"source": source, VERSION: ctx.task.ontology_version}
    rows |= {item: {"item_id": item, "class_id": answer, **known} for item, answer in answers.items()}
    schema = schemas.GOLD.append(pa.field(VERSION, pa.string()))
    write_parquet(ctx.ws.gold, pa.Table.from_pylist([rows[i] for i in sorted(rows)], schema=schema))
    fold(ctx.ws)
    return Named(added, changed, len(rows))


def _before(ctx: Context) -> dict[str, dict[str, str | None]]:
    """The rows of data/gold.parquet as they are, each with the version it was named under, where it says so."""
    if not ctx.ws.gold.exists():
        return {}
    rows = schemas.read(ctx.ws.gold, schemas.GOLD).to_pylist()
    given = given_versions(ctx.ws.gold)
    at = [None] * len(rows) if given is None else given.to_pylist()
    return {row["item_id"]: row | {VERSION: version} for row, version in zip(rows, at, strict=True)}


def exposure(ctx: Context) -> dict[str, int]:
    """How often each gold item was shown so far."""
    used = uses(sealed_folders(ctx.ws))
    return {item: used[item] for item in read_gold(ctx.ws)}


def _unfit(ctx: Context, answers: dict[str, str]) -> list[str]:
    items = load_items(ctx.ws)
    pool, holdout = set(items.item_ids[items.is_pool].tolist()), set(items.holdout_ids.tolist())
    labels = schemas.read(ctx.ws.labels, schemas.LABELS).to_pylist() if ctx.ws.labels.exists() else []
    audits = {row["item_id"] for row in labels if row["purpose"] == "AUDIT"}
    flying = {task.item_id for task in ctx.ledger.tasks.in_flight(ctx.campaign) if task.state != "EXPERT_QUEUE"}
    reasons = {
        "is in the holdout: what measures the model tests nobody": holdout,
        "is an audit item: what measures the model tests nobody": audits,
        "is in flight: name it when its round is sealed": flying,
    }
    found = [f"item {item} {why}" for why, those in reasons.items() for item in answers if item in those]
    return found + [f"no item {item!r} in the pool" for item in answers if item not in pool | holdout]
