"""The decision: whatever the order of the rows, the same items with the same roles and classes."""

from hypothesis import given
from hypothesis import strategies as st

from tailfirst.intake.decide import Decision, decide, draw_rank
from tailfirst.intake.records import Entry
from tailfirst.items import sha256_text
from tailfirst.task import ClassDef, Task

TASK = Task("t", "text", "1", tuple(ClassDef(c, c) for c in "abc"), ("{}",))
Row = tuple[str, str | None, str]
ROWS = st.lists(
    st.tuples(st.sampled_from([f"t{i}" for i in range(12)]), st.sampled_from(["a", "b", "c", "A", "x", None]),
              st.sampled_from(["pool", "pool", "holdout"])),
    max_size=40,
)  # fmt: skip


def entries(rows: list[Row]) -> list[Entry]:
    return [Entry("t.csv", str(n), sha256_text(t), y, role, text=t) for n, (t, y, role) in enumerate(rows)]  # type: ignore[arg-type]


def facts(decision: Decision) -> list[tuple[str, str, str | None]]:
    return [(i.entry.sha256, i.role, i.class_id) for i in decision.items]


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from([None, 0.3]))
def test_any_order_gives_the_same_items(rows: list[Row], random: object, share: float | None):
    turned = rows.copy()
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert facts(decide(entries(rows), TASK, share)) == facts(decide(entries(turned), TASK, share))


@given(ROWS, st.sampled_from([None, 0.3]))
def test_every_row_is_an_item_or_refused(rows: list[Row], share: float | None):
    decision = decide(entries(rows), TASK, share)
    assert len(decision.items) + len(decision.rejections) == len(rows)
    ids = [i.entry.sha256 for i in decision.items]
    assert ids == sorted(set(ids))
    assert all(i.class_id is not None for i in decision.items if i.role == "holdout")


@given(ROWS)
def test_a_subset_of_rows_gives_a_subset_of_ids(rows: list[Row]):
    pool = [(t, None, "pool") for t, _, _ in rows]
    whole = {i.entry.sha256 for i in decide(entries(pool), TASK, None).items}
    part = {i.entry.sha256 for i in decide(entries(pool[::2]), TASK, None).items}
    assert part <= whole


def test_drawn_holdout_by_hand():
    rows = [(f"a{i}", "a", "pool") for i in range(10)] + [("b0", "b", "pool"), ("b1", "b", "pool"), ("c0", "c", "pool")]
    drawn = [i for i in decide(entries(rows), TASK, 0.25).items if i.role == "holdout"]
    counts = {c: sum(i.class_id == c for i in drawn) for c in "abc"}
    assert counts == {"a": 3, "b": 1, "c": 0}  # floor(2.5 + 0.5); at least one of two; never the only one
    ranks = sorted(draw_rank(sha256_text(f"a{i}")) for i in range(10))
    assert sorted(draw_rank(i.entry.sha256) for i in drawn if i.class_id == "a") == ranks[:3]
