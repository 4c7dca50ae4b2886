"""Rows 29 to 32, 34 and 35 of the failure table: what the core makes of what people (and machines) do."""

import json
from base64 import b64encode
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.config import Quality
from tailfirst.labeling import plan
from tailfirst.quality.batch import Asked, clear
from tailfirst.quality.history import History
from tailfirst.quality.judging import Said, judge

PEOPLE = [{"id": name, "skill": 1.0} for name in "abc"]
CLASSES = ("bicycle", "heron", "umbrella")


def batch(world: Any, predicted: dict[str, str] | None = None, **purposes: list[str]) -> None:
    """work/batch.parquet with these items, and maybe a guess for some."""
    wanted = {item: purpose for purpose, items in purposes.items() for item in items}
    world.batch(list(wanted), n_audit=0)
    rows = schemas.read(world.ws.batch, schemas.BATCH).to_pylist()
    guesses = predicted or {}
    made = [row | {"purpose": wanted[row["item_id"]], "predicted": guesses.get(row["item_id"])} for row in rows]
    write_parquet(world.ws.batch, pa.Table.from_pylist(made, schema=schemas.BATCH))


def name_gold(world: Any, items: list[str]) -> None:
    truth = world.truth()
    rows = [{"item_id": item, "class_id": truth[item], "source": "expert:e"} for item in items]
    write_parquet(world.ws.gold, pa.Table.from_pylist(rows, schema=schemas.GOLD))


def quality(world: Any, round_no: int = 1) -> dict[str, Any]:
    return dict(json.loads((world.ws.sealed(round_no) / "quality.json").read_text()))


def test_row_29_answers_of_a_spammer_are_not_counted(world: Any, runner: Any) -> None:
    gold, train = world.pool()[:14], world.pool()[14:20]
    name_gold(world, gold)
    world.quality.update(min_gold_accuracy=0.75, min_gold_answers=5)
    world.round["overlap"] = 3
    world.vendor.update(annotators=PEOPLE, faults=[{"name": "annotator_spam", "annotators": ["b"]}])
    batch(world, GOLD=gold, TRAIN=train)
    with world.context() as ctx:
        runner(ctx)
    assert quality(world)["accused"] == ["b"]
    dropped = {item for item, who in quality(world)["dropped"] if who == "b"}
    assert dropped, "nothing of b since the last right answer to gold, right by luck as it may be"
    assert {row["item_id"] for row in world.labels() if row["annotators"] == "a,c"} == dropped
    assert len(world.labels()) == len(train)


def said(unit: str, who: str, answer: str, at: float) -> Said:
    return Said(unit, unit.partition("@")[0], who, answer, at, 3.0, "heron")


def test_row_30_gold_that_everybody_knows_by_now_is_told() -> None:
    first = [said(f"g{n}@1", "a", "heron" if n % 2 else "umbrella", n) for n in range(20)]
    later = [said(f"g{n}@2", "a", "heron", 100 + n) for n in range(20)]
    warned = judge([*first, *later], CLASSES, Quality()).leak
    assert warned.startswith("all 20 answers to gold that its annotator had seen before are right, 50% of the first")
    assert judge([*first, *(said(f"g{n}@2", "b", "heron", 100 + n) for n in range(20))], CLASSES, Quality()).leak == ""
    one_wrong = [*later[:-1], said("g19@2", "a", "umbrella", 200)]
    assert judge([*first, *one_wrong], CLASSES, Quality()).leak == ""


def test_row_31_a_pair_that_nobody_can_tell_apart_is_named_and_not_bought(world: Any, runner: Any) -> None:
    world.round["overlap"] = 3
    unclear = {"name": "guideline_ambiguous", "rate": 1.0, "pair": ["bicycle", "heron"]}
    world.vendor.update(annotators=PEOPLE, faults=[unclear])
    batch(world, TRAIN=world.pool())
    with world.context() as ctx:
        runner(ctx)
    assert quality(world)["ambiguous"] == [["bicycle", "heron"]]
    history = History.of([world.ws.sealed(1)])
    asked = Asked({}, {}, history, {}, {}, CLASSES)
    probs = np.array([[0.5, 0.4, 0.1], [0.1, 0.5, 0.4], [0.4, 0.5, 0.1], [0.9, 0.0, 0.1]], np.float32)
    eligible = np.array([True, True, False, True])
    stop = Quality(stop_ambiguous=True)
    assert clear(asked, eligible, probs, stop, 2).tolist() == [False, True, False, True]
    assert clear(asked, eligible, probs, Quality(), 2).tolist() == eligible.tolist()
    assert clear(asked, eligible, probs, stop, 3).tolist() == eligible.tolist()


