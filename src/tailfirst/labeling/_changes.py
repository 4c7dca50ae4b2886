"""Labels that changed or went away after their seal, and the models that were trained on them (`label_changed`)."""

from typing import Any

from tailfirst import schemas
from tailfirst.context import Context
from tailfirst.labeling._decide import Decision, Harvest
from tailfirst.labeling.fold import sealed_folders
from tailfirst.ledger.records import RoundRow


def changed(ctx: Context, row: RoundRow, found: Harvest) -> list[dict[str, Any]]:
    """One entry per item whose exported label is replaced (`to` a class) or taken back (`to` null) by this seal.

    `trained` names the models that learned from the old label: each candidate of each round from its export on.
    """
    again = [d for d in found.labeled if d.late_for_round is not None or _again(d)]
    now = {d.task.item_id: d.verdict.class_id for d in again} | {task.item_id: None for _, task in found.retracted}
    bought = [d.task.round_no for d in again] + [round_no for round_no, _ in found.retracted]
    before = _exported(ctx, row, min(bought, default=row.round_no))
    return [
        {"item_id": item_id, "from": old["class_id"], "to": to, "trained": _trained(ctx, row, old)}
        for item_id, to in sorted(now.items())
        if (old := before.get(item_id)) is not None and old["class_id"] != to
    ]


def retracted(found: Harvest) -> list[dict[str, Any]]:
    """Labels of earlier rounds that no longer count: the fold leaves them out."""
    return [{"item_id": t.item_id, "round_no": no} for no, t in sorted(found.retracted, key=lambda r: (r[0], r[1].key))]


def _again(decision: Decision) -> bool:
    return any(task.purpose == "RELABEL" for task in decision.tasks)


def _exported(ctx: Context, row: RoundRow, first: int) -> dict[str, dict[str, Any]]:
    """The labels of the sealed rounds from `first` on: no label is older than the purchase of its item."""
    labels: dict[str, dict[str, Any]] = {}
    for folder in sealed_folders(ctx.ws):
        if first <= int(folder.name) < row.round_no:
            table = schemas.read(folder / "labels.parquet", schemas.LABELS)
            labels |= {one["item_id"]: one for one in table.to_pylist()}
    return labels


def _trained(ctx: Context, row: RoundRow, label: dict[str, Any]) -> list[str]:
    if label["purpose"] == "AUDIT":
        return []
    return [
        f"{c}@round-{no:04d}" for no in range(label["round_no"], row.round_no) for c in sorted(ctx.params.candidates)
    ]
