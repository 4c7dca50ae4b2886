"""Rows 29 to 32, 34 and 35: people who guess, know too much, disagree, or are machines.

Each is driven from the answers at the vendor to what the core makes of them in the sealed round (tailfirst/quality).
Where a vendor cannot have the fault the same round runs without it, and nobody is accused.
"""

from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from tailfirst import schemas
from tailfirst.labeling import plan
from tailfirst.quality.history import History
from tests.support.vendors import kit as kits
from tests.support.vendors import world as campaign

TEN = range(10)


def finished(row: Any, *faults: Any) -> None:
    """The next round, with these faults, its books checked; every answer says who gave it, when, and what they are."""
    world = row.world
    with world.context(*faults) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        given = ctx.ledger.deliveries.annotations("kit", ctx.ledger.rounds.current("kit").round_no)
    assert given
    assert all(one.annotator_id and one.submitted_at for one in given)


def test_row_29_annotator_spam(row: Any) -> None:
    """Who fails on gold is not counted since her last right answer to it; what she touched rests on the others."""
    world, staff = row.world, row.kit.staff()
    name = sorted(staff)[1]
    armed = row.arm(annotators=[name])
    quality = {"gold_share": 0.1, "min_gold_accuracy": 0.75, "min_gold_answers": 5}
    world.sections.update(quality=quality, round={"overlap": 3})
    world.name_gold(range(20))
    world.bought(GOLD=range(20), TRAIN=[20])
    finished(row, *armed)
    accused = [staff[name]] if armed else []
    assert world.quality(1)["accused"] == accused
    train = world.bought(TRAIN=range(21, 31))["TRAIN"]
    finished(row, *armed)
    with world.context() as ctx:
        of = {task.key: task.item_id for task in ctx.ledger.tasks.list("kit", 2)}
        hers = {of[a.key] for a in ctx.ledger.deliveries.annotations("kit", 2) if a.annotator_id == staff[name]}
    found, labels = world.quality(2), world.labels()
    assert (found["accused"], {item for item, _ in found["dropped"]}) == (accused, hers if armed else set())
    assert len(hers) > 2
    others = {item: labels[item]["annotators"].split(",") for item in train if item in labels}
    assert all((staff[name] in who) != bool(armed) for item, who in others.items() if item in hers)
    assert not armed or hers - others.keys() <= found["again"].keys(), "without a label it is asked again"


def test_row_30_gold_leaked(row: Any) -> None:
    """Gold that everybody answers right on second sight, and nobody did before, is known by now: it is told."""
    world, armed = row.world, row.arm(rate=1.0)
    gold, overlap = (range(8), 5) if armed else (range(2), 1)
    unclear = ({"name": "guideline_ambiguous", "rate": 1.0},) if armed else ()
    world.sections["round"] = {"overlap": overlap}
    world.name_gold(gold)
    for number, faults in ((1, unclear), (2, armed)):
        world.bought(GOLD=gold, TRAIN=[20 + number])
        finished(row, *faults)
        assert world.quality(number)["gold"]["items"] == len(gold)
    told = world.quality(2)["gold_leak"]
    assert world.quality(1)["gold_leak"] == ""
    assert (told.startswith("all ") and "name new gold" in told) if armed else told == ""


def test_row_31_guideline_ambiguous(row: Any) -> None:
    """A pair of classes that nobody can tell apart is named, and the next batch may leave it out."""
    world = row.world
    world.sections["round"] = {"overlap": 3}
    armed = row.arm(rate=1.0)
    world.bought(TRAIN=range(30))
    finished(row, *armed)
    pair = list(kits.CLASSES[:2])
    assert world.quality()["ambiguous"] == ([pair] if armed else [])
    assert History.of([world.ws.sealed(1)]).ambiguous == ((tuple(pair),) if armed else ())


def test_row_32_relabel_correlated(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, people say the same wrong thing: after that no more answers are bought, an expert is asked."""
    world, truth = row.world, kits.truth()
    armed = row.arm(rate=1.0)
    unclear = ({"name": "guideline_ambiguous", "rate": 1.0},) if armed else ()
    monkeypatch.setattr(plan, "_model", sure)
    world.sections["quality"] = {"relabel_share": 0.3}
    world.bought(TRAIN=range(9))
    finished(row)
    world.bought(TRAIN=range(9, 30))
    finished(row, *unclear)
    wrong = [item for item, label in sorted(world.labels().items()) if label["class_id"] != truth[item]]
    unsure = [n for n in range(9, 30) if kits.spec(n).item_id in wrong]
    again = unsure[:1] if armed else [9]
    item = kits.spec(again[0]).item_id
    assert item not in world.quality(2)["experts"]
    before = world.labels()[item]["class_id"]
    world.bought(RELABEL=again)
    finished(row, *armed, *unclear)
    assert world.labels()[item]["class_id"] == before, "asked again, never dropped"
    assert (item in world.quality(3)["experts"]) == bool(armed)
    assert (item in History.of([world.ws.sealed(n) for n in (1, 2, 3)]).experts) == bool(armed)


def sure(ctx: Any, batch: bytes) -> dict[str, Any]:
    """A model that is right and knows it."""
    known = schemas.read(ctx.ws.batch, schemas.BATCH)["item_id"].to_pylist()
    rows = [[0.9 if c == kits.truth()[item] else 0.05 for c in kits.CLASSES] for item in known]
    probs = b64encode(np.array(rows, "<f4").tobytes()).decode()
    return {"candidate": "m", "class_ids": list(kits.CLASSES), "item_ids": known, "probs": probs}


def test_row_34_machine_labeled(row: Any) -> None:
    """A machine's answer says so, tests nobody, and never becomes an AUDIT label."""
    world = row.world
    armed = row.arm(rate=1.0)
    world.name_gold([50])
    world.bought(GOLD=[50], AUDIT=range(2), TRAIN=range(2, 10))
    finished(row, *armed)
    with world.context() as ctx:
        given = {one.provenance for one in ctx.ledger.deliveries.annotations("kit", 1)}
    purposes = {label["purpose"] for label in world.labels().values()}
    assert (given == {"MACHINE"}) == bool(armed)
    assert ("AUDIT" in purposes) != bool(armed)
    assert world.quality()["gold"]["answers"] == (0 if armed else 1)


def test_row_35_prelabel_anchoring(row: Any) -> None:
    """A random blind slice measures how much a guess anchors people; AUDIT and GOLD are always blind."""
    from tests.support.vendors.wrapped import Wrapped

    world, numbers = row.world, range(40)
    armed = row.arm(rate=1.0)
    wrong = {kits.spec(n).item_id: kits.CLASSES[(n + 1) % 3] for n in numbers}
    world.sections["quality"] = {"prelabels": True, "blind_share": 0.4}
    world.name_gold(range(3))
    world.bought(wrong, GOLD=range(3), AUDIT=range(3, 6), TRAIN=range(6, 40))
    with world.context(vendor=Wrapped(row.kit.vendor(*armed))) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        sent = {item.item_id: item for name, args in ctx.vendor.calls if name == "submit" for item in args[1]}
    shown = {item for item, one in sent.items() if one.prelabel is not None}
    assert {sent[item].purpose for item in shown} <= {"TRAIN"}
    found = world.quality()["anchoring"]
    if not armed:
        assert (shown, found) == (set(), None)
        return
    assert 10 < len(shown) < 30
    assert all(sent[item].prelabel == wrong[item] for item in shown)
    assert found["shown"]["value"] == 1.0
    assert found["blind"]["high"] < found["shown"]["low"]
    assert found["shown"]["answers"] + found["blind"]["answers"] == 34
