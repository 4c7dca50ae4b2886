import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst.config import Retrieval
from tailfirst.retrieval.hygiene import Dropped
from tailfirst.retrieval.rank import cosines, queues
from tailfirst.retrieval.select import Looked, select


class World:
    """Rows whose faults are given; notes which rows were looked at."""

    def __init__(self, lost=None, shas=None, nearest=None, t2i=None, vectors=None) -> None:
        self.vectors = vectors or {}
        self.lost, self.shas, self.nearest, self.t2i = lost or {}, shas or {}, nearest or {}, t2i or {}
        self.looked: list[int] = []

    def __call__(self, rows):
        names = rows.tolist()
        self.looked += names
        return Looked(
            lost=tuple(self.lost.get(row) for row in names),
            shas=tuple(None if row in self.lost else self.shas.get(row, f"sha{row}") for row in names),
            t2i=np.array([self.t2i.get(row, 0.3) for row in names], np.float64),
            nearest=np.array([self.nearest.get(row, 0.1) for row in names], np.float32),
            vectors=np.array([self.vectors.get(row, (1, 0)) for row in names], np.float32),
        )


def run(world, *given_queues, **rules):
    dropped = Dropped()
    chosen = select(tuple(np.array(q, np.int64) for q in given_queues), world, Retrieval(**rules), dropped)
    return chosen, dict(dropped.counts)


def test_the_best_rows_fill_the_cap_and_the_rest_is_never_looked_at():
    world = World()
    chosen, dropped = run(world, [5, 3, 1, 0, 2, 4], [9], [], cap=2)
    assert chosen.rows.tolist() == [5, 3, 9]
    assert chosen.classes.tolist() == [0, 0, 1]
    assert chosen.ranks.tolist() == [0, 1, 0]
    assert dropped == {"cap": 4}
    assert sorted(world.looked) == [1, 3, 5, 9]


def test_rows_that_fall_out_are_replaced_by_the_next_of_their_class():
    world = World(
        lost={0: "no_image", 2: "unreadable"}, nearest={1: 0.96, 3: 0.95}, t2i={4: 0.1}, shas={6: "same", 7: "same"}
    )
    chosen, dropped = run(world, [0, 1, 2, 3, 4, 5], [6, 7], cap=2, min_t2i=0.2, max_similarity=0.95)
    assert chosen.rows.tolist() == [3, 5, 6]
    assert dropped == {"no_image": 1, "near_duplicate": 1, "unreadable": 1, "min_t2i": 1, "duplicate": 1}


@given(
    st.lists(st.lists(st.sampled_from([None, "lost", "near", "same"]), max_size=12), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_it_equals_going_down_each_queue_and_accounts_for_every_row(faults, cap):
    world, given_queues, row = World(), [], 0
    for one in faults:
        queue = []
        for fault in one:
            queue.append(row)
            if fault == "lost":
                world.lost[row] = "no_image"
            if fault == "near":
                world.nearest[row] = 1.0
            if fault == "same":
                world.shas[row] = "same"
            row += 1
        given_queues.append(queue)
    chosen, dropped = run(world, *given_queues, cap=cap)
    assert len(chosen.rows) + sum(dropped.values()) == row
    assert len(set(chosen.shas)) == len(chosen.shas)
    for queue, fault in zip(given_queues, faults, strict=True):
        fine = [r for r, f in zip(queue, fault, strict=True) if f is None]
        mine = [r for r in chosen.rows.tolist() if r in queue]
        assert len(mine) <= cap
        assert [r for r in mine if r in fine] == fine[: len([r for r in mine if r in fine])]
        assert len(mine) >= min(cap, len(fine))


def test_queues_are_ordered_by_score_then_open_id():
    found = queues(np.array([1, 0, 1, 1]), np.array([0.5, 0.1, 0.5, 0.9]), ["o2", "o0", "o1", "o3"], 3)
    assert [q.tolist() for q in found] == [[1], [3, 2, 0], []]


def test_cosines_pair_by_pair():
    vectors, prototypes = np.eye(2, dtype=np.float32), np.array([[0.6, 0.8], [1, 0]], np.float32)
    assert cosines(vectors, np.array([0, 1, 1]), prototypes, np.array([0, 0, 1])) == pytest.approx([0.6, 0.8, 0.0])
