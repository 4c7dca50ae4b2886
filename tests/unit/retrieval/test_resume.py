"""A pass over many shards that ends in the middle goes on where it was, and gives the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tailfirst.config import Retrieval, Settings
from tailfirst.embedding.keys import Keys, words
from tailfirst.retrieval import corpus
from tailfirst.retrieval import run as stage
from tailfirst.retrieval.counts import Lexicon
from tailfirst.retrieval.gather import gather_shard
from tailfirst.retrieval.gathered import Gathering
from tailfirst.retrieval.match import Matcher
from tailfirst.retrieval.question import Question
from tailfirst.retrieval.shard_store import ShardStore
from tailfirst.task import load_task
from tests.support.fake_encoder import FakeEncoder
from tests.support.open_world import open_row, params, write_items, write_open, write_task
from tests.support.pictures import picture

CPU = Settings(device="cpu")
KINDS = ("a polar bear", "the fire engine", "a bear in a fire truck", "nothing here", "Bluefin-Tuna’s tail")


def rows(start, stop):
    return [open_row(k, f"{KINDS[k % 5]} {k}", picture(100 + k), nsfw=(k % 9) / 10) for k in range(start, stop)]


SHARDS = [rows(0, 15), rows(15, 22), rows(22, 40), rows(40, 45)]


def world(root: Path):
    root.mkdir()
    ws = write_task(root)
    write_items(ws, [picture(k) for k in range(6)])
    write_open(ws, *SHARDS)
    return ws


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    monkeypatch.setattr(stage, "load_encoder", lambda *_: FakeEncoder(dim=4, decode=True))


def retrieve(ws, **rules):
    return stage.retrieve(ws, params(retrieval={"match_limit": 5, **rules}), CPU)


def outs(ws):
    return [p.read_bytes() for p in (ws.retrieved, ws.class_counts, ws.synonym_counts, ws.retrieval_summary)]


def spied(monkeypatch, broken=None):
    """Names of the shards whose captions are read; reading the broken one ends in the middle."""
    read, real = [], corpus.slices

    def slices(shard, names=("caption",)):
        read.append(shard.name)
        yield from real(shard, names)
        if shard.name == broken:
            raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "slices", slices)
    return read


@pytest.mark.parametrize("broken", range(4))
def test_it_goes_on_at_the_shard_where_it_ended(tmp_path, monkeypatch, broken):
    whole, ws = world(tmp_path / "whole"), world(tmp_path / "broken")
    retrieve(whole)
    with monkeypatch.context() as patch:
        read = spied(patch, f"open/part-{broken}.parquet")
        with pytest.raises(KeyboardInterrupt):
            retrieve(ws)
        assert read == [f"open/part-{k}.parquet" for k in range(broken + 1)]
    assert not ws.retrieved.exists()
    read = spied(monkeypatch)
    retrieve(ws)
    assert read == [f"open/part-{k}.parquet" for k in range(broken, 4)]
    assert outs(ws) == outs(whole)


def test_it_goes_on_after_a_kill(tmp_path, monkeypatch):
    """A process that dies without a word in the third shard."""
    whole, ws = world(tmp_path / "whole"), world(tmp_path / "killed")
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tailfirst.config import Settings; from tailfirst.paths import Workspace\n"
        "from tailfirst.retrieval import corpus, run; from tests.support.open_world import params\n"
        "real = corpus.slices\n"
        "def slices(shard, names):\n"
        "    for piece in real(shard, names):\n"
        "        yield piece\n"
        "        if 'part-2' in shard.name: os.kill(os.getpid(), 9)\n"
        "corpus.slices = slices\n"
        "run.retrieve(Workspace(Path(sys.argv[1])), params(retrieval={'counts_only': True}), Settings(device='cpu'))\n"
    )
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script, str(ws.root)], env=here, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    read = spied(monkeypatch)
    for one in (ws, whole):
        stage.retrieve(one, params(retrieval={"counts_only": True}), CPU)
    assert read == [f"open/part-{k}.parquet" for k in (2, 3, 0, 1, 2, 3)]
    assert outs(ws) == outs(whole)


def test_a_shard_is_read_again_when_it_or_the_question_changed(tmp_path, monkeypatch):
    ws = world(tmp_path / "ws")
    read = spied(monkeypatch)

    def newly_read(**rules):
        read.clear()
        retrieve(ws, **rules)
        return [name[-9:-8] for name in read]

    assert newly_read() == ["0", "1", "2", "3"]
    assert newly_read() == []
    assert newly_read(cap=1, rank="random", min_t2t=0.1) == [], "rules that come after the pass ask nothing new"
    assert newly_read(max_nsfw=0.3) == ["0", "1", "2", "3"]
    assert newly_read() == ["0", "1", "2", "3"], "answers to another question are not kept"
    write_open(ws, SHARDS[0], SHARDS[1][::-1], SHARDS[2], SHARDS[3])
    for number in (0, 2, 3):
        os.utime(ws.open / f"part-{number}.parquet", ns=(1, 1))
    assert newly_read() == ["0", "1", "2", "3"]
    write_open(ws, *SHARDS[:2], SHARDS[2][::-1], SHARDS[3])
    for number in (0, 3):
        os.utime(ws.open / f"part-{number}.parquet", ns=(1, 1))
    assert newly_read() == ["1", "2"]
    (ws.open / "part-4.parquet").write_bytes((ws.open / "part-0.parquet").read_bytes())
    assert newly_read() == ["4"]


def test_a_damaged_answer_is_asked_for_again(tmp_path, monkeypatch):
    ws = world(tmp_path / "ws")
    retrieve(ws)
    before = outs(ws)
    stored = sorted((ws.cache / "retrieval").rglob("*.parquet"))
    assert len(stored) == 4
    stored[0].write_bytes(stored[0].read_bytes()[:-20])
    stored[1].write_bytes(b"")
    pq.write_table(pq.read_table(stored[2]).replace_schema_metadata(None), stored[2])
    read = spied(monkeypatch)
    retrieve(ws)
    assert len(read) == 3
    assert outs(ws) == before


@pytest.mark.parametrize("rules", [{}, {"match_limit": 3}, {"counts_only": True}, {"licences": ["none"]}])
def test_an_answer_is_read_back_as_it_was(tmp_path, rules):
    ws = world(tmp_path / "ws")
    asked = Question(Lexicon.of(load_task(ws.task)), Retrieval(**rules), Keys.of(words([])), 1, is_text=False)
    store = ShardStore.of(ws, asked)
    for shard in corpus.shards(ws):
        found = gather_shard(shard, asked, Matcher(asked.lexicon.phrases))
        assert store.load(shard) is None
        store.save(shard, found)
        again = store.load(shard)
        assert again.pool.traits.equals(found.pool.traits)
        for name in ("draws", "rows", "names"):
            np.testing.assert_array_equal(getattr(again.pool, name), getattr(found.pool, name))
        assert (again.captions, again.matched, again.dropped) == (found.captions, found.matched, found.dropped)
        assert again.counts.freq.tolist() == found.counts.freq.tolist()
        assert again.counts.captions.tolist() == found.counts.captions.tolist()


@pytest.mark.parametrize("spare", [0, 1, 7, 1000])
def test_how_often_rows_are_drawn_changes_nothing(tmp_path, monkeypatch, spare):
    whole, ws = world(tmp_path / "whole"), world(tmp_path / "often")
    retrieve(whole, match_limit=3)
    monkeypatch.setattr(Gathering, "SPARE", spare)
    monkeypatch.setattr(Gathering, "PARTS", 2)
    monkeypatch.setattr(corpus, "SLICE_ROWS", 2)
    retrieve(ws, match_limit=3)
    assert outs(ws) == outs(whole)
