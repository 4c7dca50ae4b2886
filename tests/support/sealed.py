"""A small workspace with sealed rounds and metrics, written by hand: what the report and the commands read.

Nothing here was learned: recalls follow a formula, pictures are two strokes of a pen. The same arguments always give
the same bytes.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image, ImageDraw

from tailfirst import artifacts, schemas
from tailfirst.paths import Workspace

CLASSES = {
    "house": 640, "tree": 520, "fish": 431, "mug": 350, "umbrella": 264, "butterfly": 190, "guitar": 122,
    "snowman": 80, "mushroom": 41, "key": 22, "owl": 11, "table_lamp": 4,
}  # fmt: skip
TAIL = ("key", "mushroom", "owl", "table_lamp")
BEGIN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PRICE = 60_000  # micros per answer
PER_ROUND, HOLDOUT = 24, 240


@dataclass(frozen=True)
class Wish:
    """What the workspace shall have."""

    rounds: int = 3
    modality: str = "image"
    oracle: bool = True
    zero_shot: bool = True
    failed_check: bool = True
    overlap: int = 3
    campaign: str = "demo"
    names: dict[str, str] = field(default_factory=lambda: {c: c.replace("_", " ") for c in CLASSES})


def build(root: Path, **wish: Any) -> Workspace:
    """Write a workspace; the keywords are the fields of `Wish`."""
    want = replace(Wish(), **wish)
    ws = Workspace(root)
    _params(ws, want)
    truth = _facts(ws, want)
    for round_no in range(1, want.rounds + 1):
        _seal(ws, want, round_no, truth)
    _work(ws, want, truth)
    return ws


def metrics(name: str, n_labels: int, wish: Wish | None = None) -> dict[str, Any]:
    """metrics.json of a candidate after `n_labels` labels."""
    want = wish or Wish()
    if name == "zero_shot" and not want.zero_shot:
        return {"candidate": name, "available": False, "why": "the encoder has no prototypes", "n_labels": 0}
    recalls = _recalls(name, n_labels)
    zero = _recalls("zero_shot", 0)
    groups = {"balanced_accuracy": list(CLASSES), "tail_accuracy": list(TAIL)}
    groups["head_accuracy"] = [c for c in CLASSES if c not in TAIL]
    values = {k: _interval(float(np.mean([recalls[c] for c in v])), 0.9 / np.sqrt(len(v))) for k, v in groups.items()}
    support = HOLDOUT // len(CLASSES)
    return {
        "candidate": name, "available": True, "why": None, "n_labels": n_labels, "n_retrieved": 310,
        "accuracy": values["balanced_accuracy"], "macro_f1": values["balanced_accuracy"], **values,
        "ece": {"value": 0.08, "low": 0.05, "high": 0.12},
        "per_class": {
            c: {"recall": round(r, 4), "support": support, "tail": c in TAIL} for c, r in recalls.items()
        },
        "tail_classes": sorted(TAIL),
        "tail_definition": "the rarest third of the classes by matching captions (4 of 12)",
        "versus_zero_shot": None if name == "zero_shot" or not want.zero_shot else {
            k: _interval(float(np.mean([recalls[c] - zero[c] for c in v])), 0.5 / np.sqrt(len(v)))
            for k, v in (("accuracy", list(CLASSES)), *groups.items())
        },
        "confusions": [
            {"truth": c, "predicted": other, "count": round((1 - recalls[c]) * share * support),
             "share": round((1 - recalls[c]) * share, 3)}
            for c, other, share in (
                ("table_lamp", "umbrella", 0.6), ("table_lamp", "mushroom", 0.3), ("owl", "butterfly", 0.7),
                ("key", "guitar", 0.5), ("key", "fish", 0.25), ("mushroom", "umbrella", 0.6),
                ("mug", "table_lamp", 0.4),
            )
        ],
        "holdout": {"items": HOLDOUT, "sha256": "5e" * 32},
    }  # fmt: skip


def _interval(value: float, spread: float) -> dict[str, float]:
    half = spread * 0.12
    return {"value": round(value, 4), "low": round(value - half, 4), "high": round(min(value + half, 1.0), 4)}


def _recalls(name: str, n_labels: int) -> dict[str, float]:
    gain = 0.0 if name == "zero_shot" else 1 - np.exp(-n_labels / 45)
    freq = np.log1p(np.array(list(CLASSES.values())))
    start = 0.22 + 0.5 * (freq - freq.min()) / (freq.max() - freq.min())
    return {c: float(s + (0.93 - s) * gain * 0.85) for c, s in zip(CLASSES, start, strict=True)}


def _params(ws: Workspace, want: Wish) -> None:
    ws.data.mkdir(parents=True)
    candidates: dict[str, Any] = {"linear_probe": {"plugin": "linear_probe"}, "zero_shot": {"plugin": "zero_shot"}}
    params = {
        "campaign": {"name": want.campaign, "seed": 7},
        "encoder": {"plugin": {"image": "clip", "text": "text", "vector": "precomputed"}[want.modality]},
        "retrieval": {},
        "evaluation": {},
        "choice": {},
        "stopping": {},
        "control": {},
        "candidates": candidates,
        "acquisition": {"strategy": {"plugin": "tail_first"}, "budget": PER_ROUND},
        "vendor": {"plugin": "simulated"},
        "round": {"overlap": want.overlap},
        "money": {"auto_approve": 0, "cap_round": 10, "cap_campaign": 100},
    }
    ws.params.write_text(yaml.safe_dump(params, sort_keys=False))
    classes = [{"id": c, "name": want.names[c], "synonyms": [], "definition": f"One {c}."} for c in CLASSES]
    task = {"name": "small world", "modality": want.modality, "ontology_version": "v1", "classes": classes}
    ws.task.write_text(yaml.safe_dump(task | {"templates": ["a photo of a {}."]}, sort_keys=False))


def _picture(class_no: int, number: int) -> bytes:
    rng = np.random.default_rng([class_no, number])
    paint = tuple(int(v) for v in rng.integers(90, 255, 3))
    image = Image.new("RGB", (48, 48), paint)
    pen = ImageDraw.Draw(image)
    x, y, r = (int(v) for v in rng.integers([12, 12, 8], [28, 28, 18]))
    ink = tuple(int(v) for v in rng.integers(0, 110, 3))
    pen.regular_polygon((x + 6, y + 6, r), 3 + class_no % 7, fill=ink, outline="white")
    pen.line((4, 44, 44, 40 - class_no), fill=ink, width=2)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _facts(ws: Workspace, want: Wish) -> dict[str, str]:
    """items, holdout, oracle; gives the truth of every item."""
    names, truth, rows = list(CLASSES), {}, []
    for number in range(HOLDOUT + 40 * len(names)):
        class_no = number % len(names)
        row = dict.fromkeys(schemas.ITEMS.names)
        if want.modality == "image":
            data = _picture(class_no, number)
            sha = artifacts.sha256_bytes(data)
            row["path"] = f"images/{sha[:20]}.png"
            (ws.data / "images").mkdir(exist_ok=True)
            (ws.data / str(row["path"])).write_bytes(data)
        else:
            about = f"a <b>{names[class_no]}</b> & more of it"
            text = f"Message {number}: {about}, seen in the garden at {number % 24} o'clock"
            sha = artifacts.sha256_bytes(text.encode())
            row["text" if want.modality == "text" else "vector_row"] = text if want.modality == "text" else number
        role = "holdout" if number < HOLDOUT else "pool"
        rows.append(row | {"item_id": sha[:20], "sha256": sha, "role": role, "source": "drawn", "licence": "CC0-1.0"})
        truth[sha[:20]] = names[class_no]
    artifacts.write_parquet(ws.items, pa.Table.from_pylist(rows, schema=schemas.ITEMS))
    held = [r["item_id"] for r in rows if r["role"] == "holdout"]
    pool = [r["item_id"] for r in rows if r["role"] == "pool"]
    artifacts.write_parquet(ws.holdout, _labeled(held, truth))
    artifacts.write_parquet(ws.oracle, _labeled(pool if want.oracle else [], truth))
    artifacts.write_parquet(ws.seed_labels, schemas.LABELS.empty_table())
    artifacts.write_parquet(ws.labels, schemas.LABELS.empty_table())
    return {item: truth[item] for item in pool}


def _labeled(ids: Sequence[str], truth: dict[str, str]) -> pa.Table:
    return pa.Table.from_pylist([{"item_id": i, "class_id": truth[i]} for i in ids], schema=schemas.LABELED)


def batch(want: Wish, round_no: int, truth: dict[str, str]) -> list[dict[str, Any]]:
    """The picks of a round: two for the audit, one for control, the rest for the tail and by score."""
    rng = np.random.default_rng([11, round_no])
    names, pool = list(CLASSES), list(truth)
    taken = pool[(round_no - 1) * PER_ROUND : round_no * PER_ROUND]
    recalls = _recalls("linear_probe", (round_no - 1) * 22)
    rows = []
    for rank, item in enumerate(taken):
        stage = "audit" if rank < 2 else "control" if rank == 2 else "quota" if rank < 18 else "score"
        right = rng.random() < recalls[truth[item]]
        predicted = truth[item] if right else names[int(rng.integers(len(names)))]
        reason = {"audit": "audit", "control": "random control", "quota": f"tail:{predicted}", "score": "margin"}[stage]
        rows.append({
            "item_id": item, "rank": rank, "purpose": "AUDIT" if stage == "audit" else "TRAIN",
            "strategy": "tail_first", "stage": stage, "reason": reason,
            "score": None if stage == "audit" else round(float(rng.random()), 4),
            "inclusion_probability": 0.0042 if stage in {"audit", "control"} else None, "predicted": predicted,
            "probability": round(0.35 + 0.6 * float(rng.random()), 4), "item_sha256": item + "0" * 44,
        })  # fmt: skip
    return rows


def _seal(ws: Workspace, want: Wish, round_no: int, truth: dict[str, str]) -> None:
    folder, at = ws.sealed(round_no), BEGIN + timedelta(days=7 * round_no)
    picks = batch(want, round_no, truth)
    answers = _answers(want, round_no, picks, truth, at)
    labels = _labels(round_no, picks, answers)
    costs = [
        {"line_id": f"sim-{a['key']}", "campaign": want.campaign, "round_no": round_no, "key": a["key"],
         "kind": "ACCRUED", "amount_micros": PRICE, "currency": "USD", "at": a["submitted_at"]}
        for a in answers
    ]  # fmt: skip
    artifacts.write_parquet(folder / "batch.parquet", pa.Table.from_pylist(picks, schema=schemas.BATCH))
    artifacts.write_parquet(folder / "annotations.parquet", pa.Table.from_pylist(answers))
    artifacts.write_parquet(folder / "labels.parquet", pa.Table.from_pylist(labels, schema=schemas.LABELS))
    artifacts.write_parquet(folder / "costs.parquet", pa.Table.from_pylist(costs))
    lines = [_delivery(a) for a in answers]
    artifacts.write_bytes(
        folder / "deliveries.jsonl", "".join(artifacts.canonical_json(x) + "\n" for x in lines).encode()
    )
    artifacts.write_bytes(folder / "events.jsonl", b"")
    artifacts.write_json(folder / "checks.json", _checks(want, round_no))
    artifacts.write_json(folder / "round.json", _round(ws, want, round_no, len(labels), len(costs), at))
    table = pa.concat_tables([schemas.read(ws.labels, schemas.LABELS), pa.Table.from_pylist(labels, schemas.LABELS)])
    artifacts.write_parquet(ws.labels, table)


def _answers(
    want: Wish, round_no: int, picks: list[dict[str, Any]], truth: dict[str, str], at: datetime
) -> list[dict[str, Any]]:
    rng, names, rows = np.random.default_rng([12, round_no]), list(CLASSES), []
    for pick in picks:
        for slot in range(want.overlap):
            wrong = rng.random() < 0.07
            answer = names[int(rng.integers(len(names)))] if wrong else truth[pick["item_id"]]
            skipped = bool(rng.random() < 0.01)
            key = artifacts.sha256_bytes(f"{round_no}|{pick['item_id']}|{slot}".encode())[:32]
            rows.append({
                "key": key, "item_id": pick["item_id"], "revision": "1",
                "annotator_id": f"ann-{(slot + round_no) % 4 + 1}",
                "class_ids": "" if skipped else answer, "skipped": skipped, "reason": "blurred" if skipped else "",
                "started_at": at, "submitted_at": at + timedelta(seconds=len(rows)),
                "work_s": round(2 + 6 * float(rng.random()), 1), "provenance": "HUMAN",
            })  # fmt: skip
    return rows


def _labels(round_no: int, picks: list[dict[str, Any]], answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for pick in picks:
        mine = [a for a in answers if a["item_id"] == pick["item_id"] and not a["skipped"]]
        votes = [a["class_ids"] for a in mine]
        best = max(sorted(set(votes)), key=votes.count, default=None)
        if best is None or votes.count(best) * 2 <= len(votes):
            continue
        rows.append({
            "item_id": pick["item_id"], "class_id": best, "round_no": round_no, "purpose": pick["purpose"],
            "confidence": round(votes.count(best) / len(votes), 4), "n_annotations": len(votes),
            "annotators": ",".join(sorted(a["annotator_id"] for a in mine)), "method": "majority/1",
            "ontology_version": "v1", "inclusion_probability": pick["inclusion_probability"], "late_for_round": None,
        })  # fmt: skip
    return rows


def _delivery(answer: dict[str, Any]) -> dict[str, Any]:
    body = artifacts.canonical_json({"answer": answer["class_ids"], "by": answer["annotator_id"], "key": answer["key"]})
    return {
        "key": answer["key"], "vendor_id": f"sim-{answer['key'][:8]}", "revision": "1",
        "sha256": artifacts.sha256_bytes(body.encode()), "body": body,
    }  # fmt: skip


def _checks(want: Wish, round_no: int) -> list[dict[str, Any]]:
    suites = [("items", 720), ("batch", PER_ROUND), ("deliveries", PER_ROUND * want.overlap), ("labels", PER_ROUND)]
    bad = want.failed_check and round_no == want.rounds
    return [
        {"suite": suite, "success": not (bad and suite == "deliveries"), "evaluated": 9, "rows": rows,
         "failed": 1 if bad and suite == "deliveries" else 0,
         "failed_ids": ["7d1f0c2a9be4"] if bad and suite == "deliveries" else [],
         "details": json.dumps([{"expectation": "expect_column_values_to_be_in_set", "failed": 1, "severity": "warning",
                                 "why": "classes are those of the ontology"}])
         if bad and suite == "deliveries" else "[]"}
        for suite, rows in suites
    ]  # fmt: skip


def _round(ws: Workspace, want: Wish, round_no: int, n_labels: int, n_costs: int, at: datetime) -> dict[str, Any]:
    before = _n_train(ws)
    folder = ws.sealed(round_no)
    names = ("linear_probe", "zero_shot")
    return {
        "campaign": want.campaign, "round_no": round_no, "ontology_version": "v1", "n_items": PER_ROUND,
        "batch_sha256": artifacts.sha256_file(folder / "batch.parquet"), "n_labels": n_labels,
        "cost_micros": n_costs * PRICE, "currency": "USD",
        "quote": {"micros": n_costs * PRICE, "currency": "USD", "basis": "72 answers at 0.06 USD",
                  "valid_until": (at + timedelta(days=2)).isoformat()},
        "approval": {"cap_micros": n_costs * PRICE, "by": "maria", "at": (at - timedelta(hours=3)).isoformat()},
        "vendor": {"name": "simulated", "order": f"order-{round_no}"},
        "strategy": {"plugin": "tail_first", "options": {}}, "n_late": 0,
        "labels_before": {"n": before, "sha256": "0" * 64},
        "metrics_before": {name: metrics(name, before, want) for name in names},
        "choice_before": {"candidate": "linear_probe" if before else ("zero_shot" if want.zero_shot else None)},
        "files": {p.name: artifacts.sha256_file(p) for p in sorted(folder.iterdir())},
    }  # fmt: skip


def _n_train(ws: Workspace) -> int:
    return sum(p != "AUDIT" for p in schemas.read(ws.labels, schemas.LABELS)["purpose"].to_pylist())


def _work(ws: Workspace, want: Wish, truth: dict[str, str]) -> None:
    n_labels = _n_train(ws)
    for name in ("linear_probe", "zero_shot"):
        artifacts.write_json(ws.metrics(name), metrics(name, n_labels, want))
    chosen = "linear_probe" if n_labels else ("zero_shot" if want.zero_shot else None)
    scores = {name: metrics(name, n_labels, want).get("balanced_accuracy") for name in ("linear_probe", "zero_shot")}
    artifacts.write_json(ws.choice, {
        "candidate": chosen, "metric": "balanced_accuracy", "why": "best balanced accuracy",
        "scores": {name: value["value"] if value else None for name, value in scores.items()},
    })  # fmt: skip
    counts = [
        {"class_id": c, "freq": n, "retrieved": min(n, 40), "most_common_name": c.replace("_", " ")}
        for c, n in CLASSES.items()
    ]
    artifacts.write_parquet(ws.class_counts, pa.Table.from_pylist(counts, schema=schemas.CLASS_COUNTS))
    artifacts.write_json(ws.embeddings / "manifest.json", {
        "encoder": "clip:demo:3f9ac1", "dim": 64, "logit_scale": 100.0, "reads": "image", "items": 720, "open": 310,
        "prototypes": want.zero_shot,
    })  # fmt: skip
    artifacts.write_json(ws.control, _control(want))
    picks = batch(want, want.rounds + 1, truth)
    artifacts.write_parquet(ws.batch, pa.Table.from_pylist(picks, schema=schemas.BATCH))
    artifacts.write_json(ws.acquisition, {
        "strategy": "tail_first", "round_no": want.rounds + 1, "budget": PER_ROUND, "starved": ["table_lamp"],
        "capped": [], "audit": 2, "control": 1, "cold_start": False, "seed": 7,
        "counts_before": dict.fromkeys(CLASSES, 3.0), "counts_after": dict.fromkeys(CLASSES, 5.0),
    })  # fmt: skip


def _control(want: Wish) -> dict[str, Any]:
    if not want.oracle:
        return {"available": False, "why": "this task has no oracle (data/oracle.parquet has no rows)", "points": []}
    points = []
    for round_no in range(1, want.rounds + 1):
        found = metrics("linear_probe", int(round_no * 22 * 0.6), want)
        shown = {k: found[k] for k in ("accuracy", "balanced_accuracy", "tail_accuracy")}
        points.append({"n_labels": round_no * 22, "seeds": 5, **shown})
    return {"available": True, "why": None, "points": points}