def test_row_32_the_same_doubted_answer_twice_goes_to_an_expert(
    world: Any, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, truth = world.pool()[:6], world.truth()

    def model(ctx: Any, batch: bytes) -> dict[str, Any]:
        """A model that is right and sure of it."""
        known = schemas.read(ctx.ws.batch, schemas.BATCH)["item_id"].to_pylist()
        rows = [[0.9 if c == truth[item] else 0.05 for c in CLASSES] for item in known]
        probs = b64encode(np.array(rows, "<f4").tobytes()).decode()
        return {"candidate": "m", "class_ids": list(CLASSES), "item_ids": known, "probs": probs}

    monkeypatch.setattr(plan, "_model", model)
    world.quality["relabel_share"] = 0.3
    bad = items[0]
    world.vendor["annotators"] = [{"id": "a", "skill": 1.0}]
    batch(world, TRAIN=items[1:])
    with world.context() as ctx:
        runner(ctx)
    taken_for = {truth[bad]: next(c for c in CLASSES if c != truth[bad])}  # everybody makes the same mistake
    world.vendor["annotators"] = [{"id": "b", "skill": 0.0, "confuse": taken_for}]
    batch(world, TRAIN=[bad])
    with world.context() as ctx:
        runner(ctx)
    assert quality(world, 2)["experts"] == {}
    world.vendor["annotators"] = [{"id": "c", "skill": 0.0, "confuse": taken_for}]
    batch(world, RELABEL=[bad])
    with world.context() as ctx:
        runner(ctx)
    assert list(quality(world, 3)["experts"]) == [bad]
    assert list(History.of([world.ws.sealed(n) for n in (1, 2, 3)]).experts) == [bad]
    assert bad in {row["item_id"] for row in world.labels()}, "asked again, never dropped"


def test_row_34_machines_test_nobody(world: Any, runner: Any) -> None:
    gold = world.pool()[:6]
    name_gold(world, gold)
    world.quality["gold_share"] = 0.3
    world.vendor["faults"] = [{"name": "machine_labeled", "rate": 1.0}]
    batch(world, GOLD=gold, TRAIN=world.pool()[6:8])
    with world.context() as ctx:
        runner(ctx)
    found = quality(world)
    assert found["gold"]["answers"] == 0
    assert found["annotators"] == []


def test_row_35_a_blind_slice_measures_how_much_a_guess_anchors(world: Any, runner: Any) -> None:
    pool, truth = world.pool(), world.truth()
    wrong = {item: next(c for c in CLASSES if c != truth[item]) for item in pool}
    name_gold(world, pool[:3])
    world.quality.update(prelabels=True, blind_share=0.4, gold_share=0.1)
    world.vendor.update(annotators=PEOPLE, faults=[{"name": "prelabel_anchoring", "rate": 1.0}])
    batch(world, wrong, GOLD=pool[:3], AUDIT=pool[3:6], TRAIN=pool[6:])
    with world.context() as ctx:
        runner(ctx)
    found = quality(world)["anchoring"]
    assert (found["shown"]["value"], found["blind"]["value"]) == (1.0, 0.0)
    assert found["shown"]["answers"] + found["blind"]["answers"] == len(pool[6:])
    assert found["blind"]["answers"] >= 3
    labels = {row["item_id"]: row["class_id"] for row in world.labels()}
    assert all(labels[item] == truth[item] for item in pool[3:6]), "AUDIT is always blind"
    assert quality(world)["gold"]["right"] == 3, "so is gold"
