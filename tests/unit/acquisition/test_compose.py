"""The batch from its slices: sizes, probabilities, order, purposes, and what the notes say."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tailfirst import schemas
from tailfirst.acquisition import _compose, _table
from tailfirst.config import Acquisition, Params, Plugin
from tailfirst.contracts import PoolView
from tailfirst.errors import PoolExhausted, Unavailable

NAMES = ("tail_first", "margin", "random", "kmeans")


def view(n=40, model=True) -> PoolView:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(n, 4)).astype(np.float32)
    return PoolView(
        item_ids=np.array([f"{i:04d}" for i in range(n)]),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        class_ids=("a", "b", "c"),
        probs=rng.dirichlet(np.ones(3), size=n) if model else None,
        labeled_vectors=np.zeros((0, 4), np.float32),
        labeled_classes=np.zeros(0, np.int64),
        n_labeled=np.zeros(3),
        n_pending=np.zeros(3),
        n_retrieved=np.zeros(3),
        prototypes=None,
    )


def section(strategy="tail_first", **given) -> Acquisition:
    values = {"budget": 20, "audit_share": 0.1, "audit_min": 2, "control_share": 0.05, **given}
    return Acquisition(strategy=Plugin(plugin=strategy), **values)


@pytest.mark.parametrize(
    ("eligible", "given", "expected"),
    [
        (1000, {"budget": 100, "audit_share": 0.08}, (8, 5, 87)),
        (1000, {"budget": 100, "audit_share": 0.07}, (7, 5, 88)),  # 0.07 * 100 is 7.000000000000001 in floats
        (1000, {"budget": 10, "audit_share": 0.0, "control_share": 0.0}, (2, 0, 8)),
        (1000, {"budget": 1}, (1, 0, 0)),
        (5, {"budget": 20}, (2, 1, 2)),
        (1, {"budget": 20}, (1, 0, 0)),
    ],
)
def test_sizes(eligible, given, expected):
    found = _compose.sizes(eligible, section(**given))
    assert (found.audit, found.control, found.strategy) == expected
    assert found.total == min(eligible, section(**given).budget)


def test_audit_and_control_come_first_and_probabilities_are_unconditional():
    s = _compose.choose_batch(view(), section(), 7, 1)
    assert s.stages[:3] == ("audit", "audit", "control")
    assert set(s.stages[3:]) <= {"quota", "fill", "search"}
    assert len(set(s.rows.tolist())) == 20
    np.testing.assert_allclose(s.inclusion_probabilities[:3], [2 / 40, 2 / 40, 1 / 40])
    assert np.isnan(s.inclusion_probabilities[3:]).all()
    assert s.counts_before


def test_a_random_strategy_keeps_a_true_probability():
    s = _compose.choose_batch(view(), section("random"), 7, 1)
    np.testing.assert_allclose(s.inclusion_probabilities[3:], 17 / 40)
    assert s.inclusion_probabilities[0] + s.inclusion_probabilities[2] + s.inclusion_probabilities[3] == pytest.approx(
        20 / 40
    )


def test_recorded_probabilities_match_what_happens():
    v, rounds = view(), 2000
    hits = {stage: np.zeros(40) for stage in ("audit", "control", "score")}
    for seed in range(rounds):
        s = _compose.choose_batch(v, section("random", control_share=0.15), seed, 1)
        for stage, count in hits.items():
            count[s.rows[np.array(s.stages) == stage]] += 1
    for stage, share in (("audit", 2 / 40), ("control", 3 / 40), ("score", 15 / 40)):
        error = np.sqrt(share * (1 - share) / rounds)
        assert np.abs(hits[stage] / rounds - share).max() < 4 * error


def test_the_strategy_never_moves_the_audit_slice_and_rounds_differ():
    v = view()
    audits = {name: _compose.choose_batch(v, section(name), 7, 1).rows[:3].tolist() for name in NAMES}
    assert len({tuple(rows) for rows in audits.values()}) == 1
    assert _compose.choose_batch(v, section(), 7, 2).rows[:2].tolist() != audits["margin"][:2]
    assert _compose.choose_batch(v, section(), 8, 1).rows[:2].tolist() != audits["margin"][:2]


def test_row_order_of_the_pool_does_not_matter():
    v, order = view(), np.random.default_rng(5).permutation(40)
    other = replace(v, item_ids=v.item_ids[order], vectors=v.vectors[order], probs=v.probs[order])
    one, two = _compose.choose_batch(v, section(), 7, 1), _compose.choose_batch(other, section(), 7, 1)
    assert v.item_ids[one.rows].tolist() == other.item_ids[two.rows].tolist()


def test_cold_start_only_where_the_strategy_needs_a_model():
    cold = _compose.choose_batch(view(model=False), section(), 7, 1)
    assert Counter(cold.stages) == {"audit": 2, "control": 1, "cold_start": 17}
    assert "cold_start" not in _compose.choose_batch(view(model=False), section("random"), 7, 1).stages
    with pytest.raises(Unavailable):
        _compose.choose_batch(view(model=False), section("margin", cold_start="entropy"), 7, 1)


def test_a_small_pool_is_taken_whole_and_an_empty_one_is_an_error():
    s = _compose.choose_batch(view(n=9), section(), 7, 1)
    assert sorted(s.rows.tolist()) == list(range(9))
    with pytest.raises(PoolExhausted, match="no eligible item"):
        _compose.choose_batch(view(n=0), section(), 7, 1)


def test_control_picks_count_as_pending():
    v = view()
    s = _compose.choose_batch(v, section(), 7, 1)
    expected = v.probs[s.rows[2]].sum()
    assert sum(s.counts_before.values()) == pytest.approx(expected)


SECTIONS = ("retrieval", "evaluation", "choice", "round", "money", "stopping", "control")


def params(**given) -> Params:
    return Params(
        campaign={"name": "t", "seed": 7}, encoder={"plugin": "precomputed"}, candidates={"z": {"plugin": "zero_shot"}},
        **{name: {} for name in SECTIONS},
        acquisition=section(**given), vendor={"plugin": "simulated"},
    )  # fmt: skip


def test_the_table_and_the_notes():
    v = view()
    p = params()
    s = _compose.choose_batch(v, p.acquisition, 7, 3)
    table = _table.batch_table(v, s, {i: i * 2 for i in v.item_ids.tolist()}, p, 3)
    assert table.schema.equals(schemas.BATCH)
    assert table.schema.metadata == {b"round_no": b"3", b"seed": b"7", b"strategy": b"tail_first"}
    rows = table.to_pylist()
    assert [r["rank"] for r in rows] == list(range(20))
    assert [r["purpose"] for r in rows[:3]] == ["AUDIT", "AUDIT", "TRAIN"]
    assert [r["score"] is None for r in rows[:4]] == [True, True, True, False]
    assert rows[3]["inclusion_probability"] is None
    assert rows[0]["item_sha256"] == rows[0]["item_id"] * 2
    assert rows[5]["predicted"] == v.class_ids[v.probs[s.rows[5]].argmax()]
    notes = _table.notes(v, s, p, 3)
    assert (notes["audit"], notes["control"], notes["items"], notes["note"], notes["cold_start"]) == (
        2,
        1,
        20,
        None,
        False,
    )


def test_the_notes_of_a_small_and_of_an_empty_pool():
    small = view(n=9)
    said = _table.notes(small, _compose.choose_batch(small, section(), 7, 1), params(), 1)
    assert said["note"] == "only 9 of 20 items are left: the batch is the whole pool"
    none = view(n=0)
    assert "the campaign is over" in _table.notes(none, _table.empty_selection(), params(), 1)["note"]
    assert _table.batch_table(none, _table.empty_selection(), {}, params(), 1).num_rows == 0
