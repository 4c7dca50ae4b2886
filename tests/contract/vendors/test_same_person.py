"""Copies of an item that one person answered, at every vendor: one opinion, paid for all, and told."""

import json
from dataclasses import replace
from typing import Any

from tests.support.vendors import world as campaign
from tests.support.vendors.wrapped import Wrapped

TWO = range(2)
COPIES = 3


def test_what_one_person_answers_twice_is_one_opinion(row_world: Any) -> None:
    world = row_world
    world.sections["round"] = {"overlap": COPIES}
    items = world.batch(TWO)
    inner = world.kit.vendor()

    def by_one(raw: Any, ontology: Any) -> Any:
        parsed = inner.parse(raw, ontology)
        return replace(parsed, annotations=tuple(replace(a, annotator_id="one") for a in parsed.annotations))

    with world.context(vendor=Wrapped(inner, instead={"parse": by_one})) as ctx:
        said = campaign.finish(ctx)
        campaign.check_books(world, ctx)
        given = [a for a in ctx.ledger.deliveries.annotations("kit", 1) if not a.skipped]
    assert len(given) == COPIES * len(items)
    assert any("2 items answered more than once by one person, counted once" in one for one in said)
    found = json.loads((world.ws.sealed(1) / "quality.json").read_text(encoding="utf-8"))["same_person"]
    assert found == [{"item_id": item, "annotator_id": "one", "answers": COPIES} for item in sorted(items)]
    newest = {row["item_id"]: (row["n_annotations"], row["annotators"]) for row in world.labels().values()}
    assert newest == dict.fromkeys(items, (1, "one"))
