"""A cron deployment fires by itself, and a second overlapping tick is refused.

With the wrong library versions schedules silently never fire (docs/adr/0002-hand-pins.md): this test would then fail.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from tailfirst.context import open_context
from tests.support.prefect_api import connect

REPOSITORY = Path(__file__).parents[2]


def prefect(env: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        env=env,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def runs_of(env: dict[str, str], deployment_id: str) -> list[dict]:
    body = {"flow_runs": {"deployment_id": {"any_": [deployment_id]}}, "limit": 100, "sort": "EXPECTED_START_TIME_ASC"}
    with connect(env) as client:
        return client.post("/flow_runs/filter", json=body).json()


def create_run(client: httpx.Client, deployment_id: str) -> str:
    """A run of the deployment by hand."""
    body = {"state": {"type": "SCHEDULED"}, "idempotency_key": "by-hand"}
    return client.post(f"/deployments/{deployment_id}/create_flow_run", json=body).json()["id"]


def wait_for(what, seconds: float):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.5)
    pytest.fail(f"nothing within {seconds} s")


def stop(worker: subprocess.Popen) -> None:
    """End a worker: it needs seconds for an orderly end, and now and then a second signal (it lingers in a poll)."""
    for end in (worker.terminate, worker.terminate, worker.kill):
        end()
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            continue
        return


@pytest.mark.slow
def test_cron_fires_and_overlap_is_refused(workspace, prefect_env, tmp_path):
    ws = workspace()
    plan = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    (deployment,) = plan["deployments"]
    assert deployment["schedules"][0]["timezone"]
    deployment["parameters"] = {"root": str(ws.root)}
    deployment["schedules"] = [{"cron": "* * * * *", "timezone": "UTC"}]
    deployment["work_pool"] = {"name": "test"}
    env = {
        **prefect_env,
        "TAILFIRST_HOME": str(REPOSITORY),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    plan["pull"] = [{"prefect.deployments.steps.set_working_directory": {"directory": str(REPOSITORY)}}]
    file = tmp_path / "prefect.yaml"
    file.write_text(yaml.safe_dump(plan))
    prefect(env, "work-pool", "create", "test", "--type", "process")
    prefect(env, "--no-prompt", "deploy", "--all", "--prefect-file", str(file))
    with connect(env) as client:
        deployment_id = client.get("/deployments/name/tailfirst-round/tick").json()["id"]
        log = (tmp_path / "worker.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "test"],
            env=env,
            cwd=REPOSITORY,
            stdout=log,
            stderr=log,
        )
        try:
            fired = wait_for(
                lambda: [
                    r
                    for r in runs_of(env, deployment_id)
                    if r["auto_scheduled"] and r["state_type"] in {"RUNNING", "COMPLETED"}
                ],
                120,
            )
            second = create_run(client, deployment_id)
            refused = wait_for(
                lambda: (
                    (s := client.get(f"/flow_runs/{second}").json()["state"])["type"] in {"CANCELLED", "COMPLETED"}
                    and s
                ),
                90,
            )
            ended = wait_for(
                lambda: (s := client.get(f"/flow_runs/{fired[0]['id']}").json()["state"])["type"] == "COMPLETED" and s,
                120,
            )
        finally:
            stop(worker)
            log.close()
    assert refused["type"] == "CANCELLED", refused
    assert "oncurrency limit" in refused["message"], refused
    assert ended["message"]
    with open_context(ws.root) as ctx:
        assert ctx.ledger.rounds.current("tiny") is not None
