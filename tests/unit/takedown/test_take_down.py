"""A picture leaves every file of a workspace, whatever it is called by, and a killed take-down can be finished."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from tailfirst import cli, schemas
from tailfirst.context import NoGates, open_context
from tailfirst.embedding.cache import VectorCache
from tailfirst.errors import TaskFolderError, UserError
from tailfirst.fetching import run as fetching
from tailfirst.intake.validate import validate_task
from tailfirst.items import load_items, read_media, sha256_text
from tailfirst.labeling.fold import fold
from tailfirst.retrieval import corpus
from tailfirst.retrieval.hygiene import not_taken_down
from tailfirst.retrieval.vectors import OpenRows, embed_open_rows
from tailfirst.takedown import places, run
from tailfirst.takedown.run import take_down
from tailfirst.takedowns import Takedowns
from tests.support import open_world, takedown_world
from tests.support.fake_encoder import FakeEncoder
from tests.support.pictures import picture
from tests.support.takedown_world import FETCHED, FILE, PATH, SHARD, UNHASHED, URL, item, row, sha, traces

OPEN = {FILE: [row(1)], FETCHED: [row(n) for n in (3, 6, 7)], UNHASHED: [row(2)],
        PATH: [row(4)], SHARD: []}  # fmt: skip


@pytest.fixture
def ws(tmp_path, sqlite_template):
    made = takedown_world.make(tmp_path)
    made.state.mkdir(exist_ok=True)
    shutil.copy(sqlite_template, made.ledger)
    return made


def act(ws, *references, **options):
    with open_context(ws.root, gates=NoGates()) as ctx:
        return take_down(ctx, references, **options)


def ids_of(number):
    return OPEN[number] + ([item(number)] if number < 6 else [])


CALLED = [
    (FILE, item(FILE)), (FILE, sha(FILE)), (FILE, OPEN[FILE][0]), (SHARD, item(SHARD)), (FETCHED, OPEN[FETCHED][0]),
    (FETCHED, OPEN[FETCHED][1]), (FETCHED, OPEN[FETCHED][2]), (FETCHED, sha(FETCHED)), (UNHASHED, OPEN[UNHASHED][0]),
    (UNHASHED, sha(UNHASHED)), (PATH, OPEN[PATH][0]), (PATH, sha(PATH)),
]  # fmt: skip


@pytest.mark.parametrize(("number", "called"), CALLED)
def test_nothing_of_it_is_left_whatever_it_is_called_by(ws, number, called):
    assert traces(ws, number, *ids_of(number))
    report = act(ws, called, reason="asked by the owner")
    assert traces(ws, number, *ids_of(number)) == []
    assert report.remains == {}
    assert set(report.ids) == set(ids_of(number))
    listed = Takedowns.of(ws)
    assert set(ids_of(number)) <= listed.ids
    assert sha(number) in listed.shas


def test_all_the_rest_stays_as_it_was(ws):
    shutil.rmtree(ws.cache / "retrieval")  # that alone goes as a whole
    others = (1, 2, 3, 4, 60, 61, 62)
    before = {number: len(traces(ws, number)) for number in others}
    act(ws, item(FILE), sha(SHARD), OPEN[FETCHED][0])
    assert {number: len(traces(ws, number)) for number in others} == before
    items = load_items(ws)
    assert [media.data for media in read_media(ws, items.table, "image")] == [picture(n) for n in (1, 2, 3, 4)]
    known = corpus.shards(ws)
    assert [shard.rows for shard in known] == [4, 1]
    assert corpus.ImageReader(ws, known).read(known[1].name, np.arange(1)) == [picture(62)]
    cache = VectorCache(ws.cache / "embeddings" / "first", 4)
    assert cache.get("image", [sha(n) for n in (1, 4, 60)]).tolist() == takedown_world.vectors([1, 4, 60]).tolist()
    assert not cache.has("image", [sha(FILE), sha(SHARD), sha(FETCHED)]).any()
    captions = [sha256_text(text) for text in ("a truck", "a bear by its address")]
    assert cache.has("text", captions).tolist() == [True, False]


def test_matrices_and_their_tables_still_belong_together(ws):
    act(ws, item(FILE), OPEN[UNHASHED][0])
    ids = pq.read_table(ws.embeddings / "items.parquet")["item_id"].to_pylist()
    assert ids == [item(n) for n in range(1, 6)]
    assert np.load(ws.embeddings / "items.npy").tolist() == takedown_world.vectors(range(1, 6)).tolist()
    assert np.load(ws.predictions("probe")).tolist() == takedown_world.vectors(range(1, 6)).tolist()
    assert np.load(ws.candidate("probe") / "features.npy").tolist() == takedown_world.vectors(range(1, 6)).tolist()
    assert np.load(ws.embeddings / "open.npy").tolist() == takedown_world.vectors([60, FETCHED, PATH, 61]).tolist()
    manifest = json.loads((ws.embeddings / "manifest.json").read_text())
    assert (manifest["items"], manifest["open"]) == (5, 4)
    assert pq.read_table(ws.batch)["item_id"].to_pylist() == [item(3), item(4)]


def test_labels_leave_and_the_list_says_what_was_there(ws):
    act(ws, item(FILE), reason="asked by the owner")
    assert schemas.read(ws.labels, schemas.LABELS)["item_id"].to_pylist() == [item(1)]
    (line,) = [r for r in schemas.read(ws.takedowns, schemas.TAKEDOWNS).to_pylist() if r["id"] == item(FILE)]
    assert line["reason"] == "asked by the owner"
    assert line["sha256"] == sha(FILE)
    assert "labels 3" in line["found"]  # seed, fold and known answer
    assert "item bytes 1" in line["found"]


def test_pages_keep_all_but_the_picture(ws):
    act(ws, item(FILE))
    for path in (ws.report / "round-0001.html", *ws.mlruns.rglob("*.html")):
        text = path.read_text()
        assert text.count("taken down") == 1
        assert text.count("data:image/jpeg") == 5
        assert f"<code>{item(FILE)}</code>" in text


def test_zeros_are_written_into_a_copy(ws):
    """The shard may be a hard link to the DVC cache or to the owner's file."""
    link = ws.root / "owners.bin"
    link.hardlink_to(ws.data / "shards" / "one.bin")
    before = link.read_bytes()
    act(ws, item(SHARD))
    assert link.read_bytes() == before
    data = (ws.data / "shards" / "one.bin").read_bytes()
    assert len(data) == len(before)
    assert data == before[: -len(picture(SHARD))] + bytes(len(picture(SHARD)))


