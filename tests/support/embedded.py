"""A workspace with embeddings written by hand: eight Gaussian classes on a long tail, everything the stages read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from tailfirst import artifacts, config, schemas
from tailfirst.config import Params
from tailfirst.paths import Workspace

CLASSES = ("elm", "ash", "yew", "oak", "fir", "fig", "bay", "box")
FREQ = (900, 500, 300, 150, 80, 30, 12, 4)
N_POOL, N_HOLDOUT, DIM = 320, 160, 24


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def params(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "campaign": {"name": "t", "seed": 7},
        "encoder": {"plugin": "precomputed"},
        "retrieval": {},
        "candidates": {"zero_shot": {"plugin": "zero_shot"}, "linear_probe": {"plugin": "linear_probe"}},
        "evaluation": {"bootstrap": 200},
        "choice": {},
        "acquisition": {"strategy": {"plugin": "tail_first"}, "budget": 40},
        "vendor": {"plugin": "simulated"},
        "round": {},
        "money": {},
        "stopping": {},
        "control": {"seeds": 3},
    }
    return {**value, **changes}


def build(
    root: Path, *, prototypes: bool = True, retrieved: int = 40, pool: int = N_POOL, **changes: Any
) -> tuple[Workspace, Params]:
    """Write data/, work/embeddings and params.yaml; the keywords are sections of params.yaml."""
    ws, rng = Workspace(root), np.random.default_rng(1)
    centers = rng.normal(size=(len(CLASSES), DIM))
    shares = np.array(FREQ) / sum(FREQ)
    truth = np.concatenate([rng.choice(8, size=pool, p=0.7 * shares + 0.3 / 8), np.arange(N_HOLDOUT) % 8]).astype(int)
    items = unit(centers[truth] + 0.9 * rng.normal(size=(len(truth), DIM)))
    ids = [artifacts.sha256_bytes(f"item {i}".encode())[:20] for i in range(len(truth))]
    roles = ["pool"] * pool + ["holdout"] * N_HOLDOUT
    blank = [None] * len(ids)
    columns = dict.fromkeys(schemas.ITEMS.names, blank) | {
        "item_id": ids, "sha256": [i * 3 for i in ids], "role": roles, "vector_row": list(range(len(ids))),
    }  # fmt: skip
    artifacts.write_parquet(ws.items, pa.table(columns, schema=schemas.ITEMS))
    for path, role in ((ws.oracle, "pool"), (ws.holdout, "holdout")):
        rows = [i for i, r in enumerate(roles) if r == role]
        table = {"item_id": [ids[i] for i in rows], "class_id": [CLASSES[truth[i]] for i in rows]}
        artifacts.write_parquet(path, pa.table(table, schema=schemas.LABELED))
    artifacts.write_parquet(ws.labels, schemas.LABELS.empty_table())
    ws.rounds.mkdir(parents=True)
    opened = rng.choice(8, size=retrieved, p=shares)
    counts = {
        "class_id": list(CLASSES),
        "freq": list(FREQ),
        "retrieved": np.bincount(opened, minlength=8),
        "most_common_name": list(CLASSES),
    }
    artifacts.write_parquet(ws.class_counts, pa.table(counts, schema=schemas.CLASS_COUNTS))
    _embeddings(ws, ids, roles, items, unit(centers[opened] + 0.9 * rng.normal(size=(retrieved, DIM))), opened)
    if prototypes:
        artifacts.write_array(ws.embeddings / "prototypes.npy", unit(centers + 1.1 * rng.normal(size=centers.shape)))
    artifacts.write_json(ws.embeddings / "manifest.json", {
        "encoder": "hand:1", "dim": DIM, "logit_scale": 20.0, "reads": "row", "items": len(ids), "open": retrieved,
        "prototypes": prototypes,
    })  # fmt: skip
    task = {
        "name": "trees",
        "modality": "image",
        "ontology_version": "1",
        "classes": [{"id": c, "name": c} for c in CLASSES],
    }
    artifacts.write_bytes(ws.task, yaml.safe_dump(task | {"templates": ["a photo of a {}."]}, sort_keys=False).encode())
    artifacts.write_bytes(ws.params, yaml.safe_dump(params(**changes), sort_keys=False).encode())
    return ws, config.load(ws.params)


def _embeddings(
    ws: Workspace, ids: list[str], roles: list[str], items: np.ndarray, opened: np.ndarray, classes: np.ndarray
) -> None:
    folder = ws.embeddings
    artifacts.write_array(folder / "items.npy", items.astype(np.float16))
    artifacts.write_parquet(folder / "items.parquet", pa.table({"item_id": ids, "role": roles}))
    artifacts.write_array(folder / "open.npy", opened.astype(np.float16))
    names = pa.array([CLASSES[c] for c in classes], pa.string())
    opens = pa.array([f"o{i:019x}" for i in range(len(classes))], pa.string())
    artifacts.write_parquet(folder / "open.parquet", pa.table({"open_id": opens, "class_id": names}))


def seal(ws: Workspace, round_no: int, picks: Sequence[tuple[str, str, str]], ignored: Sequence[str] = ()) -> None:
    """Add labels (item_id, class_id, purpose) of a round and its folder."""
    blank = dict.fromkeys(schemas.LABELS.names)
    new = [{**blank, "item_id": i, "class_id": c, "round_no": round_no, "purpose": p} for i, c, p in picks]
    old = schemas.read(ws.labels, schemas.LABELS)
    artifacts.write_parquet(ws.labels, pa.concat_tables([old, pa.Table.from_pylist(new, schema=schemas.LABELS)]))
    artifacts.write_json(ws.sealed(round_no) / "round.json", {"round_no": round_no, "ignored": list(ignored)})


def answers(ws: Workspace) -> dict[str, str]:
    """The truth of every pool item."""
    table = schemas.read(ws.oracle, schemas.LABELED)
    return dict(zip(table["item_id"].to_pylist(), table["class_id"].to_pylist(), strict=True))
