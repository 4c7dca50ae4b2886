"""A selection as the table and the notes that the acquire stage writes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tailfirst import schemas
from tailfirst.acquisition import _probs
from tailfirst.config import Params
from tailfirst.contracts import PoolView, Selection

RANDOM_STAGES = ("audit", "control")


def batch_table(view: PoolView, chosen: Selection, shas: dict[str, str], params: Params, round_no: int) -> pa.Table:
    """schemas.BATCH, rank 0 first to be bought; rows of a view become item ids here and nowhere else."""
    ids = view.item_ids[chosen.rows].tolist()
    looks = _probs.rows(view, chosen.rows) if _probs.known(view) else None
    best = None if looks is None else looks.argmax(axis=1)
    columns: dict[str, list[Any]] = {
        "item_id": ids,
        "rank": list(range(len(ids))),
        "purpose": ["AUDIT" if stage == "audit" else "TRAIN" for stage in chosen.stages],
        "strategy": [params.acquisition.strategy.plugin] * len(ids),
        "stage": list(chosen.stages),
        "reason": list(chosen.reasons),
        "score": [
            None if stage in RANDOM_STAGES else float(s) for stage, s in zip(chosen.stages, chosen.scores, strict=True)
        ],
        "inclusion_probability": [None if np.isnan(p) else float(p) for p in chosen.inclusion_probabilities],
        "predicted": [None] * len(ids) if best is None else [view.class_ids[c] for c in best],
        "probability": [None] * len(ids) if looks is None else [float(p) for p in looks.max(axis=1)],
        "item_sha256": [shas.get(item) for item in ids],
    }
    notes = {
        "round_no": str(round_no),
        "seed": str(params.campaign.seed),
        "strategy": params.acquisition.strategy.plugin,
    }
    return pa.table(columns, schema=schemas.BATCH).replace_schema_metadata(notes)


def empty_selection() -> Selection:
    """No pick at all: the pool is used up."""
    return Selection(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), (), ())


def notes(view: PoolView, chosen: Selection, params: Params, round_no: int) -> dict[str, Any]:
    """acquisition.json: what the strategy said about the batch."""
    eligible, wanted = len(view.item_ids), params.acquisition.budget
    short = f"only {eligible} of {wanted} items are left: the batch is the whole pool" if eligible < wanted else None
    return {
        "strategy": params.acquisition.strategy.plugin,
        "round_no": round_no,
        "budget": wanted,
        "items": len(chosen.rows),
        "eligible": eligible,
        "note": short if eligible else "no eligible item is left: the batch is empty and the campaign is over",
        "starved": list(chosen.starved),
        "capped": list(chosen.capped),
        "exhausted": list(chosen.exhausted),
        "retrieved_weight": chosen.retrieved_weight,
        "pool_size": view.pool_size + view.taken_down,
        "counts_before": _rounded(chosen.counts_before),
        "counts_after": _rounded(chosen.counts_after),
        "audit": chosen.stages.count("audit"),
        "control": chosen.stages.count("control"),
        "cold_start": "cold_start" in chosen.stages,
        "seed": params.campaign.seed,
    }


def _rounded(counts: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in counts.items()}
