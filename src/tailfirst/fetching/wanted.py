"""Which URLs of the open corpus lack their image; the corpus is read some rows at a time."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.config import Params
from tailfirst.contracts import Ints
from tailfirst.embedding.keys import Keys, words
from tailfirst.items import inside, load_items
from tailfirst.paths import Workspace
from tailfirst.retrieval.corpus import URL_COLUMNS, Shard
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.fetched import RETRY, UNKNOWN, Fetched, url_words
from tailfirst.retrieval.gather import gather
from tailfirst.retrieval.hygiene import Dropped, not_taken_down
from tailfirst.takedowns import Takedowns
from tailfirst.task import load_task

SPAN = 8192  # URLs looked up at a time


def matching_rows(ws: Workspace, params: Params, known: Sequence[Shard]) -> Mapping[str, Ints]:
    """The rows that the retrieval would look at, by shard: they name a class and pass licence, nsfw and the draw.

    Raises:
        UserError: An unreadable task folder or open corpus.
    """
    task, items = load_task(ws.task), load_items(ws)
    keys = Keys.of(words(items.table["sha256"].to_pylist()))
    is_text = task.modality == "text"
    found = gather(known, Lexicon.of(task), params.retrieval, keys, params.campaign.seed, is_text, Dropped())
    if not len(found.pool.traits):
        return {}
    traits = found.pool.traits.filter(pa.array(not_taken_down(found.pool.traits, Takedowns.of(ws), is_text)))
    names = traits["shard"].to_numpy(zero_copy_only=False)
    rows = traits["row"].to_numpy().astype(np.int64)
    return {name: np.sort(rows[names == name]) for name in dict.fromkeys(names.tolist())}


def wanted_urls(
    ws: Workspace, known: Sequence[Shard], rows: Mapping[str, Ints] | None, fetched: Fetched, banned: Takedowns
) -> Iterator[str]:
    """URLs without an image that were never asked or may be asked again, each once, in the order of the corpus.

    Args:
        ws: The workspace.
        known: The shards.
        rows: Only these (ascending), by shard; None = all.
        fetched: What became of URLs so far.
        banned: What was taken down is not asked.
    """
    seen: set[int] = set()
    for shard in known:
        chosen = None if rows is None else rows.get(shard.name, np.empty(0, np.int64))
        for urls in _without_image(ws, shard, chosen):
            keys = url_words(urls)[:, 0].tolist()
            states = fetched.known(urls).tolist()
            for url, key, state in zip(urls, keys, states, strict=True):
                if state in {UNKNOWN, RETRY} and key not in seen and not banned.has_url(url):
                    seen.add(key)
                    yield url


def has_urls(known: Sequence[Shard]) -> bool:
    """Whether any shard has a column of URLs."""
    return any(_url_column(shard) for shard in known)


def _url_column(shard: Shard) -> str | None:
    return next((name for name in URL_COLUMNS if name in shard.columns), None)


def _without_image(ws: Workspace, shard: Shard, chosen: Ints | None) -> Iterator[Sequence[str]]:
    column = _url_column(shard)
    if column is None or (chosen is not None and not len(chosen)):
        return
    with pq.ParquetFile(shard.path, pre_buffer=False) as file:
        for group in range(file.metadata.num_row_groups):
            start, end = int(shard.starts[group]), int(shard.starts[group + 1])
            here = (
                None
                if chosen is None
                else chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, end)] - start
            )
            if here is not None and not len(here):
                continue
            images = _images(file, shard, group)
            if images == "all":
                continue
            columns = [column, *(["path"] if "path" in shard.columns else []), *(["image"] if images == "some" else [])]
            for batch in _batches(file, group, columns, here):
                yield [
                    url
                    for url, lacks in zip(batch[column].to_pylist(), _lacks(ws, batch), strict=True)
                    if url and lacks
                ]


def _images(file: pq.ParquetFile, shard: Shard, group: int) -> str:
    """Whether all, none or some rows of a row group own their bytes; from its statistics, so that no image is read."""
    if "image" not in shard.columns:
        return "none"
    meta = file.metadata.row_group(group)
    place = next(i for i in range(meta.num_columns) if meta.column(i).path_in_schema.partition(".")[0] == "image")
    statistics = meta.column(place).statistics
    if statistics is None or not statistics.has_null_count:
        return "some"
    return {0: "all", meta.num_rows: "none"}.get(statistics.null_count, "some")


def _batches(file: pq.ParquetFile, group: int, columns: list[str], here: Ints | None) -> Iterator[pa.Table]:
    start = 0
    for batch in file.iter_batches(SPAN if "image" not in columns else 256, row_groups=[group], columns=columns):
        table = pa.Table.from_batches([batch])
        if here is not None:
            part = here[(here >= start) & (here < start + len(table))] - start
            start += len(table)
            table = table.take(pa.array(part))
        yield table


def _lacks(ws: Workspace, batch: pa.Table) -> list[bool]:
    """Which rows own no bytes and have no file."""
    lacks = [True] * len(batch)
    if "image" in batch.column_names:
        lacks = batch["image"].is_null().to_pylist()
    if "path" in batch.column_names and batch["path"].null_count < len(batch):
        paths = batch["path"].to_pylist()
        lacks = [one and not (path and inside(ws.data, path).is_file()) for one, path in zip(lacks, paths, strict=True)]
    return lacks