def test_a_dry_run_says_all_and_changes_nothing(ws):
    with open_context(ws.root, gates=NoGates()):
        pass  # the ledger is made when a workspace is first opened
    before = {path: path.read_bytes() for path in ws.root.rglob("*") if path.is_file() and ws.state not in path.parents}
    report = act(ws, item(FILE), OPEN[FETCHED][0], dry_run=True)
    after = {path: path.read_bytes() for path in ws.root.rglob("*") if path.is_file() and ws.state not in path.parents}
    assert after == before
    assert report.found == {
        "fetched images": 2, "open corpus rows": 4, "item bytes": 1, "labels": 3, "retrieved rows": 1,
        "embeddings": 2, "batch and predictions": 1, "cached vectors": 8, "report pages": 2, "items": 1,
        "cached answers and fits": 2,
    }  # fmt: skip


@pytest.mark.parametrize("killed", range(len(places.PLACES)))
def test_a_killed_take_down_is_finished_by_the_same_command(ws, monkeypatch, killed):
    """Killed after each place: the ids are those of things that may be half gone."""

    class Killed(BaseException):
        pass

    def die(place):
        def drop(ws, targets):
            place.drop(ws, targets)
            raise Killed

        return places.Place(place.name, place.count, drop)

    broken = tuple(die(place) if number == killed else place for number, place in enumerate(places.PLACES))
    monkeypatch.setattr(run, "PLACES", broken)
    with pytest.raises(Killed):
        act(ws, item(FILE), OPEN[FETCHED][0])
    monkeypatch.setattr(run, "PLACES", places.PLACES)
    report = act(ws, item(FILE), OPEN[FETCHED][0])
    assert report.remains == {}
    for number in (FILE, FETCHED):
        assert traces(ws, number, *ids_of(number)) == []
    cache = VectorCache(ws.cache / "embeddings" / "second", 4)
    assert not cache.has("text", [sha256_text("a bear by its address")]).any()


def test_what_a_killed_fetch_and_killed_writes_left_goes_too(ws):
    spool = fetching.Spool(ws)
    outcome = takedown_world.Outcome(
        URL.format("late"), "done", None, retryable=False, http_status=200, tries=1, at=takedown_world.AT,
        sha256=sha(FILE), image=picture(FILE),
    )  # fmt: skip
    spool.add(outcome)
    spool._db.close()
    (ws.data / ".items.parquet.abcd_123.parquet").write_bytes(picture(FILE))
    (ws.work / ".embeddings.abcd_123").mkdir()
    (ws.work / ".embeddings.abcd_123" / "items.npy").write_bytes(picture(FILE))
    (ws.cache / "embeddings" / "first" / "seg-0.npy").write_bytes(picture(FILE))
    act(ws, item(FILE))
    assert traces(ws, FILE, *ids_of(FILE)) == []


