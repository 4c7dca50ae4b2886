"""`python -m flows.backtest`: a grid from end to end, killed and run again, and mistakes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tailfirst.config import Settings
from tailfirst.paths import Workspace
from tailfirst.trackers import mlflow
from tests.support import grids

REPOSITORY = Path(__file__).parents[2]
CELLS = Path("work") / "backtest" / "small" / "cells"


def typed(root: Path, env: dict[str, str], *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flows.backtest", "--grid", "grid.yaml", "--out", "out", "--jobs", "2", *more]
    path = f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"
    clean = {name: value for name, value in env.items() if name != "TAILFIRST_SHARED_DATA"} | {"PYTHONPATH": path}
    return subprocess.Popen(
        command, cwd=root, env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=as_in_a_terminal,  # noqa: PLW1509 - one call, no lock, no thread
    )  # fmt: skip


def as_in_a_terminal() -> None:
    """Ctrl-C ends it: a suite that a shell runs in the background inherits an interrupt that is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def finished(root: Path) -> list[Path]:
    """Cells that are there; a kill in the middle of a write leaves a file whose name begins with a dot."""
    return list((root / CELLS).glob("[!.]*.json"))


def wait_for(root: Path, process: subprocess.Popen[str], number: int) -> None:
    """Until that many cells are finished."""
    deadline = time.monotonic() + 240
    while len(finished(root)) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def kill_after(root: Path, process: subprocess.Popen[str], number: int) -> None:
    """SIGKILL as soon as that many cells are finished."""
    wait_for(root, process, number)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def nobody_left(group: int, within_s: float = 30) -> bool:
    """Whether all processes of a session's group have ended, or end soon."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_killed_twice_a_grid_ends_with_the_same_tables_and_no_cell_is_run_again(tmp_path, prefect_env):
    changes = {"seeds": 5, "rounds": 4}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for root in (whole, broken):
        grids.make(root, **changes)
    code, out, err = ended(typed(whole, prefect_env))
    assert code == 0, err
    assert out.strip() == "out/small/README.md"
    for number in (1, 6):
        process = typed(broken, prefect_env)
        kill_after(broken, process, number)
        assert nobody_left(process.pid), "workers outlived their parent"
    kept = {path.name: path.stat().st_mtime_ns for path in finished(broken)}
    code, out, err = ended(typed(broken, prefect_env))
    assert code == 0, err
    assert f"{len(finished(whole)) - len(kept)} to run" in out + err
    assert {name: (broken / CELLS / name).stat().st_mtime_ns for name in kept} == kept
    assert grids.tables(broken / "out") == grids.tables(whole / "out")
    client = mlflow.load(Workspace(broken), Settings(_env_file=None)).client()
    experiment = client.get_experiment_by_name("backtest-small")
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'cell'")
    assert len(runs) == len(finished(whole))


def test_ctrl_c_ends_everything_and_keeps_what_is_finished(tmp_path):
    """With a server of its own, as people type it; the interrupt reaches the whole group of the terminal."""
    grids.make(tmp_path, seeds=400, rounds=6)  # enough cells to be interrupted in
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PREFECT_API_URL": ""}
    process = typed(tmp_path, env, "--root", ".")
    wait_for(tmp_path, process, 3)
    os.killpg(process.pid, signal.SIGINT)
    code, out, err = ended(process)
    assert code == 130, err
    assert err.strip().endswith("backtest: interrupted; finished cells are kept, run it again to go on")
    assert out == ""
    assert nobody_left(process.pid)
    assert 3 <= len(list((tmp_path / CELLS).glob("[!.]*.json"))) < 800


def test_failed_cells_are_told_and_the_exit_code_is_one(tmp_path, prefect_env):
    entropy = {"entropy": {"plugin": "entropy"}}
    grids.make(tmp_path, strategies=entropy, cold_start="entropy", seeds=1, rounds=1, retrieval=[False])
    folder = tmp_path / "trees" / "work" / "embeddings"
    (folder / "prototypes.npy").unlink()
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"prototypes": true', '"prototypes": false'))
    code, out, err = ended(typed(tmp_path, prefect_env))
    assert code == 1
    assert "failed: trees entropy/linear_probe/closed seed 0: neither entropy nor entropy can choose" in err
    assert "Traceback" not in err
    assert "random/linear_probe/closed" in (tmp_path / "out" / "small" / "README.md").read_text()
    assert out.strip() == "out/small/README.md"


@pytest.mark.parametrize(
    ("changes", "more", "said"),
    [
        ({"roundz": 1}, [], "no key roundz; known keys here: name, tasks"),
        ({"strategies": {"a": {"plugin": "margn"}}}, [], "no 'margn'; known: "),
        ({"tasks": {"a": {"builder": "caltech101"}}}, [], "set TAILFIRST_SHARED_DATA"),
        ({"tasks": {"a": {"folder": "b"}}}, [], "b is no workspace"),
        ({}, ["--jobs", "0"], "--jobs 0: at least 1"),
        ({}, ["--grid", "none.yaml"], "none.yaml cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(tmp_path, monkeypatch, capsys, changes, more, said):
    from flows import backtest

    grids.write(tmp_path, **changes)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAILFIRST_SHARED_DATA", raising=False)
    assert backtest.main(["--grid", "grid.yaml", *more]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("backtest: ")
    assert said in err
    assert err.count("\n") == 1
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]


def test_a_pool_that_is_too_small_is_bad_input_too(tmp_path, prefect_env):
    grids.make(tmp_path, rounds=30)
    code, _, err = ended(typed(tmp_path, prefect_env))
    assert code == 2
    assert "backtest: task trees: 30 rounds of 16 labels" in err
    assert not (tmp_path / "out").exists()
