"""Vectors that the user brought: data/vectors.npy, and data/prototypes.npy where there are class prototypes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.config import Settings
from tailfirst.contracts import Encoder, Media, Vectors
from tailfirst.encoders import _digests
from tailfirst.errors import TaskFolderError, Unavailable
from tailfirst.paths import Workspace
from tailfirst.vectors import unit


class Params(BaseModel):
    """How far the vectors' softmax is spread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    logit_scale: float = Field(100.0, gt=0)  # s in softmax(s * z . t); what the model that made the vectors used


def load(params: Params, ws: Workspace, settings: Settings) -> Encoder:  # noqa: ARG001 - the plugin signature
    """The encoder over data/vectors.npy.

    Raises:
        TaskFolderError: A matrix is missing, not two-dimensional, not of floats, or the two differ in width.
    """
    vectors = _matrix(ws.vectors)
    files = [ws.vectors]
    own = None
    if ws.prototypes.exists():
        own = _matrix(ws.prototypes)
        files.append(ws.prototypes)
        if own.shape[1] != vectors.shape[1]:
            raise TaskFolderError(
                f"{ws.prototypes.name} has {own.shape[1]} columns, {ws.vectors.name} has {vectors.shape[1]}"
            )
    shas = _digests.file_digests(files, ws.cache / "sha256.json")
    parts = {"encoder": "precomputed", "files": shas, "scale": params.logit_scale}
    return Rows(_digests.fingerprint(parts), int(vectors.shape[1]), params.logit_scale, vectors, own)


@dataclass(frozen=True, slots=True)
class Rows:
    """Memory-mapped vectors; only the rows asked for are read."""

    fingerprint: str
    dim: int
    logit_scale: float
    vectors: NDArray[Any]
    own_prototypes: NDArray[Any] | None
    reads: Literal["image", "text", "row"] = "row"
    has_text: bool = False

    def items(self, batch: Sequence[Media]) -> Vectors:
        """Unit vectors (N, D) of items.

        Raises:
            TaskFolderError: An item without a row, with a row outside the matrix, or with a vector of length 0.
        """
        rows = np.array([-1 if media.vector_row is None else media.vector_row for media in batch], np.int64)
        outside = np.flatnonzero((rows < 0) | (rows >= len(self.vectors)))
        if len(outside):
            media = batch[outside[0]]
            raise TaskFolderError(
                f"item {media.item_id} names row {media.vector_row} of vectors.npy, which has {len(self.vectors)} rows"
            )
        found = np.asarray(self.vectors[rows], np.float32)
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1) | ~found.any(axis=1))
        if len(bad):
            raise TaskFolderError(
                f"item {batch[bad[0]].item_id}: row {rows[bad[0]]} of vectors.npy is all zeros or not finite"
            )
        return unit(found)

    def texts(self, batch: Sequence[str]) -> Vectors:
        """Nothing: vectors alone have no text side.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable(f"the encoder `precomputed` cannot encode {len(batch)} text(s): it has no text side")

    def prototypes(self, prompts: Sequence[Sequence[str]]) -> Vectors | None:
        """Unit class prototypes (C, D) from data/prototypes.npy, in task order; None where there is no such file.

        Raises:
            TaskFolderError: Not one row per class.
        """
        if self.own_prototypes is None:
            return None
        if len(self.own_prototypes) != len(prompts):
            raise TaskFolderError(
                f"prototypes.npy has {len(self.own_prototypes)} rows, the task has {len(prompts)} classes; "
                "it needs one row per class, in the order of task.yaml"
            )
        return unit(np.asarray(self.own_prototypes, np.float32))


def _matrix(path: Path) -> NDArray[Any]:
    if not path.exists():
        raise TaskFolderError(f"the encoder `precomputed` needs {path}, a matrix with one row per item")
    try:
        matrix: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise TaskFolderError(f"{path} is not a readable .npy file: {error}") from error
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.floating) or 0 in matrix.shape:
        raise TaskFolderError(f"{path} holds {matrix.dtype} {matrix.shape}; it needs floats (rows, columns)")
    return matrix
