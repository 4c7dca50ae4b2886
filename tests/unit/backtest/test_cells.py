"""Cells: what names them, what they hold, what is run again, and what a failure costs."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from tailfirst import artifacts
from tailfirst.backtesting import cells, run, worlds
from tailfirst.backtesting.grid import LongTail, Source, Start
from tailfirst.errors import PoolExhausted, StaleArtifact, TaskFolderError, Unavailable
from tailfirst.paths import Workspace
from tests.support import embedded, grids


def planned(tmp_path, **changes):
    found = run.plan(grids.make(tmp_path, **changes), tmp_path, grids.settings())
    opened = [run.open_task(found, name, grids.settings()) for name in found.grid.tasks]
    return found, run.cells_of(found, opened)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished grid: its folder, file, plan, results and the names of the cells that were run."""
    root = tmp_path_factory.mktemp("grid")
    path = grids.make(root)
    return root, path, *grids.run_all(path, root, root / "out", jobs=2)


def test_a_grid_is_run_once_and_its_files_say_where_they_come_from(done):
    root, path, first, results, ran = done
    arms = len(first.arms)
    assert len(ran) == 2 * arms
    assert results.failed == ()
    assert len(list(first.folder.glob("*.json"))) == 2 * arms
    before = grids.tables(root / "out")
    assert {f"small/{name}" for name in ("README.md", "points.csv", "summary.csv", "trees-accuracy.svg")} <= set(before)
    for name, data in before.items():
        for fact in (b"grid small", b"seeds 0, 1", results.origin.data["trees"][:16].encode(), b"commit"):
            assert fact in data, name
        assert b"python -m flows.backtest --grid grid.yaml" in data
        assert str(root).encode() not in data
    assert grids.run_all(path, root, root / "out")[2] == []
    assert grids.tables(root / "out") == before


def test_the_tables_say_what_the_points_say(done):
    folder = done[0] / "out" / "small"
    points, summary = (read_csv(folder / name) for name in ("points.csv", "summary.csv"))
    margin, random = (
        [float(row["accuracy"]) for row in points if (row["strategy"], row["round"]) == (name, "2")]
        for name in ("margin", "random")
    )
    row = next(row for row in summary if (row["strategy"], row["round"]) == ("margin", "2"))
    half = 12.7062 * np.std(margin, ddof=1) / np.sqrt(2)  # t(0.975) with one degree of freedom
    low, high = np.mean(margin) - half, np.mean(margin) + half
    assert [float(row[n]) for n in ("accuracy", "accuracy_low", "accuracy_high")] == pytest.approx(
        [np.mean(margin), low, high], abs=2e-5
    )
    assert float(row["accuracy_minus_random"]) == pytest.approx(np.mean(margin) - np.mean(random), abs=2e-6)
    assert (row["labels"], row["seeds"]) == ("32", "2")
    page = (folder / "README.md").read_text()
    assert f"| margin/linear_probe/open | 2 | {np.mean(margin):.3f} [{low:.3f}, {high:.3f}] |" in page
    assert {row["cost"] for row in points if row["round"] == "2"} == {"1.60"}


