"""Automations in code, against a real server: applied twice they are the same ones, and events set them off."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.automations import ALARMS
from tests.support import tiny_workspace
from tests.support.prefect_api import connect

REPOSITORY = Path(__file__).parents[2]
TELL = """
from flows.serve import Teller
from tailfirst.webhooks.outcomes import Outcome
import sys
teller = Teller("tiny")
teller.start()
for _ in range(int(sys.argv[1])):
    teller.hear(Outcome.STORED)
for _ in range(int(sys.argv[2])):
    teller.hear(Outcome.FORGED)
teller.stop()
"""
ALARM = """
from tailfirst.alarms import Alarm
from tasks.publish import alarm
from prefect.events.worker import EventsWorker
import sys
for kind in sys.argv[1:]:
    alarm("tiny", 3, Alarm(kind, "as the test says"))
EventsWorker.instance().wait_until_empty()
"""


def run(env, *arguments):
    there = {**env, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])}
    return subprocess.run(
        [sys.executable, *arguments],
        env=there,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def api(prefect_env):
    with connect(prefect_env) as client:
        yield client


def wait_for(what, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.3)
    pytest.fail(f"nothing within {seconds} s")


def deployed(api, name):
    """A deployment of the tick without a worker: its runs stay Scheduled."""
    flow = api.post("/flows/", json={"name": "tailfirst-round"}).json()["id"]
    made = api.post("/deployments/", json={"name": name, "flow_id": flow, "entrypoint": "flows.round.round_tick"})
    return made.json()["id"]


def ours(api):
    found = api.post("/automations/filter", json={"limit": 200}).json()
    return {a["name"]: a for a in found if a["name"].startswith("tailfirst tiny: ")}


def triggered(api, automation):
    body = {"filter": {"event": {"name": ["prefect.automation.triggered"]}, "order": "DESC"}, "limit": 50}
    body["filter"]["resource"] = {"id": [f"prefect.automation.{automation['id']}"]}
    return api.post("/events/filter", json=body).json()["events"]


@pytest.fixture(scope="module")
def automations(prefect_env, api, tmp_path_factory):
    root = tiny_workspace.make(tmp_path_factory.mktemp("w")).root
    deployment = deployed(api, "webhooks")
    where = ("--root", str(root), "--deployment", "tailfirst-round/webhooks")
    done = run(prefect_env, "-m", "flows.automations", "apply", *where)
    assert done.returncode == 0, done.stderr
    yield deployment, ("-m", "flows.automations", "apply", *where)
    gone = run(prefect_env, "-m", "flows.automations", "delete", *where)
    assert "deleted tailfirst tiny: webhook" in gone.stdout
    assert ours(api) == {}


def test_applied_twice_they_are_the_same_and_a_paused_one_stays_paused(prefect_env, api, automations):
    _, command = automations
    before = ours(api)
    assert set(before) == {f"tailfirst tiny: {name}" for name in ("webhook", "webhooks refused", *ALARMS)}
    late = before["tailfirst tiny: late"]
    api.patch(f"/automations/{late['id']}", json={"enabled": False}).raise_for_status()
    again = run(prefect_env, *command)
    assert sorted(again.stdout.splitlines()) == sorted(f"kept {name}" for name in before)
    body = {k: late[k] for k in ("name", "trigger", "actions")} | {
        "description": "somebody changed it",
        "enabled": False,
    }
    api.put(f"/automations/{late['id']}", json=body).raise_for_status()
    assert "changed tailfirst tiny: late" in run(prefect_env, *command).stdout
    after = ours(api)
    assert {name: a["id"] for name, a in after.items()} == {name: a["id"] for name, a in before.items()}
    assert after["tailfirst tiny: late"]["description"] == late["description"]
    assert after["tailfirst tiny: late"]["enabled"] is False
    api.patch(f"/automations/{late['id']}", json={"enabled": True}).raise_for_status()


def test_a_webhook_runs_the_round_and_many_at_once_run_it_once(prefect_env, api, automations):
    deployment, _ = automations
    assert run(prefect_env, "-c", TELL, "50", "12").returncode == 0

    def runs():
        return api.post("/flow_runs/filter", json={"flow_runs": {"deployment_id": {"any_": [deployment]}}}).json()

    made = wait_for(runs)
    refused = ours(api)["tailfirst tiny: webhooks refused"]
    assert wait_for(lambda: triggered(api, refused))
    assert 1 <= len(made) <= 2  # the first rings at once, the rest together


def test_alarms_are_heard_and_only_quarantine_stops_the_ticks(prefect_env, api, automations):
    deployment, _ = automations
    kinds = ("late", "over-budget", "webhook-miss-rate")
    assert run(prefect_env, "-c", ALARM, *kinds).returncode == 0
    for kind in kinds:
        (one, *_) = wait_for(lambda kind=kind: triggered(api, ours(api)[f"tailfirst tiny: {kind}"]))
        assert "as the test says" in json.dumps(one)
    assert api.get(f"/deployments/{deployment}").json()["paused"] is False
    assert run(prefect_env, "-c", ALARM, "quarantine-rate").returncode == 0
    assert wait_for(lambda: api.get(f"/deployments/{deployment}").json()["paused"])


def test_without_a_deployment_it_says_so(prefect_env, tmp_path):
    tiny_workspace.make(tmp_path / "w")
    done = run(
        prefect_env, "-m", "flows.automations", "apply", "--root", str(tmp_path / "w"), "--deployment", "no/such"
    )
    assert done.returncode == 2
    assert "no deployment 'no/such'" in done.stderr


def test_a_server_that_is_gone_delays_nobody(prefect_env):
    env = {**prefect_env, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}
    done = run(env, "-c", "import logging; logging.basicConfig()\n" + TELL, "3", "0")
    assert done.returncode == 0, done.stderr
    assert "the scheduled poll finds them" in done.stderr


def test_serving_without_prefect_names_the_other_command(prefect_env, tmp_path):
    env = {k: v for k, v in prefect_env.items() if k != "PREFECT_API_URL"}
    done = run(env, "-m", "flows.serve", "--root", str(tmp_path))
    assert done.returncode == 2
    assert "tailfirst serve" in done.stderr
