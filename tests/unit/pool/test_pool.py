"""The pool's set algebra: disjoint, covering, and no holdout item ever labeled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailfirst import artifacts
from tailfirst.errors import TaskFolderError
from tailfirst.pool import STATES, ignored_items, partition, sealed_rounds

IDS = np.array([f"i{k}" for k in range(12)])
POOL = np.array([True] * 9 + [False] * 3)
members = st.sets(st.sampled_from(IDS[:9].tolist()))


@given(members, members, members)
def test_states_are_disjoint_and_cover_the_items(labeled, in_flight, ignored):
    found = partition(IDS, POOL, labeled=labeled, in_flight=in_flight, ignored=ignored)
    assert sum(found.count(state) for state in STATES) == 12
    assert found.count("holdout") == 3
    assert found.count("labeled") == len(labeled)
    assert found.count("in_flight") == len(in_flight - labeled)
    assert found.count("ignored") == len(ignored - labeled - in_flight)
    assert set(IDS[found.eligible].tolist()) == set(IDS[:9].tolist()) - labeled - in_flight - ignored


@pytest.mark.parametrize("where", ["labeled", "in_flight", "ignored"])
def test_a_holdout_item_may_not_be_anything_else(where):
    with pytest.raises(TaskFolderError, match=rf"1 holdout item\(s\) are {where}: i10"):
        partition(IDS, POOL, **{where: ["i10", "i1"]})


def test_items_that_are_gone_do_not_matter():
    assert partition(IDS, POOL, labeled=["gone"]).count("unlabeled") == 9


def test_an_empty_pool():
    assert partition(IDS[:0], POOL[:0]).eligible.tolist() == []


def test_sealed_rounds_and_what_they_ignore(tmp_path):
    assert sealed_rounds(tmp_path / "none") == ()
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".tmp-0003").mkdir()
    for number, ignored in ((1, ["a"]), (2, []), (10, ["b", "c"])):
        artifacts.write_json(tmp_path / f"{number:04d}" / "round.json", {"ignored": ignored})
    assert sealed_rounds(tmp_path) == (1, 2, 10)
    assert ignored_items(tmp_path) == {"a", "b", "c"}
    (tmp_path / "0002" / "round.json").write_text("{")
    with pytest.raises(TaskFolderError, match="0002"):
        ignored_items(tmp_path)
