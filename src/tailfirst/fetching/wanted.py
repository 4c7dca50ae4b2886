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
from tailfirst.retrieval import columns
from tailfirst.retrieval.corpus import Shard
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.fetched import RETRY, UNKNOWN, Fetched, url_words
from tailfirst.retrieval.gather import gather
from tailfirst.retrieval.question import Question
from tailfirst.retrieval.shard_store import ShardStore
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
    asked = Question(Lexicon.of(task), params.retrieval, keys, params.campaign.seed, is_text, Takedowns.of(ws))
    found = gather(known, asked, ShardStore.of(ws, asked))  # the stage `retrieve` asks the same and reads nothing again
    if not len(found.pool.traits):
        return {}
    names = found.pool.traits["shard"].to_numpy(zero_copy_only=False)
    rows = found.pool.traits["row"].to_numpy().astype(np.int64)
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
    return any("url" in shard.columns for shard in known)


def _without_image(ws: Workspace, shard: Shard, chosen: Ints | None) -> Iterator[Sequence[str]]:
    if "url" not in shard.columns or (chosen is not None and not len(chosen)):
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
            names = ["url", *(["path"] if "path" in shard.columns else []), *(["image"] if images == "some" else [])]
            for batch in _batches(file, group, {name: shard.columns[name] for name in names}, here):
                urls = columns.as_ours("url", batch["url"]).to_pylist()
                yield [url for url, lacks in zip(urls, _lacks(ws, batch), strict=True) if url and lacks]


def _images(file: pq.ParquetFile, shard: Shard, group: int) -> str:
    """Whether all, none or some rows of a row group own their bytes; from its statistics, so that no image is read."""
    theirs = shard.columns.get("image")
    if theirs is None:
        return "none"
    meta = file.metadata.row_group(group)
    chunks = (meta.column(number) for number in range(meta.num_columns))
    chunk = next((one for one in chunks if one.path_in_schema in {theirs, f"{theirs}.bytes"}), None)
    statistics = None if chunk is None else chunk.statistics
    if statistics is None or not statistics.has_null_count:
        return "some"
    return {0: "all", meta.num_rows: "none"}.get(statistics.null_count, "some")


def _batches(
    file: pq.ParquetFile, group: int, names: Mapping[str, str], here: Ints | None
) -> Iterator[Mapping[str, pa.Array]]:
    """Columns by our names, some rows at a time."""
    start = 0
    span = 256 if "image" in names else SPAN
    for batch in file.iter_batches(span, row_groups=[group], columns=list(names.values())):
        end = start + len(batch)
        part = batch if here is None else batch.take(pa.array(here[(here >= start) & (here < end)] - start))
        start = end
        yield {ours: part[theirs] for ours, theirs in names.items()}


def _lacks(ws: Workspace, batch: Mapping[str, pa.Array]) -> list[bool]:
    """Which rows own no bytes and have no file."""
    lacks = [True] * len(batch["url"])
    if "image" in batch:
        lacks = columns.image_bytes(batch["image"]).is_null().to_pylist()
    if "path" in batch and batch["path"].null_count < len(lacks):
        paths = columns.as_ours("path", batch["path"]).to_pylist()
        lacks = [one and not (path and inside(ws.data, path).is_file()) for one, path in zip(lacks, paths, strict=True)]
    return lacks
