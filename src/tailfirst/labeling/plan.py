"""PLAN: freeze work/batch.parquet into the ledger. From here on a rerun of the stages cannot change what is bought."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.artifacts import canonical_json, sha256_bytes, sha256_file
from tailfirst.config import Quality
from tailfirst.context import Context, set_caps
from tailfirst.errors import CheckFailed, UserError
from tailfirst.items import Items, load_items
from tailfirst.labeling._prelabels import chosen
from tailfirst.labeling._round import slots
from tailfirst.labeling.fold import sealed_folders
from tailfirst.labeling.keys import payload_sha256, submission_key
from tailfirst.ledger.records import NewTask, RoundRow
from tailfirst.port import Purpose
from tailfirst.quality.gold import read_gold
from tailfirst.quality.history import History

PURPOSES: Mapping[str, Purpose] = {"TRAIN": "TRAIN", "AUDIT": "AUDIT", "GOLD": "GOLD", "RELABEL": "RELABEL"}
KEPT_METRICS = (
    "available", "why", "n_labels", "n_retrieved", "accuracy", "balanced_accuracy", "macro_f1", "tail_accuracy",
    "head_accuracy", "ece", "versus_zero_shot", "tail_classes", "tail_definition", "holdout", "per_class", "confusions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides whether a batch may be bought: one read of the task folder and the ledger."""

    items: Items
    labeled: frozenset[str]
    audits: frozenset[str]  # of the labeled
    in_flight: frozenset[str]
    ignored: frozenset[str]
    gold: frozenset[str]
    asked: frozenset[str]  # had an answer in an earlier round, and may train


def check(ctx: Context) -> pa.Table:
    """Make sure that work/batch.parquet may be bought; returns it, best first.

    Raises:
        CheckFailed: It holds items that are labeled, in flight, ignored, holdout, unknown or changed.
        UserError: There is no batch, or it is empty.
    """
    table = _read(ctx)
    facts = _facts(ctx)
    wrong = [f"{n} {what} (for example {example})" for what, (n, example) in _mistakes(table, facts).items()]
    if wrong:
        raise CheckFailed(
            f"{ctx.ws.batch} may not be bought: {'; '.join(wrong)}; run the stages again: `dvc repro acquire`"
        )
    ctx.gates.batch(table.to_pandas())
    return table


def freeze(ctx: Context) -> str:
    """Write the next round with one labeling task per row of work/batch.parquet, in one transaction.

    Raises:
        UserError: Another round is still open, or there is no batch.
        CheckFailed: The batch may not be bought.
    """
    last = ctx.ledger.rounds.current(ctx.campaign)
    sha256 = sha256_bytes(_bytes(ctx))
    if last is not None and last.state == "SELECTED" and last.batch_sha256 == sha256:
        return f"round {last.round_no} holds this batch already: {last.n_tasks} items"
    round_no = _next_round(last)
    set_caps(ctx.ledger, ctx.params)
    table = check(ctx)
    tasks = [_task(ctx, row, round_no, slot) for row in table.to_pylist() for slot in slots(ctx)]
    known = canonical_json(snapshot(ctx, _bytes(ctx)))
    row = ctx.ledger.rounds.open(ctx.campaign, round_no, sha256, tasks, ctx.now(), plan_json=known)
    counts = Counter(table["purpose"].to_pylist())
    said = ", ".join(f"{n} {purpose}" for purpose, n in sorted(counts.items()))
    made = f" as {len(tasks)} labeling tasks" if len(tasks) > table.num_rows else ""
    return f"round {row.round_no} planned: {said} items{made}"


def _next_round(last: RoundRow | None) -> int:
    if last is None:
        return 1
    if last.state not in {"REPORTED", "ABORTED"}:
        raise UserError(
            f"round {last.round_no} is {last.state}: finish it (`tailfirst advance`) before another batch is planned"
        )
    return last.round_no + 1


def _read(ctx: Context) -> pa.Table:
    table = schemas.read(ctx.ws.batch, schemas.BATCH).sort_by("rank")
    if not table.num_rows:
        raise UserError(f"{ctx.ws.batch} is empty: no item is left to buy, or the stage acquire has not run")
    return table


def _bytes(ctx: Context) -> bytes:
    if not ctx.ws.batch.exists():
        raise UserError(f"no batch at {ctx.ws.batch}; `dvc repro acquire` makes it")
    return ctx.ws.batch.read_bytes()


def _facts(ctx: Context) -> Facts:
    labels = schemas.read(ctx.ws.labels, schemas.LABELS).to_pylist() if ctx.ws.labels.exists() else []
    return Facts(
        items=load_items(ctx.ws),
        labeled=frozenset(row["item_id"] for row in labels),
        audits=frozenset(row["item_id"] for row in labels if row["purpose"] == "AUDIT"),
        in_flight=frozenset(task.item_id for task in ctx.ledger.tasks.in_flight(ctx.campaign)),
        ignored=frozenset(ctx.ledger.tasks.ignored(ctx.campaign)),
        gold=frozenset(read_gold(ctx.ws)),
        asked=frozenset(History.of(sealed_folders(ctx.ws)).answers),
    )


