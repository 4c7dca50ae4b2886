"""The open corpus as identities: of every row its id, the hash of its bytes or text, its address and its caption."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.artifacts import sha256_bytes
from tailfirst.items import inside, sha256_text
from tailfirst.paths import Workspace
from tailfirst.retrieval.corpus import URL_COLUMNS, Shard
from tailfirst.retrieval.fetched import segments
from tailfirst.takedowns import url_key

IDENTITY = pa.schema([(name, pa.string()) for name in ("id", "sha", "url", "caption")])
SPAN = 1024  # rows in memory at a time where images must be hashed
PLAIN = 65_536


def identities(ws: Workspace, shard: Shard, group: int, is_text: bool) -> Iterator[pa.Table]:
    """The rows of a row group in order (IDENTITY); `url` as its key.

    Where a shard does not record the hash of an image that it owns, the bytes are hashed.
    """
    columns = [c for c in ("open_id", "sha256", "caption", *URL_COLUMNS, "path") if c in shard.columns]
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        recorded = _all_recorded(file, shard, group)
        owns = "image" in shard.columns and not recorded
        for batch in file.iter_batches(
            SPAN if owns else PLAIN, row_groups=[group], columns=[*columns, *(["image"] if owns else [])]
        ):
            yield _identity(ws, pa.Table.from_batches([batch]), is_text)


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


def _all_recorded(file: pq.ParquetFile, shard: Shard, group: int) -> bool:
    """Whether every row of a row group says its hash; from the statistics."""
    if "sha256" not in shard.columns:
        return False
    meta = file.metadata.row_group(group)
    place = next(i for i in range(meta.num_columns) if meta.column(i).path_in_schema == "sha256")
    statistics = meta.column(place).statistics
    return statistics is not None and statistics.has_null_count and statistics.null_count == 0


def _identity(ws: Workspace, table: pa.Table, is_text: bool) -> pa.Table:
    columns = {name: table[name].to_pylist() for name in table.column_names}
    nothing: list[None] = [None] * len(table)
    captions = columns.get("caption", nothing)
    urls = next((columns[name] for name in URL_COLUMNS if name in columns), nothing)
    shas = list(columns.get("sha256", nothing))
    if is_text:
        shas = [sha256_text(caption or "") for caption in captions]
    else:
        data, paths = columns.get("image", nothing), columns.get("path", nothing)
        shas = [sha or _hashed(ws, image, path) for sha, image, path in zip(shas, data, paths, strict=True)]
    return pa.table(
        {
            "id": columns.get("open_id", nothing),
            "sha": shas,
            "url": [url_key(url) if url else None for url in urls],
            "caption": captions,
        },
        schema=IDENTITY,
    )


def _hashed(ws: Workspace, image: bytes | None, path: str | None) -> str | None:
    if image is not None:
        return sha256_bytes(image)
    if path is None:
        return None
    file = inside(ws.data, path)
    return sha256_bytes(file.read_bytes()) if file.is_file() else None
