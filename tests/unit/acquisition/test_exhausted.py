"""A class whose last searches brought no member counts as exhausted until the pool grows (specs/alor.md 7.9)."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import artifacts, schemas
from tailfirst.acquisition import _gather, _search
from tailfirst.contracts import Searched
from tailfirst.errors import TaskFolderError
from tailfirst.paths import Workspace
from tests.support.pool_views import one_hot, pool_view, select, unit

POOL = 200
NAMES = ("a", "b", "c")


def view(*searches, **more):
    """Class c is never predicted, b by 20 rows only; the anchors are the axes."""
    rng = np.random.default_rng(0)
    said = np.repeat([0, 1], [180, 20])
    vectors = unit(np.eye(3, 6)[rng.integers(3, size=200)] + 0.2 * rng.normal(size=(200, 6)))
    probs = 0.96 * one_hot(said, 3) + 0.04 / 3
    given = {"names": NAMES, "prototypes": unit(np.eye(3, 6)), "n_labeled": [40, 0, 0], "pool_size": POOL} | more
    return replace(pool_view(probs, vectors=vectors, labeled=vectors[:0], **given), searches=searches)


def of(c, round_no, answers, members=0, size=POOL):
    return Searched(c, round_no, answers, members, size)


@pytest.mark.parametrize(
    ("searches", "spent"),
    [
        ((of(2, 1, 3), of(2, 2, 2)), True),  # 5 answers of two searches, none right
        ((of(2, 1, 3), of(2, 2, 1)), False),  # 4 answers
        ((of(2, 1, 9),), False),  # one search
        ((of(2, 1, 3), of(2, 2, 3, members=1)), False),
        ((of(2, 1, 3, members=1), of(2, 2, 3), of(2, 3, 3)), True),  # only the last two count
        ((of(2, 1, 3), of(2, 2, 3), of(2, 3, 0)), True),  # a search that nobody answered says nothing
        ((of(2, 1, 3, size=POOL - 1), of(2, 2, 3)), False),  # the pool grew between them
        ((of(2, 1, 3, size=POOL - 9), of(2, 2, 3, size=POOL - 9)), False),  # and since both
        ((of(2, 1, 3, size=None), of(2, 2, 3)), False),  # sealed before the size was kept
        ((of(2, 1, 3, size=POOL + 5), of(2, 2, 3)), True),  # smaller is not grown
        ((of(1, 1, 9), of(1, 2, 9)), False),  # another class
    ],
)
def test_the_rule(searches, spent):
    found = _search.exhausted(view(*searches), np.arange(3), after=2, least=5)
    assert found.tolist() == [False, any(s.class_row == 1 for s in searches), spent]
    assert not _search.exhausted(view(*searches), np.arange(3), after=None, least=5).any()


def test_what_was_taken_down_does_not_hide_growth():
    """200 items, 5 are taken down and 5 others come: as many as before, and yet the pool grew."""
    searches = (of(2, 1, 9), of(2, 2, 9))
    assert _search.exhausted(view(*searches), np.arange(3), 2, 5)[2]
    assert not _search.exhausted(view(*searches, taken_down=5), np.arange(3), 2, 5)[2]
    assert _search.exhausted(view(*searches, taken_down=5, pool_size=POOL - 5), np.arange(3), 2, 5)[2]


def test_an_exhausted_class_is_named_and_no_longer_searched_for():
    """n = (40, 0, 0), B = 40: b and c want 20 each. b has 20, c none: all 12 searched picks are c's, or nobody's."""
    before = select("tail_first", view(), 40, max_share=None)
    assert before.reasons.count("search:c") == 12  # ceil(0.3 * 40)
    assert before.exhausted == ()
    known = view(of(2, 1, 3), of(2, 2, 2))
    assert select("tail_first", known, 40, max_share=None).reasons == before.reasons  # off by default
    found = select("tail_first", known, 40, max_share=None, exhausted_after=2)
    assert found.exhausted == ("c",)
    assert "search:c" not in found.reasons
    assert found.reasons.count("tail:b") == 20  # its own queue is bought as ever
    # c wants nothing that b could have: b wishes for all 40, its queue has 20, and 12 may be searched
    assert found.reasons.count("search:b") == 12
    assert found.reasons.count("tail:a") == 8
    assert "c" in found.starved


def test_wishes_of_an_exhausted_class_end_with_its_queue():
    where = _search.Anchors(np.eye(3, 2, dtype=np.float32), np.array([True, True, True]))
    counts, queued = np.array([0.0, 0, 0]), [1, 4, 2]
    assert _search.shortage(counts, queued, 12, 12, where).tolist() == [3, 0, 2]  # each wants 4
    spent = np.array([True, False, False])  # takes its 1; the others want 6 and 5, the smaller id first
    assert _search.shortage(counts, queued, 12, 12, where, spent).tolist() == [0, 2, 3]


def seal(ws, number, picks, unlabeled=(), **record):
    """A sealed folder with (item, class) picks of a search."""
    rows = [
        {"item_id": item, "rank": rank, "purpose": "TRAIN", "strategy": "tail_first", "stage": stage, "reason": reason}
        for rank, (item, stage, reason) in enumerate(picks)
    ]
    artifacts.write_parquet(ws.sealed(number) / "batch.parquet", pa.Table.from_pylist(rows, schema=schemas.BATCH))
    said = [{"item_id": item, "reason": reason} for item, reason in unlabeled]
    artifacts.write_json(ws.sealed(number) / "round.json", {"unlabeled": said, "ontology_version": "v1"} | record)


def labels(**named):
    rows = [{"item_id": i, "class_id": c, "round_no": 1, "purpose": "TRAIN"} for i, c in named.items()]
    return pa.Table.from_pylist(rows, schema=schemas.LABELS)


def test_evidence_is_read_from_sealed_rounds(tmp_path):
    ws = Workspace(tmp_path)
    search = [(f"i{k}", "search", "search:c") for k in range(5)]
    seal(
        ws, 1, [*search, ("i5", "search", "search:b"), ("i6", "quota", "tail:c")],
        unlabeled=[("i2", "none_of_these"), ("i3", "unusable"), ("i4", "tie between a, b")],
        acquisition={"pool_size": 90},
    )  # fmt: skip
    seal(ws, 2, [("i3", "search", "search:c"), ("i7", "search", "search:c")])
    given = labels(i0="a", i1="c", i3="b", i5="b", i6="c")
    assert _gather.searches(ws, given, NAMES) == (
        Searched(1, 1, 1, 1, 90),  # i5
        Searched(2, 1, 3, 1, 90),  # i0 no, i1 yes, i2 none of these; i4 was no answer
        Searched(2, 2, 1, 0, None),  # i3 was asked again, and counts here; i7 has no answer yet
    )
    assert _gather.searches(ws, given, ("a", "c"))[0].class_row == 1  # b is gone, and its search with it


def test_a_broken_round_is_named(tmp_path):
    ws = Workspace(tmp_path)
    seal(ws, 1, [("i0", "search", "search:c")])
    (ws.sealed(1) / "round.json").write_text("{")
    with pytest.raises(TaskFolderError, match=r"round\.json.*dvc checkout"):
        _gather.searches(ws, labels(), NAMES)


def test_a_round_remembers_the_size_of_its_pool(tmp_path):
    """What `acquisition.json` says goes into the sealed round, and comes back as evidence."""
    ws = Workspace(tmp_path)
    seal(ws, 1, [("i0", "search", "search:c")], acquisition=json.loads('{"pool_size": 7}'))
    assert _gather.searches(ws, labels(i0="a"), NAMES)[0].pool_size == 7
