"""The database half that needs a server: found, or left out visibly, or failing in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import postgres

REPOSITORY = Path(__file__).parents[3]
TEST = "tests/unit/ledger/test_ledger_rounds.py::test_a_round_opens_with_all_its_tasks"


def run_without_server(tmp_path: Path, ci: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process that finds no server binaries."""
    plugin = tmp_path / "no_server.py"
    plugin.write_text("from tests.support import postgres\npostgres.binaries = lambda: None\n")
    env = {**os.environ, "CI": ci, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no_server", TEST]
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_without_binaries_the_half_is_left_out_visibly(tmp_path: Path) -> None:
    ran = run_without_server(tmp_path, "")
    assert ran.returncode == 0, ran.stdout
    assert "1 passed, 1 deselected" in ran.stdout
    assert "WARNING: no PostgreSQL server binaries" in ran.stdout
    assert "did not run (1 tests)" in ran.stdout


def test_without_binaries_ci_fails(tmp_path: Path) -> None:
    ran = run_without_server(tmp_path, "true")
    assert ran.returncode == 1
    assert "1 passed, 1 error" in ran.stdout
    assert "no PostgreSQL server binaries" in ran.stdout


@pytest.mark.postgres
def test_the_server_leaves_nothing_behind() -> None:
    found = postgres.binaries()
    assert found is not None
    with postgres.running(found) as cluster:
        assert cluster.url("d") == f"postgresql://tailfirst@/d?host={cluster.folder}"
        folder = cluster.folder
    assert not folder.exists()
