"""Gold, second opinions, people who fail, and answers that are no class, in whole rounds."""

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.errors import CheckFailed
from tailfirst.labeling import plan
from tailfirst.quality.history import History

GOOD = [{"id": "a", "skill": 1.0}, {"id": "b", "skill": 1.0}]
MIXED = [{"id": "a", "skill": 1.0}, {"id": "b", "skill": 0.0}]


def batch(world: Any, **purposes: list[str]) -> None:
    """work/batch.parquet with these items, in this order."""
    wanted = [(item, purpose) for purpose, items in purposes.items() for item in items]
    world.batch([item for item, _ in wanted], n_audit=0)
    rows = schemas.read(world.ws.batch, schemas.BATCH).to_pylist()
    rows = [
        {**row, "purpose": purpose, "stage": purpose.lower()} for row, (_, purpose) in zip(rows, wanted, strict=True)
    ]
    write_parquet(world.ws.batch, pa.Table.from_pylist(rows, schema=schemas.BATCH))


def name_gold(world: Any, items: list[str]) -> None:
    truth = world.truth()
    rows = [{"item_id": item, "class_id": truth[item], "source": "expert:ann"} for item in items]
    write_parquet(world.ws.gold, pa.Table.from_pylist(rows, schema=schemas.GOLD))


def quality(world: Any, round_no: int = 1) -> dict[str, Any]:
    return dict(json.loads((world.ws.sealed(round_no) / "quality.json").read_text()))


def states(ctx: Any, round_no: int) -> dict[str, str]:
    return {task.item_id: task.state for task in ctx.ledger.tasks.list("tiny", round_no)}


def test_gold_is_paid_and_counted_and_never_a_label(world: Any, runner: Any) -> None:
    gold, train = world.pool()[:2], world.pool()[2:6]
    name_gold(world, gold)
    world.quality["gold_share"] = 0.3
    world.vendor["annotators"] = GOOD
    batch(world, GOLD=gold, TRAIN=train)
    with world.context() as ctx:
        runner(ctx)
        assert set(states(ctx, 1).values()) == {"ACCEPTED"}
        assert len(ctx.ledger.money.lines("tiny")) == 6
    assert {row["item_id"] for row in world.labels()} == set(train)
    found = quality(world)
    assert found["gold"] == {"items": 2, "answers": 2, "right": 2}
    assert found["cost_by_purpose"]["GOLD"] == {"tasks": 2, "micros": 80_000}
    assert json.loads((world.ws.sealed(1) / "round.json").read_text())["n_labels"] == 4


def test_a_seed_label_that_became_gold_leaves_the_training_set(world: Any) -> None:
    from tailfirst.labeling.fold import folded

    gold, other = world.pool()[:2]
    seeds = [{"item_id": item, "class_id": "heron", "round_no": 0, "purpose": "SEED"} for item in (gold, other)]
    write_parquet(world.ws.seed_labels, pa.Table.from_pylist(seeds, schema=schemas.LABELS))
    name_gold(world, [gold])
    assert folded(world.ws)["item_id"].to_pylist() == [other]


@pytest.mark.parametrize(
    ("purposes", "why"),
    [
        ({"TRAIN": [0]}, "1 are gold, which never trains"),
        ({"GOLD": [1]}, r"1 are not in data/gold\.parquet"),
        ({"RELABEL": [1]}, "1 have no answer yet, so there is none to repeat"),
        ({"RELABEL": [0]}, "1 are gold, which never trains"),
    ],
)
def test_batches_that_mix_up_gold_are_refused(world: Any, ctx: Any, purposes: dict[str, list[int]], why: str) -> None:
    name_gold(world, world.pool()[:1])
    batch(world, **{name: [world.pool()[row] for row in rows] for name, rows in purposes.items()})
    with pytest.raises(CheckFailed, match=why):
        plan.freeze(ctx)


