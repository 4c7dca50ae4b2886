"""A class that the pool does not hold: two searches find nothing, then every place that tells of the batch names it."""

import json

import pytest

from tailfirst import cli, schemas, tracking, versioning
from tests.support import tiny_workspace


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """After four rounds; the pool has no yew, though the prototypes know it and some items look like it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILFIRST_TRACKER", "memory")
        patch.setattr(tiny_workspace, "SHARES", (0.5, 0.3, 0.2, 0.0))
        strategy = {"plugin": "tail_first", "exhausted_after": 2, "exhausted_answers": 3}
        ws = tiny_workspace.make(
            tmp_path_factory.mktemp("exhausted") / "w", acquisition={"strategy": strategy, "cold_start": "random"},
            stopping={"max_rounds": 4},
        )  # fmt: skip
        versioning.init_workspace(ws)
        assert cli.run(["--root", str(ws.root), "advance", "--all"]) == 0
        yield ws


def run(ws, capsys, *typed):
    capsys.readouterr()
    assert cli.run(["--root", str(ws.root), *typed]) == 0, capsys.readouterr().err
    return " ".join(capsys.readouterr().out.split())


def test_a_class_is_exhausted_after_two_searches_that_found_nothing(campaign):
    ws, searches = campaign, []
    for number in range(1, 5):
        batch = schemas.read(ws.sealed(number) / "batch.parquet", schemas.BATCH).to_pylist()
        searched = {row["item_id"] for row in batch if row["reason"] == "search:yew"}
        labels = schemas.read(ws.sealed(number) / "labels.parquet", schemas.LABELS).to_pylist()
        told = [row["class_id"] for row in labels if row["item_id"] in searched]
        record = json.loads((ws.sealed(number) / "round.json").read_text())
        spent = len(searches) >= 2 and sum(searches[-2:]) >= 3
        assert record["acquisition"]["pool_size"] == 60
        assert record["acquisition"]["exhausted"] == (["yew"] if spent else [])
        assert not (spent and searched)
        assert "yew" not in told
        searches += [len(told)] if told else []
    assert len(searches) == 2
    assert json.loads(ws.acquisition.read_text())["exhausted"] == ["yew"]
    assert "search:yew" not in schemas.read(ws.batch, schemas.BATCH)["reason"].to_pylist()


def test_status_plan_and_the_flow_name_it(campaign, capsys):
    words = "not searched for until the pool grows: yew"
    assert words in run(campaign, capsys, "status")
    assert json.loads(run(campaign, capsys, "status", "--json"))["exhausted"] == ["yew"]
    assert f"classes {words}" in run(campaign, capsys, "plan")
    assert json.loads(run(campaign, capsys, "plan", "--json"))["exhausted"] == ["yew"]
    assert tracking.next_batch(campaign).endswith(f"classes {words}")
