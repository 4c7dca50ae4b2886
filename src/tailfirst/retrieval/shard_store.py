"""What was found in each shard, kept below state/cache/retrieval: a killed run goes on at the shard it was at.

A file is named by its shard (name, size and time of change) in a folder that is named by the question. The folder may
be deleted at any time; the shards are then read again.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import artifacts
from tailfirst.paths import Workspace
from tailfirst.retrieval.corpus import Shard
from tailfirst.retrieval.counts import Counts
from tailfirst.retrieval.gathered import POOL_SCHEMA, Gathered, Pool
from tailfirst.retrieval.question import Question

REST = b"gathered"  # the key under which a file's metadata tells what stands in no row
SCHEMA = pa.schema([*POOL_SCHEMA, ("draw", pa.int64()), ("names", pa.list_(pa.int64()))])


class ShardStore:
    """Answers by shard to one question."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, ws: Workspace, asked: Question) -> "ShardStore":
        """The store of a question in a workspace."""
        return cls(ws.cache / "retrieval" / asked.digest()[:20])

    def load(self, shard: Shard) -> Gathered | None:
        """What was found in a shard as it is now; None where that is not known, or its file is damaged."""
        try:
            table = pq.read_table(self._path(shard))
        except (OSError, pa.ArrowException):
            return None
        rest = (table.schema.metadata or {}).get(REST)
        if rest is None or not table.schema.equals(SCHEMA):
            return None
        return _gathered(table, json.loads(rest))

    def save(self, shard: Shard, found: Gathered) -> None:
        """Keep what was found in a shard, whole or not at all."""
        artifacts.write_parquet(self._path(shard), _table(found))

    def forget_others(self) -> None:
        """Delete the answers to other questions, so that the cache does not grow with every change of params."""
        if self.folder.parent.is_dir():
            for folder in sorted(self.folder.parent.iterdir()):
                if folder != self.folder:
                    shutil.rmtree(folder, ignore_errors=True)

    def _path(self, shard: Shard) -> Path:
        known = shard.path.stat()
        name = artifacts.canonical_json([shard.name, known.st_size, known.st_mtime_ns])
        return self.folder / f"{artifacts.sha256_bytes(name.encode())[:20]}.parquet"


def _table(found: Gathered) -> pa.Table:
    pool = found.pool
    ends = np.searchsorted(pool.rows, np.arange(len(pool.traits) + 1))
    names = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(pool.names, pa.int64()))
    rest: dict[str, Any] = {
        "freq": found.counts.freq.tolist(),
        "by_name": found.counts.captions.tolist(),
        "captions": found.captions,
        "matched": found.matched,
        "dropped": dict(found.dropped),
    }
    columns = {**{name: pool.traits[name] for name in POOL_SCHEMA.names}, "draw": pool.draws, "names": names}
    return pa.table(columns, schema=SCHEMA).replace_schema_metadata({REST: artifacts.canonical_json(rest)})


def _gathered(table: pa.Table, rest: dict[str, Any]) -> Gathered:
    names = table["names"].combine_chunks()
    pool = Pool(
        traits=table.select(POOL_SCHEMA.names).replace_schema_metadata(None),
        draws=table["draw"].to_numpy().astype(np.int64),
        rows=np.repeat(np.arange(len(table)), pc.list_value_length(names).to_numpy(zero_copy_only=False)),
        names=names.flatten().to_numpy(zero_copy_only=False).astype(np.int64),
    )
    counts = Counts(np.array(rest["freq"], np.int64), np.array(rest["by_name"], np.int64))
    return Gathered(counts, pool, rest["captions"], rest["matched"], rest["dropped"])