def _mistakes(table: pa.Table, facts: Facts) -> dict[str, tuple[int, str]]:
    """What is wrong with a batch: reason -> (how many, an example)."""
    digests = _digests(facts.items)
    holdout = set(facts.items.holdout_ids.tolist())
    rows = table.select(["item_id", "item_sha256", "purpose"]).to_pylist()
    seen = Counter(row["item_id"] for row in rows)
    gold = {row["item_id"] for row in rows if row["purpose"] == "GOLD"}
    again = {row["item_id"] for row in rows if row["purpose"] == "RELABEL"}
    new = seen.keys() - gold - again
    found = {
        "are in it twice": [i for i, n in seen.items() if n > 1],
        "are not in items.parquet": [i for i in seen if i not in digests],
        "are holdout": [i for i in seen if i in holdout],
        "are labeled": [i for i in seen if i in facts.labeled and i in new],
        "are in flight": [i for i in seen if i in facts.in_flight],
        "are ignored": [i for i in seen if i in facts.ignored and i in new],
        "are gold, which never trains": [i for i in seen if i in facts.gold and i not in gold],
        "are not in data/gold.parquet": sorted(gold - facts.gold),
        "measure already (audit)": sorted((gold | again) & facts.audits),
        "have no answer yet, so there is none to repeat": sorted(again - facts.asked),
        "changed since the batch was chosen": [r["item_id"] for r in rows if _changed(r, digests)],
        f"have no purpose of {', '.join(PURPOSES)}": [r["item_id"] for r in rows if r["purpose"] not in PURPOSES],
    }
    return {what: (len(ids), ids[0]) for what, ids in found.items() if ids}


def _changed(row: Mapping[str, Any], digests: Mapping[str, str]) -> bool:
    known = digests.get(row["item_id"])
    return known is not None and row["item_sha256"] != known


def _digests(items: Items) -> dict[str, str]:
    return dict(zip(items.table["item_id"].to_pylist(), items.table["sha256"].to_pylist(), strict=True))


def _task(ctx: Context, row: Mapping[str, Any], round_no: int, slot: int) -> NewTask:
    purpose = PURPOSES[row["purpose"]]
    alike = {"TRAIN", "RELABEL"} if purpose == "RELABEL" else {purpose}
    earlier = [t for t in ctx.ledger.tasks.by_item(ctx.campaign, row["item_id"]) if t.round_no != round_no]
    earlier = [t for t in earlier if t.purpose in alike]
    attempt = 1 + max((t.attempt for t in earlier), default=0)
    parent = earlier[-1].key if earlier and purpose == "RELABEL" else None
    digest = row["item_sha256"]
    key = submission_key(
        ctx.campaign, ctx.task.ontology_version, digest, purpose, attempt, slot,
        ctx.vendor.capabilities().key_max_chars,
    )  # fmt: skip
    able = ctx.vendor.capabilities().prelabels
    prelabel = chosen(key, purpose, row["predicted"], ctx.params.quality) if able else None
    return NewTask(
        key=key,
        item_id=row["item_id"],
        item_digest=digest,
        purpose=purpose,
        attempt=attempt,
        overlap_slot=slot,
        rank=row["rank"],
        inclusion_probability=row["inclusion_probability"],
        strategy=row["strategy"],
        why=row["reason"],
        payload_sha256=payload_sha256(row["item_id"], digest, purpose, attempt, slot, prelabel),
        parent_key=parent,
    )


def snapshot(ctx: Context, batch: bytes) -> dict[str, Any]:
    """What was known when the batch was chosen: goes into the sealed round's round.json."""
    ws = ctx.ws
    candidates: Iterable[str] = sorted(ctx.params.candidates)
    labels = ws.labels if ws.labels.exists() else None
    return {
        "batch_parquet": b64encode(batch).decode(),
        "strategy": ctx.params.acquisition.strategy.model_dump(mode="json"),
        "acquisition": _json(ws.acquisition),
        "choice_before": _json(ws.choice),
        "metrics_before": {name: _kept(_json(ws.metrics(name))) for name in candidates},
        "labels_before": {
            "n": schemas.read(labels, schemas.LABELS).num_rows if labels else 0,
            "sha256": sha256_file(labels) if labels else None,
        },
        "ontology_digest": ctx.task.digest,
        "ontology_version": ctx.task.ontology_version,
        "ontology_classes": list(ctx.task.class_ids),
    } | ({"model": _model(ctx, batch)} if wants_model(ctx.params.quality) else {})


def wants_model(quality: Quality) -> bool:
    """Whether the model's view of the batch must be kept from before its answers are known."""
    return quality.consensus == "crowdlab" or quality.relabel_share > 0


def _model(ctx: Context, batch: bytes) -> dict[str, Any] | None:
    """(B, C) float32 probabilities of the batch by the candidate that chose it, which knows no answer to it yet."""
    candidate = (_json(ctx.ws.choice) or {}).get("candidate")
    if candidate is None or not ctx.ws.predictions(candidate).exists():
        return None
    wanted = pq.read_table(pa.BufferReader(batch), columns=["item_id"])["item_id"].combine_chunks()
    known = pq.read_table(ctx.ws.embeddings / "items.parquet", columns=["item_id"])["item_id"].combine_chunks()
    rows = pc.index_in(wanted, value_set=known)
    if rows.null_count:
        raise UserError(f"{rows.null_count} items of the batch have no prediction; run the stages again: `dvc repro`")
    probs = np.load(ctx.ws.predictions(candidate), mmap_mode="r", allow_pickle=False)[rows.to_numpy()]
    return {
        "candidate": candidate,
        "class_ids": list(ctx.task.class_ids),
        "item_ids": wanted.to_pylist(),
        "probs": b64encode(probs.astype("<f4").tobytes()).decode(),
    }


def _json(path: Any) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _kept(metrics: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if metrics is None else {name: metrics[name] for name in KEPT_METRICS if name in metrics}
