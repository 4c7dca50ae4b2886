"""A simulated campaign remembers its searches, so that a class without members is given up there too."""

from dataclasses import replace

import numpy as np

from tailfirst import simulation
from tailfirst.backtesting import worlds
from tailfirst.config import Plugin
from tests.support import embedded

GONE = embedded.CLASSES.index("box")


def test_a_class_that_is_not_there_is_searched_for_twice(tmp_path, monkeypatch):
    embedded.build(tmp_path)
    whole = worlds.read(tmp_path)
    rows = whole.truth != GONE
    world = replace(
        whole, item_ids=whole.item_ids[rows], vectors=whole.vectors[rows], truth=whole.truth[rows], media=None
    )
    seen, plain = [], simulation._select

    def watched(view, *rest):
        seen.append((view, plain(view, *rest)))
        return seen[-1][1]

    monkeypatch.setattr(simulation, "_select", watched)
    options = {"exhausted_after": 2, "exhausted_answers": 2, "retrieved_weight": 0}
    strategy, probe = Plugin(plugin="tail_first", **options), Plugin(plugin="linear_probe")
    simulation.simulate(world, strategy, probe, rounds=5, budget=24, seed=0)
    assert seen[0][0].searches == ()
    answers: list[int] = []
    for view, picks in seen:
        known = [one for one in view.searches if one.class_row == GONE]
        assert [one.answers for one in known] == answers
        assert all(one.members == 0 and one.pool_size == round(0.8 * len(world.item_ids)) for one in known)
        spent = len(answers) >= 2 and sum(answers[-2:]) >= 2
        assert picks.exhausted == (("box",) if spent else ())
        bought = picks.reasons.count("search:box")
        assert not (spent and bought)
        answers += [bought] if bought else []
    assert len(answers) == 2
    others = {one.class_row: one for one in seen[-1][0].searches if one.class_row != GONE}
    for one in others.values():
        assert 0 <= one.members <= one.answers
    assert np.isin(list(others), np.arange(8)).all()
