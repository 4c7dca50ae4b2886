"""What the `embed` stage wrote, read back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tailfirst.contracts import Ids, Vectors
from tailfirst.errors import StaleArtifact, TaskFolderError
from tailfirst.paths import Workspace
from tailfirst.vectors import unit


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of all items and of the retrieved rows; float32 unit rows."""

    item_ids: Ids  # (N,)
    roles: Ids  # (N,) pool | holdout
    items: Vectors  # (N, D)
    open_ids: Ids  # (M,)
    open_classes: Ids  # (M,) class ids
    open: Vectors  # (M, D)
    prototypes: Vectors | None  # (C, D), classes in task order
    encoder: str  # fingerprint
    logit_scale: float
    reads: Literal["image", "text", "row"]  # what the encoder looks at

    @property
    def is_pool(self) -> NDArray[np.bool_]:
        """(N,) True where the item may be bought."""
        found: NDArray[np.bool_] = self.roles == "pool"
        return found


def load_embeddings(ws: Workspace) -> Embeddings:
    """Read work/embeddings.

    Raises:
        TaskFolderError: The stage has not run yet.
        StaleArtifact: The folder's files do not belong together.
    """
    folder = ws.embeddings
    if not (folder / "manifest.json").exists():
        raise TaskFolderError(f"{folder} holds no manifest.json: run the stages `retrieve` and `embed` first")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    item_ids, roles = _columns(folder / "items.parquet", "item_id", "role")
    open_ids, open_classes = _columns(folder / "open.parquet", "open_id", "class_id")
    items, retrieved = unit(_matrix(folder / "items.npy")), unit(_matrix(folder / "open.npy"))
    for what, ids, vectors in (("items", item_ids, items), ("open", open_ids, retrieved)):
        if len(ids) != len(vectors) or len(ids) != manifest[what] or vectors.shape[1] != manifest["dim"]:
            raise StaleArtifact(
                f"{folder}: {what}.npy is {vectors.shape}, {what}.parquet has {len(ids)} rows, manifest.json says "
                f"({manifest[what]}, {manifest['dim']}); run the stage `embed` again"
            )
    prototypes = np.load(folder / "prototypes.npy", allow_pickle=False) if manifest["prototypes"] else None
    return Embeddings(
        item_ids=item_ids,
        roles=roles,
        items=items,
        open_ids=open_ids,
        open_classes=open_classes,
        open=retrieved,
        prototypes=prototypes,
        encoder=manifest["encoder"],
        logit_scale=float(manifest["logit_scale"]),
        reads=manifest["reads"],
    )


def _columns(path: Path, *names: str) -> tuple[Ids, ...]:
    table = pq.read_table(path, columns=list(names))
    return tuple(table[name].to_numpy(zero_copy_only=False).astype(np.str_) for name in names)


def _matrix(path: Path) -> NDArray[np.float16]:
    found: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found