def read_csv(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_an_interrupted_grid_ends_with_the_same_tables(done):
    root, path, found, _, _ = done
    before = grids.tables(root / "out")
    for file in sorted(found.folder.glob("*.json"))[:3]:
        file.unlink()
    (found.folder / ".half.json.x1").write_text('{"key": ')  # what a kill in the middle of a write leaves
    _, _, ran = grids.run_all(path, root, root / "out", jobs=2)
    assert len(ran) == 3
    assert grids.tables(root / "out") == before


def test_all_arms_of_a_seed_start_alike_and_buy_from_one_part(tmp_path):
    found, every = planned(tmp_path, start={"rule": "per_class", "labels": 1}, seeds=[4])
    results = [cells.run(cell, found.folder) for cell in every]
    assert len({tuple(result["start"]) for result in results}) == 1
    assert len({json.dumps(result["points"][0]["accuracy"]) for result in results}) == 1
    assert [p["n_labels"] for p in results[0]["points"]] == [8, 24, 40]
    assert results[0]["points"][0]["label_entropy"] == pytest.approx(1.0)
    bought = [set(sum((one["items"] for one in result["rounds"]), result["start"])) for result in results]
    assert all(len(items) == 40 for items in bought)
    assert len(set.union(*bought)) <= round(0.8 * embedded.N_POOL)


def test_only_random_picks_have_a_chance(tmp_path):
    found, every = planned(tmp_path, seeds=1)
    chances = {cell.arm.strategy: cells.run(cell, found.folder)["rounds"][0]["chances"] for cell in every}
    assert chances["random"] == pytest.approx(16 / 256)
    assert chances["margin"] is None


def test_what_changes_a_cell_changes_its_name(tmp_path):
    found, (cell, *_) = planned(tmp_path)
    grid, long = cell.grid, Source(folder=tmp_path, long_tail=LongTail(imbalance=5))
    others = [
        replace(cell, seed=9),
        replace(cell, rounds=3),
        replace(cell, budget=17),
        replace(cell, digest="0" * 64),
        replace(cell, code="0" * 64),
        replace(cell, arm=replace(cell.arm, retrieval=False)),
        replace(cell, grid=grid.model_copy(update={"noise": 0.1})),
        replace(cell, grid=grid.model_copy(update={"tasks": {"trees": long}})),
        replace(cell, grid=grid.model_copy(update={"pool_share": 0.5})),
        replace(cell, grid=grid.model_copy(update={"start": Start(rule="random", labels=4)})),
    ]
    assert len({one.identity for one in (cell, *others)}) == 1 + len(others)
    same = replace(cell, arm=replace(cell.arm, strategy="another label", profile="p"))
    assert same.identity == cell.identity
    assert found.folder == tmp_path / "work" / "backtest" / "small" / "cells"


def test_a_world_is_known_by_what_it_holds(tmp_path):
    embedded.build(tmp_path / "one")
    embedded.build(tmp_path / "two")
    ws = Workspace(tmp_path / "two")
    before = worlds.digest_of(worlds.read(ws.root))
    assert before == worlds.digest_of(worlds.read(tmp_path / "one"))
    scored = replace(worlds.read(ws.root), relevance=np.full(8, 0.5))
    assert worlds.digest_of(scored) == before  # follows from the retrieved rows, which are hashed
    items = np.load(ws.embeddings / "items.npy")
    items[3, 2] += 0.25
    artifacts.write_array(ws.embeddings / "items.npy", items)
    assert worlds.digest_of(worlds.read(ws.root)) != before
    with pytest.raises(StaleArtifact, match="changed while the grid ran"):
        worlds.load(ws.root, before)


def test_without_open_data_nothing_retrieved_is_left_but_the_tail_is_the_same(tmp_path):
    ws, _ = embedded.build(tmp_path)
    world = worlds.read(ws.root)
    bare = worlds.without_open_data(world)
    assert len(bare.known.vectors) == len(bare.known.classes) == 0
    assert bare.captions.tolist() == [0] * 8
    assert (bare.tail == world.tail).all()


def test_a_long_tail_follows_its_law(tmp_path):
    ws, _ = embedded.build(tmp_path)
    world = worlds.read(ws.root)
    found = worlds.long_tailed(world, LongTail(imbalance=16, captions=1600, seed=1))
    sizes, before = (np.bincount(w.truth, minlength=8) for w in (found, world))
    law = 16.0 ** (-np.arange(8) / 7)
    by_rank = np.argsort(-found.captions)
    assert found.captions[by_rank].tolist() == np.round(1600 * law).tolist()
    assert (sizes == np.minimum(before, np.round(before.max() * law[np.argsort(by_rank)]))).all()
    assert set(np.flatnonzero(found.tail)) == set(by_rank[-3:])
    assert set(found.item_ids) < set(world.item_ids)
    row = np.flatnonzero(world.item_ids == found.item_ids[5])[0]
    assert (found.vectors[5] == world.vectors[row]).all()
    assert worlds.long_tailed(world, None) is world


def test_mistakes_name_the_most_similar_class(tmp_path):
    ws, _ = embedded.build(tmp_path)
    world = worlds.read(ws.root)
    means = np.stack([world.vectors[world.truth == c].sum(axis=0) for c in range(8)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    likeness = means @ means.T - 2 * np.eye(8)
    noisy = worlds.with_mistakes(world, 0.25, 3)
    wrong = noisy.truth != world.truth
    assert 0.15 < wrong.mean() < 0.35
    assert (noisy.truth[wrong] == likeness.argmax(axis=1)[world.truth[wrong]]).all()
    assert (worlds.with_mistakes(world, 0.25, 3).truth == noisy.truth).all()
    assert worlds.with_mistakes(world, 0.0, 3) is world


def test_a_class_that_is_short_gives_what_it_has(tmp_path):
    ws, _ = embedded.build(tmp_path)
    world = worlds.read(ws.root)
    rows = worlds.starting(world, Start(rule="per_class", labels=1000), 0.5, 2)
    assert len(rows) == len(set(rows.tolist())) == 160
    assert len(worlds.starting(world, Start(rule="random", labels=7), 0.5, 2)) == 7


def test_a_failed_cell_says_why_and_costs_only_itself(tmp_path):
    path = grids.make(
        tmp_path, adaptations={"linear_probe": {"plugin": "linear_probe"}, "none": {"plugin": "zero_shot"}}
    )
    (tmp_path / "trees" / "work" / "embeddings" / "prototypes.npy").unlink()
    manifest = tmp_path / "trees" / "work" / "embeddings" / "manifest.json"
    artifacts.write_json(manifest, json.loads(manifest.read_text()) | {"prototypes": False})
    _, results, ran = grids.run_all(path, tmp_path, tmp_path / "out")
    assert len(ran) == len(results.cells) + len(results.failed)
    assert {name.split()[1].split("/")[1] for name, _ in results.failed} == {"none"}
    assert all("zero_shot cannot be fitted on trees" in error and "prototypes" in error for _, error in results.failed)
    assert {cell.arm.adaptation for cell, _ in results.cells} == {"linear_probe"}
    page = (tmp_path / "out" / "small" / "README.md").read_text()
    assert "Failed cells" in page


def test_a_worker_that_dies_costs_only_its_cell(tmp_path, monkeypatch):
    """The cell's workspace makes the process end: a plugin that runs out of memory does no other."""
    path = grids.make(tmp_path)
    found = run.plan(path, tmp_path, grids.settings())
    opened = [run.open_task(found, name, grids.settings()) for name in found.grid.tasks]
    good, bad, *rest = run.cells_of(found, opened)
    deadly = replace(bad, root=Deadly())
    ended = []
    run.workers.run_all([good, deadly, *rest], found.folder, 2, ended.append)
    errors = {done.cell.name: done.error for done in ended}
    assert "died with exit code 7" in errors.pop(bad.name)
    assert set(errors.values()) == {None}
    assert len(ended) == len(rest) + 2


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        import os

        return os._exit, (7,)


def test_what_cannot_run_is_said_before_anything_runs(tmp_path):
    with pytest.raises(PoolExhausted, match=r"9 rounds of 30 labels and a start of 0 need 270 items.* has 256"):
        planned(tmp_path, rounds=9, budget=30)
    path = grids.write(tmp_path, tasks={"trees": {"folder": "nowhere"}})
    with pytest.raises(TaskFolderError, match="nowhere is no workspace"):
        run.plan(path, tmp_path, grids.settings())
    path = grids.write(tmp_path, tasks={"bank": {"builder": "banking77"}})
    with pytest.raises(Unavailable, match="set TAILFIRST_SHARED_DATA"):
        run.plan(path, tmp_path, grids.settings())
    path = grids.write(tmp_path)
    (tmp_path / "trees" / "work" / "embeddings" / "manifest.json").unlink()
    found = run.plan(path, tmp_path, grids.settings())
    with pytest.raises(TaskFolderError, match="has no work/embeddings; run `dvc repro embed`"):
        run.open_task(found, "trees", grids.settings())


def test_source_that_changed_meanwhile_is_not_taken_for_the_old(tmp_path):
    found, (cell, *_) = planned(tmp_path)
    with pytest.raises(StaleArtifact, match="the source changed"):
        cells.run(replace(cell, code="0" * 64), found.folder)
    assert not found.folder.exists()


def test_a_file_that_holds_another_cell_is_refused(tmp_path):
    found, (cell, *_) = planned(tmp_path)
    cells.run(cell, found.folder)
    path = cells.place(found.folder, cell)
    artifacts.write_json(path, json.loads(path.read_text()) | {"key": {}})
    with pytest.raises(StaleArtifact, match="delete it and run the grid again"):
        cells.read(found.folder, cell)
