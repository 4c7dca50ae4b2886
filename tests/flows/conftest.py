"""A Prefect server for the session, and workspaces that are whole git + DVC repositories."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import server
from tailfirst import versioning
from tailfirst.paths import Workspace
from tests.support import tiny_workspace

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[..., Workspace]:
    def make(name: str = "w", **changes: Any) -> Workspace:
        ws = tiny_workspace.make(tmp_path / name, **changes)
        versioning.init_workspace(ws)
        return ws

    return make


@pytest.fixture(scope="session")
def prefect_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a process that talks to the session's Prefect server."""
    root = tmp_path_factory.mktemp("prefect")
    env = {**os.environ, **server.environment(root), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    with server.running(root) as api:
        yield {**env, "PREFECT_API_URL": api, "PREFECT_HOME": str(root / "state" / "prefect")}


@pytest.fixture
def run_campaign(prefect_env: dict[str, str]) -> Callable[[Workspace], subprocess.CompletedProcess[str]]:
    def run(ws: Workspace) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.campaign", "--root", str(ws.root), "--poll-seconds", "0"]
        return subprocess.run(
            command, env=prefect_env, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
        )

    return run