def test_who_fails_gold_is_not_counted(world: Any, runner: Any) -> None:
    gold, train = world.pool()[:8], world.pool()[8:12]
    name_gold(world, gold)
    world.quality.update(min_gold_accuracy=0.7, min_gold_answers=5)
    world.round["overlap"] = 2
    world.vendor["annotators"] = MIXED
    batch(world, GOLD=gold, TRAIN=train)
    with world.context() as ctx:
        said = runner(ctx)
    assert any("answers of b not counted" in line for line in said)
    truth = world.truth()
    assert {row["item_id"]: (row["class_id"], row["annotators"]) for row in world.labels()} == {
        item: (truth[item], "a") for item in train
    }
    found = quality(world)
    assert (found["accused"], found["dropped"]) == (["b"], sorted([item, "b"] for item in train))
    rows = {row["annotator_id"]: row for row in found["annotators"]}
    assert rows["a"]["gold_accuracy"]["value"] == 1.0
    assert rows["b"]["gold_accuracy"]["high"] < 0.7


def test_rework_goes_first_in_the_next_round(world: Any, runner: Any) -> None:
    """With one answer per item nothing is left of b's items: REJECTED > REWORK, and they are asked again."""
    gold, train = world.pool()[:12], world.pool()[12:20]
    name_gold(world, gold)
    world.quality.update(min_gold_accuracy=0.7, min_gold_answers=3)
    world.vendor["annotators"] = MIXED
    batch(world, GOLD=gold, TRAIN=train)
    with world.context() as ctx:
        runner(ctx)
        lost = [item for item in train if states(ctx, 1)[item] == "REWORK"]
        assert 0 < len(lost) < len(train)
        assert sorted(quality(world)["again"]) == sorted(lost)
        assert sorted(History.of([world.ws.sealed(1)]).again) == sorted(lost)
        batch(world, RELABEL=lost)
        world.vendor["annotators"] = [{"id": "c", "skill": 1.0}]
        with world.context() as later:
            plan.freeze(later)
            first = {task.item_id: task.key for task in later.ledger.tasks.list("tiny", 1)}
            again = later.ledger.tasks.list("tiny", 2)
            assert {task.parent_key for task in again} == {first[item] for item in lost}
            assert {task.attempt for task in again} == {2}
            runner(later)
    truth = world.truth()
    assert {row["item_id"]: row["class_id"] for row in world.labels()} == {item: truth[item] for item in train}
    assert History.of([world.ws.sealed(n) for n in (1, 2)]).again == {}


def test_a_vendor_that_takes_reviews_gives_the_money_back(world: Any, runner: Any) -> None:
    gold, train = world.pool()[:12], world.pool()[12:20]
    name_gold(world, gold)
    world.quality.update(min_gold_accuracy=0.7, min_gold_answers=3)
    world.vendor.update(annotators=MIXED, review=True)
    batch(world, GOLD=gold, TRAIN=train)
    with world.context() as ctx:
        runner(ctx)
        lost = {t.key for t in ctx.ledger.tasks.list("tiny", 1) if t.state == "REWORK"}
        lines = ctx.ledger.money.lines("tiny")
        back = {line.key: line.amount_micros for line in lines if line.kind == "ADJUSTED"}
        assert back == dict.fromkeys(lost, -40_000)
        spent = 20 * 40_000 - 40_000 * len(lost)
        assert ctx.ledger.money.status("tiny").accrued == spent == sum(c.amount_micros for c in world.book.charges())
    assert json.loads((world.ws.sealed(1) / "round.json").read_text())["cost_micros"] == spent


def test_second_opinions_change_a_label_and_the_old_one_stays_in_its_folder(world: Any, runner: Any) -> None:
    item, other = world.pool()[:2]
    world.vendor["annotators"] = [{"id": "b", "skill": 0.0}]
    batch(world, TRAIN=[item, other])
    with world.context() as ctx:
        runner(ctx)
    wrong = {row["item_id"]: row["class_id"] for row in world.labels()}
    before = (world.ws.sealed(1) / "labels.parquet").read_bytes()
    world.vendor["annotators"] = [{"id": "c", "skill": 1.0}, {"id": "d", "skill": 1.0}]
    world.round["overlap"] = 2
    batch(world, RELABEL=[item])
    with world.context() as ctx:
        runner(ctx)
        assert states(ctx, 1) == {item: "SUPERSEDED", other: "ACCEPTED"}
        assert states(ctx, 2) == {item: "ACCEPTED"}
    rows = {row["item_id"]: row for row in world.labels()}
    assert rows[item]["class_id"] == world.truth()[item] != wrong[item]
    assert (rows[item]["purpose"], rows[item]["annotators"], rows[item]["round_no"]) == ("TRAIN", "b,c,d", 2)
    assert rows[item]["confidence"] == pytest.approx(2 / 3)
    assert rows[other]["class_id"] == wrong[other]
    assert (world.ws.sealed(1) / "labels.parquet").read_bytes() == before


