"""Campaigns in memory: equal starts, equal budgets, nested random draws, and the command."""

import numpy as np
import pytest

from tailfirst import artifacts, backtest, schemas
from tailfirst.config import Plugin
from tailfirst.errors import PoolExhausted, Unavailable
from tests.support import embedded

PROBE = Plugin(plugin="linear_probe")


@pytest.fixture
def task(tmp_path):
    ws, params = embedded.build(tmp_path)
    return ws, params, backtest.load_world(ws, params)


def simulate(world, name, seed=0, **given):
    return backtest.simulate(world, Plugin(plugin=name), PROBE, **{"rounds": 2, "budget": 20, "seed": seed, **given})


@pytest.mark.parametrize("name", ["random", "margin", "entropy", "tail_first", "kmeans"])
def test_every_strategy_buys_its_budget(task, name):
    curve = simulate(task[2], name)
    assert [p.n_labels for p in curve.points] == [0, 20, 40]
    assert all(0 <= p.scores.accuracy[0] <= 1 for p in curve.points)
    assert curve.points[2].classes_seen >= curve.points[1].classes_seen


def test_the_same_seed_gives_the_same_curve_and_arms_start_alike(task):
    one, two = simulate(task[2], "margin"), simulate(task[2], "margin")
    assert [p.scores.accuracy[0] for p in one.points] == [p.scores.accuracy[0] for p in two.points]
    assert simulate(task[2], "random").points[0].scores.accuracy == one.points[0].scores.accuracy
    assert [p.scores.accuracy[0] for p in simulate(task[2], "margin", seed=5).points] != [
        p.scores.accuracy[0] for p in one.points
    ]


def test_labels_help(task):
    gains = [
        c.points[-1].scores.accuracy[0] - c.points[0].scores.accuracy[0]
        for c in (simulate(task[2], "random", s) for s in range(3))
    ]
    assert np.mean(gains) > 0.015


def test_without_a_model_the_cold_start_chooses(tmp_path):
    ws, params = embedded.build(tmp_path, prototypes=False, retrieved=0)
    world = backtest.load_world(ws, params)
    curve = simulate(world, "tail_first")
    assert curve.points[0].scores is None
    assert curve.points[1].scores is not None
    with pytest.raises(Unavailable):
        simulate(world, "tail_first", cold_start="entropy")


def test_a_pool_that_is_too_small_says_so(task):
    with pytest.raises(PoolExhausted):
        simulate(task[2], "margin", budget=200)


def test_random_control_is_nested_and_repeatable(task):
    world = task[2]
    arms = backtest.random_control(world, [10, 30], PROBE, [1, 2])
    assert [[p.n_labels for p in arm] for arm in arms] == [[10, 10], [30, 30]]
    again = backtest.random_control(world, [30], PROBE, [1, 2])
    assert [p.scores.accuracy[0] for p in again[0]] == [p.scores.accuracy[0] for p in arms[1]]
    assert all(later.classes_seen >= first.classes_seen for first, later in zip(*arms, strict=True))


def test_seed_labels_belong_to_every_arm_and_are_not_drawn_again(tmp_path):
    ws, params = embedded.build(tmp_path)
    truth = embedded.answers(ws)
    first = list(truth)[:12]
    embedded.seal(ws, 0, [(i, truth[i], "SEED") for i in first])
    world = backtest.load_world(ws, params)
    assert not set(first) & set(world.item_ids.tolist())
    assert simulate(world, "random").points[0].n_labels == 12
    assert backtest.random_control(world, [5], PROBE, [1])[0][0].n_labels == 17


def test_without_an_oracle(tmp_path):
    ws, params = embedded.build(tmp_path)
    artifacts.write_parquet(ws.oracle, schemas.LABELED.empty_table())
    with pytest.raises(Unavailable, match="known answers"):
        backtest.load_world(ws, params)
    assert "no oracle" in backtest.control(ws, params, "linear_probe")["why"]


def test_the_command_prints_a_table_of_arms(task, capsys):
    ws, _, _ = task
    given = [
        "--root",
        str(ws.root),
        "--strategies",
        "tail_first,random",
        "--seeds",
        "2",
        "--rounds",
        "1",
        "--budget",
        "20",
    ]
    assert backtest.main(given) == 0
    said = capsys.readouterr().out
    assert "tail_first" in said
    assert "perfect answers" in said


def test_the_command_refuses_bad_input(task, capsys):
    ws, _, _ = task
    assert backtest.main(["--root", str(ws.root), "--strategies", "margn"]) == 2
    assert "no 'margn'; known: " in capsys.readouterr().err
    assert backtest.main(["--root", str(ws.root), "--candidate", "probe"]) == 2
    assert backtest.main(["--root", str(ws.root / "nowhere")]) == 2
