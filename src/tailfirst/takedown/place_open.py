"""Where open data lies: the shards of the corpus, image files that they name, and what was fetched by URL."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import artifacts
from tailfirst.artifacts import sha256_file
from tailfirst.items import inside
from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus
from tailfirst.retrieval.columns import as_ours
from tailfirst.retrieval.fetched import segments, write_segment
from tailfirst.takedown.open_rows import fetched_identities, identities, ids_of
from tailfirst.takedown.targets import Targets
from tailfirst.task import load_task


def count_rows(ws: Workspace, targets: Targets) -> int:
    """Rows of the corpus that go."""
    return sum(int(pc.sum(_mask(ws, shard, targets)).as_py() or 0) for shard in corpus.shards(ws))


def drop_rows(ws: Workspace, targets: Targets) -> None:
    """Write every shard that holds such rows again without them, and remove the image files that they name.

    A shard of which nothing is left is removed.
    """
    for shard in corpus.shards(ws):
        mask = _mask(ws, shard, targets)
        gone = int(pc.sum(mask).as_py() or 0)
        if not gone:
            continue
        for path in _files(ws, shard, mask, targets):
            path.unlink()
        if gone == len(mask):
            shard.path.unlink()
        else:
            _rewrite(shard, pc.invert(mask))


def count_fetched(ws: Workspace, targets: Targets) -> int:
    """Fetched images, and words on URLs, that go."""
    return sum(_n_fetched(path, targets) for path in segments(ws))


def drop_fetched(ws: Workspace, targets: Targets) -> None:
    """Write every shard of fetched images again without them."""
    for path in segments(ws):
        mask = targets.meet(fetched_identities(path))
        gone = int(pc.sum(mask).as_py() or 0)
        if gone == len(mask):
            path.unlink()
        elif gone:
            with artifacts.atomic_file(path) as temporary:
                write_segment(temporary, pq.read_table(path).filter(pc.invert(mask)))


def _n_fetched(path: Path, targets: Targets) -> int:
    return int(pc.sum(targets.meet(fetched_identities(path))).as_py() or 0)


def _mask(ws: Workspace, shard: corpus.Shard, targets: Targets) -> pa.ChunkedArray:
    is_text = load_task(ws.task).modality == "text"
    parts = [chunk for table in identities(ws, shard, is_text) for chunk in targets.meet(table).chunks]
    return pa.chunked_array(parts, pa.bool_())


def _files(ws: Workspace, shard: corpus.Shard, mask: pa.ChunkedArray, targets: Targets) -> list[Path]:
    """Image files below data/ of rows that go; a path that leads to other bytes is not followed."""
    theirs = shard.columns.get("path")
    if theirs is None:
        return []
    paths = as_ours("path", pq.read_table(shard.path, columns=[theirs])[theirs].combine_chunks())
    found = [inside(ws.data, path) for path in paths.filter(mask).drop_null().unique().to_pylist()]
    return [path for path in found if path.is_file() and sha256_file(path) in targets.shas]


def _rewrite(shard: corpus.Shard, keep: pa.ChunkedArray) -> None:
    """The shard with some rows only, a row group at a time; ids that follow from a row's place are written down."""
    ids, theirs = ids_of(shard), shard.columns["open_id"]
    with pq.ParquetFile(shard.path) as file:
        schema = file.schema_arrow
        column = schema.get_field_index(theirs)
        if ids is not None:
            schema = schema.set(column, pa.field(theirs, pa.string()))
        with (
            artifacts.atomic_file(shard.path) as temporary,
            pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
        ):
            for group in range(file.metadata.num_row_groups):
                start, end = int(shard.starts[group]), int(shard.starts[group + 1])
                part = file.read_row_group(group)
                if ids is not None:
                    part = part.set_column(column, schema.field(column), ids.slice(start, end - start))
                part = part.filter(keep.slice(start, end - start))
                if len(part):
                    writer.write_table(part)
