"""The pass over captions needs the same memory for a corpus and for one four times as large."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.config import Retrieval
from tailfirst.embedding.keys import Keys, words
from tailfirst.retrieval import corpus
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.gather import gather_shard
from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.question import Question
from tailfirst.task import load_task
from tests.support.open_world import write_task

ROWS = 40_000


def peaks(tmp_path, monkeypatch, times):
    """Highest bytes that arrow (between two slices) and Python (NumPy included) held more than before; the answer."""
    ws = write_task(tmp_path / str(times))
    ws.open.mkdir()
    drawn = np.random.default_rng(0).integers(0, 1 << 60, ROWS).tolist()
    kinds = ("a polar bear {:x}", "no name {:x}, and words enough to fill a line", "fire-engine {:x}", "bear’s {:x}")
    captions = [kinds[k % 4].format(one) for k, one in enumerate(drawn)] * times
    table = pa.table({"open_id": [f"o{k:019x}" for k in range(len(captions))], "caption": captions})
    pq.write_table(table, ws.open / "part.parquet", row_group_size=len(captions))  # one row group
    del table, captions
    asked = Question(Lexicon.of(load_task(ws.task)), Retrieval(match_limit=500), Keys.of(words([])), 1, is_text=False)
    matcher = Matcher(asked.lexicon.phrases)
    (shard,) = corpus.shards(ws)
    held, before, real = [], pa.total_allocated_bytes(), corpus.slices
    with monkeypatch.context() as patch:

        def slices(*asked):
            for piece in real(*asked):
                held.append(pa.total_allocated_bytes() - before)
                yield piece

        patch.setattr(corpus, "slices", slices)
        tracemalloc.start()
        try:
            found = gather_shard(shard, asked, matcher)
            return max(held), tracemalloc.get_traced_memory()[1], found
        finally:
            tracemalloc.stop()


def test_peak_memory_does_not_grow_with_the_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "SLICE_ROWS", 4096)
    monkeypatch.setattr(corpus, "BUFFER", 1 << 16)
    monkeypatch.setattr("tailfirst.retrieval.gathered.Gathering.SPARE", 2000)
    arrow, python, found = peaks(tmp_path, monkeypatch, 1)
    arrow_4, python_4, found_4 = peaks(tmp_path, monkeypatch, 4)
    assert found_4.captions == 4 * found.captions == 4 * ROWS
    assert found_4.matched == 4 * found.matched == 2 * ROWS
    assert len(found_4.pool.traits) == len(found.pool.traits) == 1000
    assert arrow > 100_000
    assert arrow_4 < 1.2 * arrow
    assert python_4 < 1.2 * python
