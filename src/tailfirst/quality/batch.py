"""Gold and second opinions in the stage `acquire`: what is read for them, and how they get into the batch's table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst import pool, schemas
from tailfirst.config import Acquisition, Params, Quality
from tailfirst.contracts import Floats, Ids, PoolView
from tailfirst.labeling.fold import newest
from tailfirst.labels import TRAINS
from tailfirst.ontology.fallen import closed
from tailfirst.ontology.versions import Versions
from tailfirst.paths import Workspace
from tailfirst.quality import gold, history
from tailfirst.quality.repeats import Known, Repeat, mixed, repeats

RANDOM_STAGES = ("audit", "control")  # first in buying order: a money cap cuts from the end


class Places(Protocol):
    """Which items there are."""

    @property
    def item_ids(self) -> Ids:
        """(N,)."""

    @property
    def is_pool(self) -> NDArray[np.bool_]:
        """(N,)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What sealed rounds and data/gold.parquet say; the model's part of `Known` comes later."""

    gold: Mapping[str, str]
    used: Mapping[str, int]
    history: history.History
    confidence: Mapping[str, float]
    out_of_sample: Mapping[str, Floats]
    class_ids: tuple[str, ...]
    closed: frozenset[str] = frozenset()  # by a change of the ontology

    @property
    def not_new(self) -> frozenset[str]:
        """Pool items never bought as new ones: gold, closed, and what waits for another answer or an expert."""
        return frozenset({*self.gold, *self.closed, *self.history.again, *self.history.experts})


def not_new(ws: Workspace) -> frozenset[str]:
    """Pool items never bought as new ones: gold, closed, and what waits for another answer or an expert.

    Raises:
        TaskFolderError: A file cannot be read.
    """
    found = history.History.of(_folders(ws))
    shut = closed(newest(ws), Versions.if_any(ws))
    return frozenset({*gold.gold_items(ws), *shut, *found.again, *found.experts})


def read(ws: Workspace, labels: pa.Table, places: Places, class_ids: tuple[str, ...]) -> Asked:
    """Gather; items that are gone (taken down) are left out everywhere.

    Raises:
        TaskFolderError: A file cannot be read.
    """
    folders = _folders(ws)
    here = frozenset(places.item_ids[places.is_pool].tolist())
    versions = Versions.if_any(ws)
    found = history.History.of(folders, versions)
    was_gold = gold.gold_items(ws) & here
    return Asked(
        gold=_only(gold.read_gold(ws), here),
        used=gold.uses(folders),
        history=history.History(
            _only(found.answers, here), found.asked, _only(found.again, here), _only(found.experts, here),
            found.ambiguous,
        ),
        confidence={
            row["item_id"]: 1.0 if row["confidence"] is None else row["confidence"]
            for row in labels.to_pylist()
            if row["purpose"] in TRAINS and row["item_id"] in here
        },
        out_of_sample=history.out_of_sample(folders, class_ids),
        class_ids=class_ids,
        closed=frozenset({*closed(newest(ws), versions), *was_gold}) & here if versions else frozenset(),
    )  # fmt: skip


def choose(asked: Asked, view: PoolView, params: Params, round_no: int) -> tuple[Repeat, ...]:
    """The repeats of the next batch."""
    known = Known(
        asked.gold, asked.used, asked.history, asked.confidence, asked.out_of_sample, view.probs, asked.class_ids
    )
    seed = [params.campaign.seed, round_no]
    return repeats(known, params.acquisition.budget, params.quality, len(view.item_ids), seed)


def clear(
    asked: Asked, eligible: NDArray[np.bool_], probs: NDArray[np.float32] | None, quality: Quality, budget: int
) -> NDArray[np.bool_]:
    """(N,) eligible items without those between two classes that people cannot keep apart (row 31).

    Where that would leave less than the budget, all stay: a campaign does not end over a guideline.
    """
    if probs is None or not quality.stop_ambiguous or not asked.history.ambiguous:
        return eligible
    pairs = {frozenset(pair) for pair in asked.history.ambiguous}
    rows = np.flatnonzero(eligible)
    best = np.argsort(-np.asarray(probs[rows], np.float64), axis=1, kind="stable")[:, :2].tolist()
    between = [frozenset((asked.class_ids[a], asked.class_ids[b])) in pairs for a, b in best]
    kept = eligible.copy()
    kept[rows[between]] = False
    return kept if kept.sum() >= budget else eligible


def left(acquisition: Acquisition, n_repeats: int) -> Acquisition:
    """The section with what the repeats leave of the budget for new items."""
    return (
        acquisition.model_copy(update={"budget": max(acquisition.budget - n_repeats, 1)}) if n_repeats else acquisition
    )


def notes(again: Sequence[Repeat], budget: int) -> dict[str, Any]:
    """For acquisition.json; nothing where nothing is repeated."""
    if not again:
        return {}
    n_gold = sum(one.purpose == gold.PURPOSE for one in again)
    return {"budget": budget, "gold": n_gold, "relabel": len(again) - n_gold}


@dataclass(frozen=True, slots=True)
class Looks:
    """What the batch table says of an item besides why it was chosen."""

    item_ids: Ids  # (N,)
    probs: NDArray[np.float32] | None  # (N, C)
    class_ids: tuple[str, ...]
    shas: Mapping[str, str]

    def columns(self, item: str, rows: Mapping[str, int]) -> dict[str, Any]:
        """predicted, probability and item_sha256."""
        row = None if self.probs is None else self.probs[rows[item]].astype(np.float64)
        return {
            "predicted": None if row is None else self.class_ids[int(row.argmax())],
            "probability": None if row is None else float(row.max()),
            "item_sha256": self.shas.get(item),
        }


def mix(table: pa.Table, again: Sequence[Repeat], looks: Looks, seed: list[int]) -> pa.Table:
    """The batch with its repeats among the picks, ranked anew; without repeats the table as it is."""
    if not again:
        return table
    places = {item: row for row, item in enumerate(looks.item_ids.tolist())}
    rows = [
        {
            "item_id": one.item_id, "rank": 0, "purpose": one.purpose, "strategy": one.purpose.lower(),
            "stage": one.purpose.lower(), "reason": one.reason, "score": one.score, "inclusion_probability": None,
            **looks.columns(one.item_id, places),
        }
        for one in again
    ]  # fmt: skip
    whole = pa.concat_tables([table, pa.Table.from_pylist(rows, schema=schemas.BATCH)])
    n_first = sum(stage in RANDOM_STAGES for stage in table["stage"].to_pylist())
    order = mixed(n_first, table.num_rows - n_first, len(again), seed)
    ranks = pa.array(range(len(order)), pa.int64())
    ranked = whole.take(order).set_column(whole.schema.get_field_index("rank"), schemas.BATCH.field("rank"), ranks)
    return ranked.replace_schema_metadata(table.schema.metadata)


def _folders(ws: Workspace) -> list[Path]:
    return [ws.sealed(number) for number in pool.sealed_rounds(ws.rounds)]


def _only(values: Mapping[str, Any], here: frozenset[str]) -> dict[str, Any]:
    return {item: value for item, value in values.items() if item in here}