def test_hidden_files_of_others_stay(ws):
    (ws.data / ".keep").write_bytes(b"")
    (ws.data / ".notes.abcdefgh").write_bytes(b"mine")
    act(ws, item(FILE))
    assert (ws.data / ".keep").exists()
    assert (ws.data / ".notes.abcdefgh").exists()


def test_a_shard_with_nothing_left_goes_as_a_whole(ws):
    act(ws, *[row(n) for n in (6, 7, 8)])
    assert [shard.path.name for shard in corpus.shards(ws)] == ["part-0.parquet"]
    assert not list(ws.fetched.glob("*.parquet"))


def test_bytes_that_are_not_here_are_listed_so_that_they_cannot_come(ws):
    report = act(ws, "f" * 64)
    assert report.ids == ()
    assert Takedowns.of(ws).shas == {"f" * 64}


def test_doing_it_twice_changes_nothing_more(ws):
    act(ws, item(FILE), reason="first")
    listed = ws.takedowns.read_bytes()
    report = act(ws, item(FILE), reason="second")
    assert report.found == {}
    assert ws.takedowns.read_bytes() == listed


def test_what_nobody_knows_is_refused_before_anything_changes(ws):
    with pytest.raises(UserError, match="nothing here is called 'feedface'"):
        act(ws, item(FILE), "feedface")
    assert not ws.takedowns.exists()
    assert traces(ws, FILE)


def test_a_file_that_cannot_be_read_stops_it_before_anything_changes(ws):
    ws.batch.write_bytes(b"broken")
    with pytest.raises(TaskFolderError, match=r"batch\.parquet cannot be read"):
        act(ws, item(FILE))
    assert not ws.takedowns.exists()


def test_it_waits_for_no_fetch(ws):
    with fetching.alone(ws), pytest.raises(UserError, match="another fetch or take-down"):
        act(ws, item(FILE))


def test_the_command_fails_when_something_is_left(ws, monkeypatch, capsys):
    lazy = tuple(
        places.Place(p.name, p.count, lambda _ws, _targets: None) if p.name == "cached vectors" else p
        for p in places.PLACES
    )
    monkeypatch.setattr(run, "PLACES", lazy)
    assert cli.run(["--root", str(ws.root), "take-down", item(FILE), "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["remains"] == {"cached vectors": 4}
    assert "it is not gone: cached vectors: 4" in err


def test_the_command_says_what_stays_and_how_to_clean_the_rest(ws, capsys):
    assert cli.run(["--root", str(ws.root), "take-down", item(FILE)]) == 0
    out = capsys.readouterr().out
    assert "nothing of it is left" in out
    assert "dvc gc --workspace --cloud --force" in out


def test_it_does_not_come_back_with_the_fold(ws):
    act(ws, item(FILE))
    folder = ws.sealed(1)
    folder.mkdir(parents=True)
    blank = dict.fromkeys(schemas.LABELS.names) | {"class_id": "bear", "round_no": 1, "purpose": "TRAIN"}
    rows = [blank | {"item_id": item(FILE)}, blank | {"item_id": item(3)}]
    pq.write_table(takedown_world.pa.Table.from_pylist(rows, schema=schemas.LABELS), folder / "labels.parquet")
    fold(ws)
    assert schemas.read(ws.labels, schemas.LABELS)["item_id"].to_pylist() == [item(1), item(3)]
    assert act(ws, item(FILE)).stays.rounds == ("0001",)


def test_it_does_not_come_back_with_older_files(ws):
    """A table or a shard of an older version of data/ is put back beside the list."""
    shard, items = ws.open / "part-0.parquet", ws.items.read_bytes()
    older = shard.read_bytes()
    act(ws, item(FILE), OPEN[UNHASHED][0])
    shard.write_bytes(older)
    ws.items.write_bytes(items)
    (problem,) = [one for one in validate_task(ws) if "taken down" in one.what]
    assert problem.ids == (item(FILE),)
    traits = corpus.traits(corpus.shards(ws)[0], np.arange(6))
    keep = not_taken_down(traits, Takedowns.of(ws), is_text=False)
    assert keep.tolist() == [True, False, False, True, True, True]


def test_open_bytes_without_a_recorded_hash_are_known_when_they_are_read(ws):
    """The row has another id than the one taken down, and says nothing of its bytes."""
    act(ws, sha(UNHASHED))
    stray = open_world.open_row(90, "a bear", picture(UNHASHED)) | {"sha256": None}
    open_world.write_open(ws, [stray])
    (shard,) = [one for one in corpus.shards(ws) if one.name == "open/part-0.parquet"]
    rows = OpenRows(["x"], [shard.name], np.zeros(1, np.int64), ["a bear"], [None])
    found = embed_open_rows(FakeEncoder(), rows, corpus.ImageReader(ws, [shard]), VectorCache(ws.cache / "x", 8))
    assert found.lost == ("taken_down",)
