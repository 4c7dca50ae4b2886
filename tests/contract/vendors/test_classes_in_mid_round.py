"""The classes change while a round is open at a vendor: it asks and answers in its own, the next one in the new."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tailfirst import schemas
from tailfirst.ontology import acts
from tests.support.vendors import world as campaign

RENAME = {"rename": {"class": "elk", "to": "wapiti"}}
ADD = {"add": {"class": "yak"}}


def apply(world: Any) -> str:
    path: Path = world.root / "0002-wapiti.yaml"
    path.write_text(yaml.safe_dump({"from": "1", "to": "2", "steps": [RENAME, ADD]}))
    with world.context() as ctx:
        return acts.apply(ctx, path)


@pytest.mark.parametrize("state", ["APPROVED", "OPEN"])
def test_a_round_at_the_vendor_stays_on_its_classes(row_world: Any, ontology: Any, state: str) -> None:
    """Before the order is opened, and with people at work; the vendor is met anew after the change."""
    world = row_world
    world.batch(range(6))
    with world.context() as ctx:
        campaign.until(ctx, state)
    assert f"round 1 ({state}) stays on version 1" in apply(world)
    with world.context() as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 1) == {"ACCEPTED": 6}
    sealed = schemas.read(world.ws.sealed(1) / "labels.parquet", schemas.LABELS).to_pylist()
    assert {row["ontology_version"] for row in sealed} == {"1"}
    assert {row["class_id"] for row in sealed} <= set(ontology.class_ids)
    was = {row["item_id"]: row["class_id"] for row in sealed}
    now = {item: row["class_id"] for item, row in world.labels().items()}
    assert now == {item: "wapiti" if name == "elk" else name for item, name in was.items()}
    with world.context() as ctx:
        campaign.finish_next(world, ctx)
        campaign.check_books(world, ctx)
        assert ctx.ledger.rounds.counts("kit", 2) == {"ACCEPTED": 4}
    assert {row["ontology_version"] for row in world.labels().values() if row["round_no"] == 2} == {"2"}
