"""A real round on a real Label Studio: planned, ordered, labeled by people (one of them at the screen), sealed."""

import json
from typing import Any

import pyarrow as pa
import pytest
import yaml

from tailfirst import advance, schemas, versioning
from tailfirst.artifacts import write_parquet
from tailfirst.config import Settings
from tailfirst.context import open_context
from tailfirst.items import sha256_text
from tailfirst.paths import Workspace
from tests.support import label_studio, tiny_workspace
from tests.support.annotator import at_the_screen

pytestmark = pytest.mark.label_studio


def written(ws: Workspace) -> dict[str, str]:
    """Turn the tiny workspace's items into texts that a person can tell apart; truth by text."""
    items = schemas.read(ws.items, schemas.ITEMS).to_pylist()
    truth = {row["item_id"]: row["class_id"] for path in (ws.oracle, ws.holdout) for row in rows(path)}
    texts = {row["item_id"]: f"leaf {n} of an {truth[row['item_id']]}" for n, row in enumerate(items)}
    ids = {old: sha256_text(text)[:20] for old, text in texts.items()}
    new = [
        {
            **row,
            "item_id": ids[row["item_id"]],
            "sha256": sha256_text(texts[row["item_id"]]),
            "text": texts[row["item_id"]],
        }
        for row in items
    ]
    write_parquet(ws.items, pa.Table.from_pylist(sorted(new, key=lambda r: r["item_id"]), schema=schemas.ITEMS))
    for path in (ws.oracle, ws.holdout):
        moved = [{**row, "item_id": ids[row["item_id"]]} for row in rows(path)]
        write_parquet(path, pa.Table.from_pylist(moved, schema=schemas.LABELED))
    task = yaml.safe_load(ws.task.read_text())
    ws.task.write_text(yaml.safe_dump({**task, "modality": "text", "templates": ["{}"]}, sort_keys=False))
    return {texts[old]: truth[old] for old in texts}


def rows(path: Any) -> list[dict[str, Any]]:
    return list(schemas.read(path, schemas.LABELED).to_pylist())


def test_from_plan_to_sealed_with_people(tmp_path):
    label_studio.forget_projects()
    server = label_studio.server()
    anna, bert = label_studio.person("anna"), label_studio.person("bert")
    ws = tiny_workspace.make(
        tmp_path / "w",
        n_pool=24,
        n_holdout=16,
        acquisition={"budget": 4, "audit_share": 0.2},
        stopping={"max_rounds": 1},
    )
    params = yaml.safe_load(ws.params.read_text())
    ws.params.write_text(yaml.safe_dump({**params, "vendor": {"plugin": "label_studio", "base_url": server.url}}))
    truth = written(ws)
    versioning.init_workspace(ws)
    settings = Settings(_env_file=None, label_studio_token=server.account.token, tracker="memory")
    with open_context(ws.root, settings) as ctx:
        waits = advance.advance(ctx, until_idle=True)
        assert "0 of 4 answers back" in waits.last.why
        project = int(ctx.ledger.rounds.current("tiny").vendor_batch_id)

        with at_the_screen(server.url, anna.email, anna.password) as screen:
            screen.begin(project)
            screen.page.get_by_text("leaf").first.wait_for()
            first = label_studio.tasks(project)[0]
            assert first["data"]["text"] in screen.page.inner_text("body")
            screen.choose(truth[first["data"]["text"]])
            given = screen.submit()
        rest = label_studio.tasks(project)
        assert [a["id"] for a in rest[0]["annotations"]] == [given]
        assert rest[0]["annotations"][0]["completed_by"] == anna.number
        for task in rest[1:3]:
            bert.label(task["id"], truth[task["data"]["text"]])
        bert.label(rest[3]["id"], "tf:unsure")

        done = advance.advance(ctx, until_idle=True)
        assert done.last.kind.value == "DONE", done
        answers = ctx.ledger.deliveries.annotations("tiny", 1)
        lines = ctx.ledger.money.lines("tiny", 1)
    record = json.loads((ws.sealed(1) / "round.json").read_text())
    assert record["round_no"] == 1
    labels = schemas.read(ws.labels, schemas.LABELS).to_pylist()
    texts = {row["item_id"]: row["text"] for row in schemas.read(ws.items, schemas.ITEMS).to_pylist()}
    assert {texts[row["item_id"]]: row["class_id"] for row in labels} == {
        task["data"]["text"]: truth[task["data"]["text"]] for task in rest[:3]
    }
    assert sorted(a.annotator_id for a in answers) == sorted([f"ls-{anna.number}"] + [f"ls-{bert.number}"] * 3)
    assert {a.reason for a in answers if a.skipped} == {"unsure"}
    assert [line.kind for line in lines] == ["ESTIMATED"] * 4
    raw = (ws.sealed(1) / "deliveries.jsonl").read_text()
    assert "example.com" not in raw  # nobody's name leaves the server
