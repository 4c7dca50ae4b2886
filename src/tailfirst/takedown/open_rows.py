"""The open corpus as identities: of every row its id, the hash of its bytes or text, its address and its caption."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst.artifacts import sha256_bytes
from tailfirst.items import inside, sha256_text
from tailfirst.paths import Workspace
from tailfirst.retrieval import columns
from tailfirst.retrieval.corpus import Shard, Slice, slices
from tailfirst.retrieval.fetched import segments
from tailfirst.takedowns import url_key

IDENTITY = pa.schema([(name, pa.string()) for name in ("id", "sha", "url", "caption")])
NAMES = ("open_id", "sha256", "caption", "url", "path")  # our names of the columns that say what a row is


def identities(ws: Workspace, shard: Shard, is_text: bool) -> Iterator[pa.Table]:
    """All rows of a shard in order (IDENTITY); `url` as its key.

    Where a shard does not record the hash of an image that it owns, the bytes are hashed.
    """
    owns = not is_text and "image" in shard.columns and not _all_recorded(shard)
    for piece in slices(shard, (*NAMES, *(["image"] if owns else []))):
        yield _identity(ws, piece, is_text, owns)


def ids_of(shard: Shard) -> pa.Array | None:
    """The open ids of all rows where some have none but their place, which changes when a row before them goes."""
    theirs = shard.columns["open_id"]
    if not pc.any(pc.is_null(pq.read_table(shard.path, columns=[theirs])[theirs], nan_is_null=True)).as_py():
        return None
    pieces = slices(shard, ("open_id",))
    parts = [piece.traits(np.arange(len(piece.batch)), ("open_id",))["open_id"] for piece in pieces]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()).combine_chunks()


def fetched_identities(path: Path) -> pa.Table:
    """The rows of a shard of fetched images (IDENTITY)."""
    table = pq.read_table(path, columns=["url", "sha256"])
    nothing = pa.nulls(len(table), pa.string())
    keys = pa.array([url_key(url) for url in table["url"].to_pylist()], pa.string())
    return pa.table([nothing, table["sha256"], keys, nothing], schema=IDENTITY)


def all_fetched(ws: Workspace) -> Iterator[pa.Table]:
    """The identities of all fetched images."""
    for path in segments(ws):
        yield fetched_identities(path)


def _all_recorded(shard: Shard) -> bool:
    """Whether every row says its hash; from the statistics."""
    theirs = shard.columns.get("sha256")
    if theirs is None:
        return False
    with pq.ParquetFile(shard.path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    found = [chunk.statistics for chunk in chunks if chunk.path_in_schema == theirs]
    return all(one is not None and one.has_null_count and one.null_count == 0 for one in found)


def _identity(ws: Workspace, piece: Slice, is_text: bool, owns: bool) -> pa.Table:
    table = piece.traits(np.arange(len(piece.batch)), NAMES)
    shas: list[str | None] = table["sha256"].to_pylist()
    if is_text:
        shas = [sha256_text(caption or "") for caption in table["caption"].to_pylist()]
    else:
        nothing = pa.nulls(len(table), pa.binary())
        images = columns.image_bytes(piece.batch[piece.shard.columns["image"]]) if owns else nothing
        rows = zip(shas, images, table["path"].to_pylist(), strict=True)
        shas = [sha or _hashed(ws, image.as_py(), path) for sha, image, path in rows]
    urls = [url_key(url) if url else None for url in table["url"].to_pylist()]
    return pa.table({"id": table["open_id"], "sha": shas, "url": urls, "caption": table["caption"]}, schema=IDENTITY)


def _hashed(ws: Workspace, image: bytes | None, path: str | None) -> str | None:
    if image is not None:
        return sha256_bytes(image)
    if path is None:
        return None
    file = inside(ws.data, path)
    return sha256_bytes(file.read_bytes()) if file.is_file() else None
