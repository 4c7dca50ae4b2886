import numpy as np
import pytest

from tailfirst.config import Retrieval
from tailfirst.embedding.keys import Keys, words
from tailfirst.retrieval import corpus
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.gather import gather
from tailfirst.retrieval.question import Question
from tailfirst.retrieval.shard_store import ShardStore
from tailfirst.task import load_task
from tests.support.open_world import open_row, write_open, write_task

NO_ITEMS = Keys.of(words([]))


def rows(start, stop):
    kinds = ["a polar bear", "the fire engine", "a bear in a fire truck", "nothing here"]
    return [open_row(k, f"{kinds[k % 4]} {k}", b"x%d" % k) for k in range(start, stop)]


def run(tmp_path, shards, limit=100, seed=1):
    ws = write_task(tmp_path)
    write_open(ws, *shards)
    lexicon = Lexicon.of(load_task(ws.task))
    asked = Question(lexicon, Retrieval(match_limit=limit), NO_ITEMS, seed, is_text=False)
    found = gather(corpus.shards(ws), asked, ShardStore.of(ws, asked))
    return found, found.dropped, lexicon


def test_all_matches_are_kept_while_there_are_few(tmp_path):
    found, dropped, lexicon = run(tmp_path, [rows(0, 10), rows(10, 16)])
    assert (found.captions, found.matched, dropped) == (16, 12, {})
    assert found.counts.freq.tolist() == [8, 8, 0]
    pairs = {
        (found.pool.traits["open_id"][row].as_py(), lexicon.names[name])
        for row, name in zip(found.pool.rows.tolist(), found.pool.names.tolist(), strict=True)
    }
    assert ("o" + f"{2:019x}", "bear") in pairs
    assert ("o" + f"{2:019x}", "fire truck") in pairs
    assert len(pairs) == 4 * 2 + 4 + 8
    places = zip(found.pool.traits["shard"].to_pylist(), found.pool.traits["row"].to_pylist(), strict=True)
    assert ("open/part-1.parquet", 0) in set(places)


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_draws_rows_class_by_class_and_leaves_the_counts_alone(tmp_path, limit):
    found, dropped, lexicon = run(tmp_path, [rows(0, 40)], limit)
    assert found.counts.freq.tolist() == [20, 20, 0]
    classes = lexicon.name_class[found.pool.names]
    for row_class in (0, 1):
        assert len(np.unique(found.pool.rows[classes == row_class])) >= limit
    assert len(found.pool.traits) <= 2 * limit
    assert dropped == {"match_limit": 30 - len(found.pool.traits)}


def test_a_row_keeps_all_its_classes(tmp_path):
    found, _, lexicon = run(tmp_path, [rows(0, 40)], 2)
    for row, caption in enumerate(found.pool.traits["caption"].to_pylist()):
        names = set(lexicon.name_class[found.pool.names[found.pool.rows == row]].tolist())
        assert names == ({0, 1} if "bear in a fire" in caption else {0} if "bear" in caption else {1})


def test_the_draw_depends_on_the_seed_and_not_on_shards_or_order(tmp_path):
    def ids(folder, shards, seed=1):
        (tmp_path / folder).mkdir()
        return set(run(tmp_path / folder, shards, 3, seed)[0].pool.traits["open_id"].to_pylist())

    one = ids("one", [rows(0, 40)])
    assert ids("split", [rows(20, 40), rows(5, 20)[::-1], rows(0, 5)]) == one
    assert ids("again", [rows(0, 40)], seed=2) != one
