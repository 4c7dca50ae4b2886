"""`tailfirst abort`: before an order nothing is bought, after it nothing that was paid is lost."""

import json

import pytest

from tailfirst import cli, versioning
from tailfirst.advance import advance
from tailfirst.context import NoGates, open_context
from tests.support import tiny_workspace


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.setenv("TAILFIRST_TRACKER", "memory")
    made = tiny_workspace.make(tmp_path / "w", stopping={"max_rounds": 2}, vendor={"hours_per_poll": 2.0})
    versioning.init_workspace(made)
    return made


def run(ws, capsys, *typed, code=0):
    capsys.readouterr()
    assert cli.run(["--root", str(ws.root), *typed]) == code, capsys.readouterr().err
    out = capsys.readouterr()
    return out.out + out.err


def until(ws, state):
    with open_context(ws.root) as ctx:
        for _ in range(60):
            row = ctx.ledger.rounds.current("tiny")
            if row is not None and row.state == state:
                return row
            advance(ctx)
    pytest.fail(f"the round never was {state}; it is {row}")


def test_before_an_order_nothing_is_bought_and_the_campaign_goes_on(ws, capsys):
    first = until(ws, "QUOTED")
    assert "round 1 is ABORTED" in run(ws, capsys, "abort", "wrong classes", "--by", "maria")
    with open_context(ws.root, gates=NoGates()) as ctx:
        assert ctx.ledger.tasks.in_flight("tiny") == []
        assert (ctx.ledger.money.status("tiny").reserved, ctx.ledger.money.status("tiny").accrued) == (0, 0)
        event = [e for e in ctx.ledger.rounds.events("tiny", 1) if e.to_state == "ABORTED"]
        assert [(e.actor, e.note) for e in event] == [("maria", "wrong classes")]
    for _ in range(60):
        if "next: DONE" in run(ws, capsys, "advance", "--all"):
            break
    with open_context(ws.root, gates=NoGates()) as ctx:
        states = [(r.round_no, r.state) for r in ctx.ledger.rounds.all("tiny")]
        assert states == [(1, "ABORTED"), (2, "REPORTED"), (3, "REPORTED")]
        assert ctx.ledger.rounds.get("tiny", 2).n_tasks == first.n_tasks
    assert sorted(p.name for p in ws.rounds.iterdir() if p.is_dir()) == ["0002", "0003"]
    assert json.loads((ws.sealed(2) / "round.json").read_text())["round_no"] == 2
    assert versioning.is_clean(ws)


def test_after_an_order_the_answered_part_is_sealed_and_the_rest_taken_back(ws, capsys):
    until(ws, "COLLECTING")
    assert "round 1 is CLOSING" in run(ws, capsys, "abort", "too slow", "--by", "maria")
    until(ws, "SEALED")
    with open_context(ws.root, gates=NoGates()) as ctx:
        states = {t.state for t in ctx.ledger.tasks.list("tiny", 1)}
        money = ctx.ledger.money.status("tiny")
    assert {"CANCELED", "ACCEPTED"} <= states
    assert states <= {"CANCELED", "ACCEPTED", "CLOSED_UNLABELED", "TOO_LATE"}
    assert money.reserved == 0
    assert money.accrued > 0


def test_a_sealed_round_or_a_missing_reason_is_refused(ws, capsys):
    assert "no round yet" in run(ws, capsys, "abort", "why", "--by", "maria", code=2)
    until(ws, "SEALED")
    assert "nothing to abort" in run(ws, capsys, "abort", "why", "--by", "maria", code=2)
    assert "needs a reason" in run(ws, capsys, "abort", "  ", "--by", "maria", code=2)
