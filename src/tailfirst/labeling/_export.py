"""The sealed folder of a round: deterministic bytes, given the ledger.

Times of our own clock stand in events.jsonl alone: every other file of two runs of the same campaign is the same. The
ledger's hash of the folder covers events.jsonl too.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from tailfirst import schemas
from tailfirst.artifacts import canonical_json, sha256_file, write_bytes, write_json, write_parquet
from tailfirst.context import Context
from tailfirst.labeling._changes import changed, retracted
from tailfirst.labeling._coverage import coverage
from tailfirst.labeling._decide import Decision, Harvest
from tailfirst.labeling._quality import write_quality
from tailfirst.labeling._tables import ANNOTATIONS, COSTS
from tailfirst.labeling._versions import version_of
from tailfirst.ledger.records import CostRow, DeliveryRow, EventRow, RoundRow
from tailfirst.prices import cost_micros
from tailfirst.quality.consensus import METHOD

CLOCKED = "events.jsonl"  # the one file with times of our own clock
PLAN_KEYS = ("strategy", "acquisition", "metrics_before", "choice_before", "labels_before", "ontology_digest")


def write_folder(ctx: Context, row: RoundRow, found: Harvest, costs: Sequence[CostRow], folder: Path) -> None:
    """Write every file of the sealed folder; round.json last, with the hashes of all that hold no time of ours."""
    plan = json.loads(row.plan_json or "{}")
    labels = label_table(ctx, row, found.decisions)
    if "batch_parquet" in plan:
        write_bytes(folder / "batch.parquet", b64decode(plan["batch_parquet"]))
    _write_lines(folder / "deliveries.jsonl", (_delivery(no, d) for no, d in found.deliveries))
    write_parquet(folder / "annotations.parquet", _annotations(ctx, found))
    write_parquet(folder / "labels.parquet", labels)
    write_parquet(folder / "costs.parquet", _cost_table(costs))
    write_quality(ctx, row, found, costs, folder)
    events = history(ctx.ledger.rounds.events(ctx.campaign, row.round_no))
    _write_lines(folder / CLOCKED, [{"clock": _clock(row)}, *events])
    write_json(folder / "checks.json", _checks(ctx, row))
    hashes = {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.name != CLOCKED}
    write_json(folder / "round.json", _summary(ctx, row, found, labels.num_rows, costs, plan) | {"files": hashes})


def label_table(ctx: Context, row: RoundRow, decisions: Iterable[Decision]) -> pa.Table:
    """The labels of a seal (schemas.LABELS), by item id; late ones carry the round that ordered them."""
    rows = [
        {
            "item_id": d.task.item_id,
            "class_id": d.verdict.class_id,
            "round_no": row.round_no,
            "purpose": "AUDIT" if d.task.purpose == "AUDIT" else "TRAIN",
            "confidence": d.verdict.confidence,
            "n_annotations": d.verdict.n_annotations,
            "annotators": ",".join(d.verdict.annotators),
            "method": d.method,
            "ontology_version": ctx.task.ontology_version,
            "inclusion_probability": d.task.inclusion_probability,
            "late_for_round": d.late_for_round,
        }
        for d in sorted(decisions, key=lambda d: (d.task.item_id, d.task.key))
        if d.verdict.kind == "LABEL" and d.task.purpose != "GOLD"
    ]
    return pa.Table.from_pylist(rows, schema=schemas.LABELS)


def history(events: Sequence[EventRow]) -> list[dict[str, Any]]:
    """The transitions of a round and its tasks, as the state machines saw them.

    Left out: who did it (a process id) and detours through UNKNOWN, which tell of a crash on our side and change
    nothing that was bought. The ledger keeps both.
    """
    lines: list[dict[str, Any]] = []
    last: dict[str, str] = {}
    for event in sorted(events, key=lambda e: (e.key or "", e.id)):
        key = event.key or ""
        if event.key is not None and (event.to_state == "UNKNOWN" or last.get(key) == event.to_state):
            continue
        line = {"key": event.key, "from": last.get(key, event.from_state), "to": event.to_state}
        lines.append(line | {"at": event.at.isoformat(), "note": event.note if event.key is None else ""})
        last[key] = event.to_state
    return lines


def _cost_table(lines: Sequence[CostRow]) -> pa.Table:
    rows = [{name: getattr(line, name) for name in COSTS.names} for line in lines]
    return pa.Table.from_pylist(rows, schema=COSTS)


def _annotations(ctx: Context, found: Harvest) -> pa.Table:
    rounds = {round_no for round_no, _, _ in found.annotations}
    versions = {r.round_no: version_of(ctx, r) for r in ctx.ledger.rounds.some(ctx.campaign, rounds)}
    rows = [
        {
            "key": one.key,
            "item_id": task.item_id,
            "round_no": round_no,
            "class_ids": ",".join(one.class_ids),
            **{
                name: getattr(one, name)
                for name in ("revision", "annotator_id", "skipped", "reason", "started_at", "submitted_at", "work_s")
            },
            "provenance": one.provenance,
            "ontology_version": versions[round_no],
        }
        for round_no, task, one in sorted(found.annotations, key=lambda a: (a[2].key, a[2].revision, a[2].annotator_id))
    ]
    return pa.Table.from_pylist(rows, schema=ANNOTATIONS)


def _delivery(round_no: int, delivery: DeliveryRow) -> dict[str, Any]:
    try:
        body: dict[str, str] = {"body": delivery.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": b64encode(delivery.body).decode()}
    return {
        "key": delivery.key,
        "round_no": round_no,
        "vendor_id": delivery.vendor_id,
        "revision": delivery.revision,
        "sha256": delivery.sha256,
        "parser_version": delivery.parser_version,
        "quarantine_reason": delivery.quarantine_reason,
    } | body


def _checks(ctx: Context, row: RoundRow) -> list[dict[str, Any]]:
    found = ctx.ledger.checks.list(ctx.campaign, row.round_no)
    return [
        {
            "suite": check.suite,
            "success": check.success,
            "evaluated": check.evaluated,
            "rows": check.rows,
            "failed": check.failed,
            "failed_ids": list(check.failed_ids),
            "details": check.details_json,
        }
        for check in sorted(found, key=lambda c: c.suite)
    ]


def _summary(
    ctx: Context, row: RoundRow, found: Harvest, n_labels: int, costs: Sequence[CostRow], plan: dict[str, Any]
) -> dict[str, Any]:
    open_items = [d for d in found.decisions if d.verdict.kind != "LABEL" and d.task.purpose != "GOLD"]
    return {
        "campaign": row.campaign,
        "round_no": row.round_no,
        "ontology_version": ctx.task.ontology_version,
        "batch_sha256": row.batch_sha256,
        "n_items": len({task.item_id for task in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}),
        "n_labels": n_labels,
        "coverage": coverage(ctx, row),
        "changed": changed(ctx, row, found),
        "retracted": retracted(found),
        "n_late": sum(d.late_for_round is not None for d in found.labeled),
        "task_states": dict(ctx.ledger.rounds.counts(ctx.campaign, row.round_no)),
        "ignored": _not_to_be_asked(ctx),
        "unlabeled": [{"item_id": d.task.item_id, "reason": d.verdict.reason} for d in open_items],
        "cost_micros": cost_micros(costs),
        "currency": row.currency,
        "quote": {"micros": row.quote_micros, "basis": row.quote_basis},
        "approval": {"by": row.approved_by, "cap_micros": row.cap_micros},
        "vendor": {"name": row.vendor, "order": row.vendor_batch_id},
        "aggregation": ", ".join(sorted({d.method for d in found.labeled})) or METHOD,
        **{key: plan.get(key) for key in PLAN_KEYS},
    }


def _not_to_be_asked(ctx: Context) -> list[str]:
    """Items that no later batch may hold: dropped or refused, or still to come from the vendor and then paid."""
    coming = {task.item_id for task in ctx.ledger.tasks.in_flight(ctx.campaign)}
    return sorted(coming | set(ctx.ledger.tasks.ignored(ctx.campaign)))


def _clock(row: RoundRow) -> dict[str, str | None]:
    names = ("created_at", "quote_valid_until", "approved_at", "opened_at", "sla_at")
    return {name: _iso(getattr(row, name)) for name in names}


def _iso(at: Any) -> str | None:
    return None if at is None else at.isoformat()


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    write_bytes(path, "".join(canonical_json(row) + "\n" for row in rows).encode())
