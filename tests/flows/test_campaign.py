"""A whole campaign through Prefect, DVC, MLflow and the simulated vendor, on a tiny workspace."""

import subprocess
import sys
from collections import Counter

from tailfirst import versioning
from tailfirst.advance import advance
from tailfirst.context import open_context
from tailfirst.schemas import LABELS, read
from tests.support.prefect_api import connect


def task_runs(env: dict[str, str]) -> Counter[str]:
    """Names of the task runs that the server recorded, with how many of each completed."""
    with connect(env) as client:
        found, offset = [], 0
        while page := client.post("/task_runs/filter", json={"limit": 200, "offset": offset}).json():
            found += page
            offset += len(page)
    return Counter(run["task_key"].split("-")[0] for run in found if run["state_type"] == "COMPLETED")


def test_two_rounds_end_reported_recorded_and_clean(workspace, run_campaign, prefect_env):
    ws = workspace()
    done = run_campaign(ws)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with open_context(ws.root) as ctx:
        rounds = ctx.ledger.rounds.all("tiny")
        money = ctx.ledger.money.status("tiny")
    assert [(r.round_no, r.state) for r in rounds] == [(1, "REPORTED"), (2, "REPORTED")]
    assert money.reserved == 0
    assert money.accrued > 0
    labels = read(ws.labels, LABELS).to_pylist()
    assert len({row["item_id"] for row in labels}) == len(labels) == 16
    assert versioning.is_clean(ws)
    assert sorted(p.name for p in ws.report.glob("round-*.html")) == ["round-0001.html", "round-0002.html"]
    assert "zero-shot" in done.stdout.lower()
    assert "random" in done.stdout.lower()
    runs = task_runs(prefect_env)
    assert runs["submit"] == runs["seal"] == runs["freeze"] == 2, runs


def test_again_changes_nothing_and_says_so(workspace, run_campaign):
    ws = workspace(stopping={"max_rounds": 1})
    assert run_campaign(ws).returncode == 0
    with open_context(ws.root) as ctx:
        before = ctx.ledger.fingerprint("tiny")
    again = run_campaign(ws)
    with open_context(ws.root) as ctx:
        assert ctx.ledger.fingerprint("tiny") == before
    assert again.returncode == 0
    assert "round" in again.stdout


def test_the_flow_and_the_command_give_the_same_bytes(workspace, run_campaign):
    by_flow, by_hand = workspace("flow"), workspace("hand")
    assert run_campaign(by_flow).returncode == 0
    with open_context(by_hand.root) as ctx:
        while advance(ctx, until_idle=True).last.kind.value not in {"DONE", "WAIT"}:
            pass
    for part in ("data/rounds/0002/labels.parquet", "data/labels.parquet", "work/batch.parquet", "work/choice.json"):
        assert (by_flow.root / part).read_bytes() == (by_hand.root / part).read_bytes(), part
    with open_context(by_hand.root) as one, open_context(by_flow.root) as two:
        assert one.ledger.fingerprint("tiny") == two.ledger.fingerprint("tiny")


def test_a_tick_is_a_module_that_runs(workspace, prefect_env):
    ws = workspace(stopping={"max_rounds": 1})
    command = [sys.executable, "-m", "flows.round", "--root", str(ws.root)]
    done = subprocess.run(
        command, env=prefect_env, cwd=prefect_env["PYTHONPATH"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with open_context(ws.root) as ctx:
        assert ctx.ledger.rounds.current("tiny").state in {"OPEN", "COLLECTING", "REPORTED"}
