"""A whole workspace in a second: four Gaussian classes as precomputed vectors with prototypes, no torch, no images."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from tailfirst import schemas
from tailfirst.artifacts import sha256_bytes, write_array, write_bytes, write_parquet
from tailfirst.paths import Workspace

CLASSES = ("oak", "elm", "ash", "yew")
SHARES = (0.55, 0.25, 0.14, 0.06)  # long-tailed pool


def params(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "campaign": {"name": "tiny", "seed": 3},
        "encoder": {"plugin": "precomputed"},
        "retrieval": {"enabled": False},
        "candidates": {"zero_shot": {"plugin": "zero_shot"}, "linear_probe": {"plugin": "linear_probe"}},
        "evaluation": {"bootstrap": 100},
        "choice": {"metric": "balanced_accuracy"},
        "acquisition": {
            "strategy": {"plugin": "tail_first"},
            "budget": 8,
            "audit_share": 0.1,
            "audit_min": 1,
            "control_share": 0.1,
        },
        "vendor": {"plugin": "simulated", "seed": 5},
        "round": {"overlap": 1, "sla_hours": 48, "quorum": 0.9},
        "quality": {},
        "money": {"currency": "USD", "auto_approve": 50, "cap_round": 50, "cap_campaign": 100},
        "stopping": {"max_rounds": 2},
        "control": {"seeds": 2},
    }
    for section, given in changes.items():
        value[section] = {**value[section], **given} if isinstance(given, dict) and section in value else given
    return value


def make(root: Path, n_pool: int = 60, n_holdout: int = 40, dim: int = 16, **changes: Any) -> Workspace:
    """Write data/ and params.yaml below `root`; `changes` are sections of params.yaml."""
    ws = Workspace(root)
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(len(CLASSES), dim))
    classes = np.concatenate(
        [rng.choice(len(CLASSES), size=n_pool, p=SHARES), np.arange(n_holdout) % len(CLASSES)],
    )
    vectors = (centers[classes] + 1.4 * rng.normal(size=(len(classes), dim))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    prototypes = (centers + 0.8 * rng.normal(size=centers.shape)).astype(np.float32)
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    digests = [sha256_bytes(row.tobytes()) for row in vectors]
    roles = ["pool"] * n_pool + ["holdout"] * n_holdout
    rows = sorted(range(len(digests)), key=lambda i: digests[i][:20])
    nothing = [None] * len(rows)
    columns = {
        "item_id": [digests[i][:20] for i in rows],
        "sha256": [digests[i] for i in rows],
        "role": [roles[i] for i in rows],
        **dict.fromkeys(("path", "shard", "offset", "length", "text"), nothing),
        "vector_row": rows,
        "source": ["drawn"] * len(rows),
        "licence": ["CC0-1.0"] * len(rows),
    }
    labeled = {role: [i for i in rows if roles[i] == role] for role in ("pool", "holdout")}
    write_parquet(ws.items, pa.table(columns, schema=schemas.ITEMS))
    for path, role in ((ws.oracle, "pool"), (ws.holdout, "holdout")):
        table = {
            "item_id": [digests[i][:20] for i in labeled[role]],
            "class_id": [CLASSES[classes[i]] for i in labeled[role]],
        }
        write_parquet(path, pa.table(table, schema=schemas.LABELED))
    write_parquet(ws.seed_labels, schemas.LABELS.empty_table())
    write_parquet(ws.labels, schemas.LABELS.empty_table())
    write_array(ws.vectors, vectors)
    write_array(ws.prototypes, prototypes)
    write_bytes(ws.open / "README.md", b"No open corpus.\n")
    write_bytes(ws.rounds / "README.md", b"Sealed rounds.\n")
    task = {
        "name": "tiny",
        "modality": "image",
        "ontology_version": "1",
        "classes": [{"id": c, "name": c, "synonyms": [], "definition": f"A picture of an {c}."} for c in CLASSES],
        "templates": ["a photo of a {}."],
    }
    write_bytes(ws.task, yaml.safe_dump(task, sort_keys=False).encode())
    write_bytes(ws.params, yaml.safe_dump(params(**changes), sort_keys=False).encode())
    return ws
