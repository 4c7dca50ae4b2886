"""The `embed` stage: vectors of items and retrieved rows, and class prototypes, into work/embeddings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst import artifacts, schemas
from tailfirst.config import Params, Settings
from tailfirst.contracts import Encoder, Vectors
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import embed_items, kind_of
from tailfirst.encoders import load_encoder
from tailfirst.items import Items, load_items, read_media
from tailfirst.paths import Workspace
from tailfirst.retrieval.names import class_names
from tailfirst.retrieval.vectors import embed_open
from tailfirst.task import Task, load_task

SPAN = 8192  # rows written at a time


def run_embed(ws: Workspace, params: Params, settings: Settings) -> None:
    """Write work/embeddings: items, retrieved rows and prototypes of the encoder that params.yaml names.

    Raises:
        UserError: Bad params, an item without the media that the encoder reads, or bytes that cannot be decoded.
        StaleArtifact: Bytes differ from the recorded sha256.
    """
    task, items = load_task(ws.task), load_items(ws)
    retrieved = schemas.read(ws.retrieved, schemas.RETRIEVED)
    encoder = load_encoder(ws, params, settings)
    cache = VectorCache.of(ws, encoder)
    prototypes = encoder.prototypes([task.prompts(names) for names in prompt_names(ws, task, params)])
    if encoder.reads != "row":
        embed_items(ws, encoder, items, cache)
        embed_open(ws, encoder, retrieved, cache)
    with artifacts.atomic_folder(ws.embeddings) as folder:
        _write_items(ws, folder, encoder, items, cache)
        _write_open(folder, encoder, retrieved, cache)
        if prototypes is not None:
            artifacts.write_array(folder / "prototypes.npy", prototypes)
        artifacts.write_json(folder / "manifest.json", _manifest(encoder, items, retrieved, prototypes))


def prompt_names(ws: Workspace, task: Task, params: Params) -> tuple[tuple[str, ...], ...]:
    """The names of every class that its prompts are made of."""
    counts = schemas.read(ws.class_counts, schemas.CLASS_COUNTS)
    common = dict(zip(counts["class_id"].to_pylist(), counts["most_common_name"].to_pylist(), strict=True))
    return class_names(task, params.retrieval.names, common)


def _write_items(ws: Workspace, folder: Path, encoder: Encoder, items: Items, cache: VectorCache) -> None:
    def fill(span: slice, out: NDArray[np.float16]) -> None:
        rows = items.table.slice(span.start, len(out))
        if encoder.reads == "row":
            out[:] = encoder.items(read_media(ws, rows, "row"))
        else:
            cache.fill(kind_of(encoder), rows["sha256"].to_pylist(), out)

    ids = pa.table({"item_id": items.table["item_id"], "role": items.table["role"]})
    artifacts.write_parquet(folder / "items.parquet", ids)
    _write_matrix(folder / "items.npy", (len(items), encoder.dim), fill)


def _write_open(folder: Path, encoder: Encoder, retrieved: pa.Table, cache: VectorCache) -> None:
    def fill(span: slice, out: NDArray[np.float16]) -> None:
        cache.fill(kind_of(encoder), retrieved["sha256"].slice(span.start, len(out)).to_pylist(), out)

    ids = pa.table({"open_id": retrieved["open_id"], "class_id": retrieved["class_id"]})
    artifacts.write_parquet(folder / "open.parquet", ids)
    _write_matrix(folder / "open.npy", (len(retrieved), encoder.dim), fill)


def _write_matrix(path: Path, shape: tuple[int, int], fill: Callable[[slice, NDArray[np.float16]], None]) -> None:
    """Write a float16 matrix some rows at a time, so that it never stands in memory as a whole."""
    if 0 in shape:  # an empty file cannot be mapped
        artifacts.write_array(path, np.empty(shape, np.float16))
        return
    out = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    for start in range(0, shape[0], SPAN):
        span = slice(start, min(start + SPAN, shape[0]))
        fill(span, out[span])
    out.flush()


def _manifest(encoder: Encoder, items: Items, retrieved: pa.Table, prototypes: Vectors | None) -> dict[str, Any]:
    return {
        "encoder": encoder.fingerprint,
        "dim": encoder.dim,
        "logit_scale": encoder.logit_scale,
        "reads": encoder.reads,
        "items": len(items),
        "open": len(retrieved),
        "prototypes": prototypes is not None,
    }