def test_dawid_skene_labels_say_so(world: Any, runner: Any) -> None:
    world.quality["consensus"] = "dawid_skene"
    world.round["overlap"] = 3
    world.vendor["annotators"] = [*GOOD, {"id": "c", "skill": 0.3}]
    world.batch(world.pool()[:12])
    with world.context() as ctx:
        runner(ctx)
    truth = world.truth()
    assert {row["method"] for row in world.labels()} == {"dawid-skene/1"}
    assert all(row["class_id"] == truth[row["item_id"]] for row in world.labels())
    assert all(0.5 < row["confidence"] <= 1 for row in world.labels())


@pytest.mark.parametrize("consensus", ["majority", "dawid_skene"])
def test_one_person_in_every_slot_is_one_opinion(world: Any, runner: Any, consensus: str) -> None:
    """The vendor has nobody else: three copies are bought, and paid, and say no more than one."""
    world.quality["consensus"] = consensus
    world.round["overlap"] = 3
    world.vendor["annotators"] = [{"id": "e1", "skill": 1.0}]
    items = world.pool()[:4]
    batch(world, TRAIN=items)
    with world.context() as ctx:
        said = runner(ctx)
        assert len(ctx.ledger.tasks.list("tiny", 1)) == 12
    assert any("4 items answered more than once by one person, counted once" in one for one in said)
    twice = [{"item_id": item, "annotator_id": "e1", "answers": 3} for item in sorted(items)]
    assert quality(world)["same_person"] == twice
    assert [(row["n_annotations"], row["annotators"]) for row in world.labels()] == [(1, "e1")] * 4
    counted = schemas.read(world.ws.sealed(1) / "answers.parquet", schemas.COUNTED)
    assert counted.num_rows == 4


class Skipping:
    """The vendor, whose people hand these items back with a reason."""

    simulated_clock = True

    def __init__(self, vendor: Any, reasons: dict[str, str]) -> None:
        self._vendor = vendor
        self._reasons = reasons

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vendor, name)

    def parse(self, raw: Any, ontology: Any) -> Any:
        parsed = self._vendor.parse(raw, ontology)
        reason = self._reasons.get(json.loads(raw.body)["metadata"]["item_id"])
        if reason is None:
            return parsed
        given = tuple(replace(a, class_ids=(), skipped=True, reason=reason) for a in parsed.annotations)
        return replace(parsed, annotations=given)


def test_answers_that_are_no_class(world: Any, runner: Any) -> None:
    none, broken, unsure, odd, plain = world.pool()[:5]
    reasons = {none: "none_of_these", broken: "unusable", unsure: "unsure", odd: "too dark"}
    batch(world, TRAIN=[none, broken, unsure, odd, plain])
    with world.context() as ctx:
        runner(replace(ctx, vendor=Skipping(ctx.vendor, reasons)))
        ends = states(ctx, 1)
        assert ends == {none: "DROPPED", broken: "DROPPED", unsure: "EXPERT_QUEUE", odd: "DROPPED", plain: "ACCEPTED"}
        tasks = {t.item_id: t.reason for t in ctx.ledger.tasks.list("tiny", 1)}
        assert (tasks[none], tasks[broken], tasks[unsure]) == ("none_of_these", "unusable", "unsure")
    found = quality(world)
    assert found["skips"] == {"none_of_these": 1, "unusable": 1, "unsure": 1, "other": 1}
    assert list(found["experts"]) == [unsure]
    ignored = json.loads((world.ws.sealed(1) / "round.json").read_text())["ignored"]
    assert ignored == sorted([none, broken, unsure, odd])
