"""The how-to for real data, typed as it stands. Needs TAILFIRST_SHARED_DATA; .ci/run sets it where the data exist."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tailfirst.config import load
from tailfirst.context import open_context
from tailfirst.paths import Workspace
from tests.support import docs

REPOSITORY = Path(__file__).parents[2]
SHARED = os.environ.get("TAILFIRST_SHARED_DATA")
ANSWERS = 3  # per item, as the templates say

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED, reason="TAILFIRST_SHARED_DATA is not set: the real-data rounds are not run"),
]


@pytest.fixture(scope="module")
def typed(tmp_path_factory) -> tuple[Workspace, Workspace]:
    """Both workspaces of docs/how-to/real-text.md after its commands ran."""
    folder = tmp_path_factory.mktemp("real")
    env = {
        **os.environ,
        "WORK": str(folder / "banking"),
        "CALTECH": str(folder / "caltech"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "2",
        "PREFECT_API_URL": "",
    }
    script = "set -euo pipefail\n" + docs.script(REPOSITORY / "docs" / "how-to" / "real-text.md")
    done = subprocess.run(["bash", "-c", script], cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Workspace(folder / "banking"), Workspace(folder / "caltech")


def measured(ws: Workspace, candidate: str) -> dict:
    return json.loads(ws.metrics(candidate).read_text())


def sealed(ws: Workspace) -> list[dict]:
    return [json.loads((folder / "round.json").read_text()) for folder in sorted(ws.rounds.glob("[0-9]*"))]


def test_banking77_after_231_labels_is_clearly_above_zero_shot(typed):
    ws, _ = typed
    assert [r["n_items"] for r in sealed(ws)] == [77, 77, 77]
    before, after = measured(ws, "zero_shot"), measured(ws, "linear_probe")
    assert 0.55 < before["accuracy"]["value"] < 0.68
    assert after["versus_zero_shot"]["accuracy"]["low"] > 0.03
    assert after["accuracy"]["low"] > before["accuracy"]["high"]


def test_caltech101_completes_without_a_text_side_and_says_what_it_cannot_do(typed):
    _, ws = typed
    rounds = sealed(ws)
    assert [r["n_items"] for r in rounds] == [100, 100, 100]
    assert "zero_shot" not in load(ws.params).candidates
    assert measured(ws, "linear_probe")["accuracy"]["value"] > 0.5
    page = (ws.report / "round-0003.html").read_text()
    assert "zero-shot" in page.lower()


def test_money_is_what_the_price_list_says(typed):
    for ws in typed:
        with open_context(ws.root) as ctx:
            money = ctx.ledger.money.status(ctx.campaign)
            prices = ctx.params.vendor.params("vendors").price_micros
            bought = [task for number in (1, 2, 3) for task in ctx.ledger.tasks.list(ctx.campaign, number)]
        expected = sum(getattr(prices, task.purpose) * ANSWERS for task in bought)
        assert money.accrued == expected
        assert money.reserved == 0
