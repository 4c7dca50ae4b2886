"""A whole campaign by hand: plan, advance, approve, until it is done; then every way to look at it."""

import json

import pytest

from tailfirst import cli, versioning
from tailfirst.context import NoGates, open_context
from tests.support import tiny_workspace


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """A workspace after both of its rounds, with what the commands said on the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAILFIRST_TRACKER", "memory")
        ws = tiny_workspace.make(tmp_path_factory.mktemp("campaign") / "w", money={"auto_approve": 0})
        versioning.init_workspace(ws)
        yield ws


def run(ws, capsys, *typed, code=0):
    capsys.readouterr()
    assert cli.run(["--root", str(ws.root), *typed]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def ledger(ws):
    with open_context(ws.root, gates=NoGates()) as ctx:
        return ctx.ledger.fingerprint(ctx.campaign)


def test_a_campaign_by_hand(campaign, capsys):
    ws = campaign
    empty = ledger(ws)

    seen = json.loads(run(ws, capsys, "plan", "--items", "3", "--json"))
    assert ledger(ws) == empty  # looking ahead buys nothing and freezes nothing
    assert (seen["n_items"], seen["audit"], seen["control"], len(seen["items"])) == (8, 1, 1, 3)
    assert seen["frozen"] is None
    assert seen["total_micros"] == 360_000  # 1 audit item at 8 cents, 7 at 4 cents
    assert seen["items"][0]["purpose"] == "AUDIT"

    said = run(ws, capsys, "advance", "--all")
    assert "zero_shot fitted" not in said  # plan ran the stages, and DVC remembers
    assert "next: WAIT, approve with `tailfirst approve`: 8 tasks for 0.36 USD" in said
    assert json.loads(run(ws, capsys, "plan", "--items", "3", "--json")) == seen | {"frozen": "QUOTED"}

    said = run(ws, capsys, "approve", "--by", "maria", "--cap", "0.30")
    assert "round 1: 8 items for 0.36 USD" in said
    assert "2 items lie beyond the cap" in said
    run(ws, capsys, "pause", "holiday", "--by", "maria")
    assert "nothing to do\nnext: WAIT, paused: holiday" in run(ws, capsys, "advance")
    run(ws, capsys, "resume", "--by", "maria")

    run(ws, capsys, "advance", "--all")
    run(ws, capsys, "approve", "--by", "maria")
    assert "next: DONE, all 2 rounds are done" in run(ws, capsys, "advance", "--all")

    found = json.loads(run(ws, capsys, "status", "--json"))
    assert (found["round_no"], found["state"], found["sealed_rounds"]) == (2, "REPORTED", 2)
    assert found["money"]["spent_micros"] == found["money"]["cap_micros"] - found["money"]["left_micros"] == 640_000
    assert found["n_labels"] == 12  # 5 + 7, the audit does not train
    assert found["measured_after"] == 2
    made = {one["operation"]: one["n"] for one in found["vendor_calls"] if one["outcome"] == "OK"}
    assert made["open_batch"] >= 2  # one order a round
    assert set(found["metrics"]) >= {"accuracy", "balanced_accuracy", "tail_accuracy"}
    text = run(ws, capsys, "status")
    assert "round 2 is REPORTED, 2 sealed" in text


def test_report_prints_the_newest_page_and_changes_no_byte(campaign, capsys):
    before = {p.name: p.read_bytes() for p in campaign.report.iterdir()}
    assert run(campaign, capsys, "report") == f"{campaign.report / 'round-0002.html'}\n"
    assert run(campaign, capsys, "report", "--round", "1").endswith("round-0001.html\n")
    assert {p.name: p.read_bytes() for p in campaign.report.iterdir()} == before
    assert versioning.is_clean(campaign)


def test_lineage_of_a_round_matches_everywhere(campaign, capsys):
    found = json.loads(run(campaign, capsys, "lineage", "round-0001", "--json"))
    assert (found["what"], found["value"]) == ("round", "1 of tiny: REPORTED")
    marks = [fact["matches"] for fact in walk(found) if "matches" in fact]
    assert len(marks) >= 9
    assert all(marks)
    assert any(fact["value"] == "0.28 USD" for fact in walk(found))
    assert "✓ matches" in run(campaign, capsys, "lineage", "1")


def test_lineage_of_an_item_leads_to_raw_bytes_and_money(campaign, capsys):
    with open_context(campaign.root, gates=NoGates()) as ctx:
        task = ctx.ledger.tasks.list(ctx.campaign, 1)[1]
    found = json.loads(run(campaign, capsys, "lineage", task.item_id, "--json"))
    words = {fact["what"] for fact in walk(found)}
    assert words >= {"item", "bytes", "sealed round", "chosen", "delivery", "answer", "label", "money", "ledger"}
    assert json.loads(run(campaign, capsys, "lineage", task.item_id[:8], "--json")) == found
    assert any(fact["value"] == "ACCRUED 0.0400 USD" for fact in walk(found))
    by_key = json.loads(run(campaign, capsys, "lineage", task.key, "--json"))
    assert by_key["below"][1] == found


def test_lineage_sees_a_changed_delivery(campaign, capsys):
    path = campaign.sealed(2) / "deliveries.jsonl"
    honest = path.read_bytes()
    try:
        path.write_bytes(honest.replace(b"oak", b"elm"))
        found = json.loads(run(campaign, capsys, "lineage", "2", "--json"))
    finally:
        path.write_bytes(honest)
    wrong = {fact["what"] for fact in walk(found) if fact.get("matches") is False}
    assert wrong >= {"sealed folder", "deliveries.jsonl"}


def test_replay_of_a_sealed_round_changes_nothing(campaign, capsys):
    before = ledger(campaign)
    assert "deliveries read again, 0 quarantined" in run(campaign, capsys, "replay", "--round", "1")
    assert ledger(campaign) == before


def test_the_kill_switch_stops_buying(campaign, capsys):
    assert "is on" in run(campaign, capsys, "pause", "--kill", "--by", "maria")
    assert json.loads(run(campaign, capsys, "status", "--json"))["kill_switch"] is True
    assert "is off" in run(campaign, capsys, "resume", "--by", "maria")


def walk(fact):
    yield fact
    for below in fact.get("below", ()):
        yield from walk(below)
