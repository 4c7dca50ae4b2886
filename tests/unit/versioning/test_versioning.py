"""DVC and git around a tiny workspace: no torch, no network, every stage in milliseconds."""

import json
import os
import shutil
import subprocess
import sys

import pyarrow as pa
import pytest
import yaml

from tailfirst import artifacts, config, gitrepo, locks, pipeline, schemas, versioning
from tailfirst.__main__ import run_stage
from tailfirst.errors import ConfigError, TaskFolderError
from tailfirst.paths import Workspace
from tests.support import offline, tiny_workspace

CANDIDATES = ("zero_shot", "linear_probe")
ALL = pipeline.stage_ids(CANDIDATES)


def run(ws, *identities):
    for identity in identities:
        name, _, candidate = identity.partition("@")
        run_stage(ws, name, candidate or None)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    made = tiny_workspace.make(tmp_path_factory.mktemp("fresh") / "ws")
    versioning.init_workspace(made)
    return made


@pytest.fixture(scope="module")
def ready(fresh, tmp_path_factory):
    made = copied(fresh, tmp_path_factory.mktemp("ready"))
    run(made, *ALL)
    versioning.commit_outputs(made)
    return made


def copied(ws, folder):
    shutil.copytree(ws.root, folder / "ws", symlinks=True)
    return Workspace(folder / "ws")


@pytest.fixture
def ws(fresh, tmp_path):
    return copied(fresh, tmp_path)


@pytest.fixture
def done(ready, tmp_path):
    return copied(ready, tmp_path)


def change(ws, **sections):
    value = yaml.safe_load(ws.params.read_text())
    for name, given in sections.items():
        value[name] = {**value[name], **given}
    ws.params.write_text(yaml.safe_dump(value, sort_keys=False))


def label(ws, n=12):
    table = schemas.read(ws.oracle, schemas.LABELED).slice(0, n)
    rows = [row | {"round_no": 0, "purpose": "SEED"} for row in table.to_pylist()]
    artifacts.write_parquet(ws.labels, pa.Table.from_pylist(rows, schema=schemas.LABELS))


def git(ws, *arguments):
    return gitrepo.run(ws.root, *arguments).stdout.strip()


# ---- a new workspace ----------------------------------------------------------------------------------------------


def test_a_new_workspace_has_everything_and_nothing_talks_home(ws):
    settings = (ws.root / ".dvc" / "config").read_text()
    assert "analytics = false" in settings
    assert "autostage = false" in settings
    ignored = ("data/task.yaml", "work/batch.parquet", "state/ledger.db", "mlruns/mlflow.db")
    assert git(ws, "check-ignore", *ignored).split("\n") == list(ignored)
    assert versioning.stale_stages(ws) == ALL
    assert versioning.revision(ws).text == git(ws, "rev-parse", "HEAD")


def test_making_it_again_changes_nothing(ws):
    names = ("dvc.yaml", "data.dvc", "code.json", ".gitignore", ".dvcignore", ".dvc/config")
    before = {name: (ws.root / name).read_bytes() for name in names}
    versioning.init_workspace(ws)
    assert {name: (ws.root / name).read_bytes() for name in names} == before


def test_a_folder_inside_another_repository_becomes_its_own_corner(tmp_path):
    gitrepo.run(tmp_path, "init", "-q")
    ws = tiny_workspace.make(tmp_path / "inside" / "ws")
    versioning.init_workspace(ws)
    assert not (ws.root / ".git").exists()
    assert versioning.data_version(ws).n_files > 3


def test_a_folder_that_the_outer_repository_ignores_gets_its_own(tmp_path):
    gitrepo.run(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("scratch/\n")
    ws = tiny_workspace.make(tmp_path / "scratch" / "ws")
    versioning.init_workspace(ws)
    assert (ws.root / ".git").is_dir()


def test_without_data_it_says_what_to_do(tmp_path):
    ws = Workspace(tmp_path)
    ws.params.write_text(yaml.safe_dump(tiny_workspace.params()))
    with pytest.raises(TaskFolderError, match="tailfirst init"):
        versioning.init_workspace(ws)


def test_outside_a_workspace_it_says_what_to_do(tmp_path):
    ws = tiny_workspace.make(tmp_path)
    for call in (versioning.stale_stages, versioning.is_clean, versioning.push, versioning.add_data):
        with pytest.raises(ConfigError, match="no DVC repository"):
            call(ws)
    with pytest.raises(ConfigError, match=r"no data\.dvc"):
        versioning.data_version(ws)
    with pytest.raises(ConfigError, match="no git repository"):
        versioning.revision(ws)


# ---- what is stale ------------------------------------------------------------------------------------------------


def test_committed_outputs_are_clean_and_repro_runs_nothing(done):
    assert versioning.stale_stages(done) == ()
    assert versioning.is_clean(done)
    printed = versioning.reproduce(done)
    assert "Running stage" not in printed
    assert printed.count("didn't change, skipping") == len(ALL) + 1  # and data.dvc


def test_labels_rerun_neither_retrieval_nor_embedding(done):
    before = versioning.data_version(done)
    label(done)
    assert versioning.stale_stages(done) == tuple(i for i in ALL if i not in {"retrieve", "embed"})
    assert versioning.data_version(done) == before
    assert versioning.add_data(done).md5 != before.md5


def test_a_candidates_option_reruns_that_candidate_and_what_compares(done):
    change(done, candidates={"linear_probe": {"plugin": "linear_probe", "l2": 3.0}})
    assert versioning.stale_stages(done) == (
        "adapt@linear_probe", "predict@linear_probe", "evaluate@linear_probe", "choose", "acquire", "control", "report",
    )  # fmt: skip


def test_a_new_candidate_edits_nothing_but_params(done):
    text = (done.root / "dvc.yaml").read_bytes()
    change(done, candidates={"second": {"plugin": "linear_probe", "l2": 9.0}})
    versioning.refresh_code(done)
    assert (done.root / "dvc.yaml").read_bytes() == text
    stale = versioning.stale_stages(done)
    assert [i for i in stale if "@" in i] == ["adapt@second", "predict@second", "evaluate@second"]
    run(done, *stale)
    versioning.commit_outputs(done)
    assert versioning.is_clean(done)


def test_a_candidate_that_left_params_leaves_work_too(done):
    change(done, candidates={"second": {"plugin": "linear_probe", "l2": 9.0}})
    run(done, *versioning.stale_stages(done))
    versioning.commit_outputs(done)
    value = yaml.safe_load(done.params.read_text())
    del value["candidates"]["second"]
    done.params.write_text(yaml.safe_dump(value, sort_keys=False))
    run(done, *versioning.stale_stages(done))
    versioning.commit_outputs(done)
    assert not done.candidate("second").exists()
    assert versioning.is_clean(done)


def test_the_money_section_reruns_no_model(done):
    change(done, money={"cap_campaign": 77})
    assert set(versioning.stale_stages(done)) <= {"report"}


def test_only_the_named_stages_are_committed(ws):
    run(ws, "retrieve", "embed")
    assert versioning.commit_outputs(ws, ["retrieve"]) == ("retrieve",)
    assert versioning.commit_outputs(ws) == ("retrieve", "embed")
    with pytest.raises(ConfigError, match="no outputs of choose"):
        versioning.commit_outputs(ws, ["choose"])


def test_another_version_of_the_source_makes_its_stages_stale(done):
    path = done.root / "code.json"
    digests = json.loads(path.read_text())
    path.write_text(json.dumps(digests | {"choose": "0" * 64}))
    assert versioning.stale_stages(done) == ("choose", "acquire", "control", "report")
    assert versioning.refresh_code(done)
    assert versioning.stale_stages(done) == ()


# ---- git ----------------------------------------------------------------------------------------------------------


def test_a_round_is_committed_and_tagged_once(done):
    assert versioning.git_commit_and_tag(done, 1, "Round 1") == "round-0001"
    head = versioning.revision(done)
    assert (len(head.sha), head.dirty) == (40, False)
    assert versioning.git_commit_and_tag(done, 1, "Round 1") == "round-0001"
    assert versioning.revision(done) == head
    assert git(done, "log", "--format=%s").split("\n") == ["Round 1", "A tailfirst workspace"]
    tracked = set(git(done, "ls-files").split("\n"))
    assert tracked == {name for name in versioning.TRACKED if (done.root / name).exists()}


def test_what_else_is_staged_stays_staged(done):
    (done.root / "notes.txt").write_text("mine")
    git(done, "add", "notes.txt")
    versioning.git_commit_and_tag(done, 1, "Round 1")
    assert git(done, "diff", "--cached", "--name-only") == "notes.txt"
    assert versioning.revision(done).dirty


def test_a_sealed_rounds_tag_never_moves(done):
    versioning.git_commit_and_tag(done, 1, "Round 1")
    change(done, money={"cap_campaign": 77})
    with pytest.raises(ConfigError, match="never moves"):
        versioning.git_commit_and_tag(done, 1, "Round 1")
    assert versioning.git_commit_and_tag(done, 2, "Round 2") == "round-0002"


def test_a_tag_needs_a_git_repository(tmp_path):
    with pytest.raises(ConfigError, match="git init"):
        versioning.git_commit_and_tag(tiny_workspace.make(tmp_path), 1, "Round 1")


# ---- locks --------------------------------------------------------------------------------------------------------


def rwlock(ws, pid):
    path = ws.root / ".dvc" / "tmp" / "rwlock"
    info = {"pid": pid, "cmd": "dvc repro"}
    path.write_text(json.dumps({"write": {str(ws.work): info}, "read": {str(ws.data): [info]}}))
    return path


def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_dvc_left_behind_is_cleared(ws):
    path = rwlock(ws, dead_pid())
    versioning.stale_stages(ws)
    assert str(ws.work) not in path.read_text() if path.exists() else True


def test_the_lock_of_a_living_dvc_stays(ws):
    path = rwlock(ws, os.getppid())
    assert not locks.clear_stale_rwlock(ws)
    assert path.exists()


def test_a_lock_file_that_the_kill_cut_off_is_cleared(ws):
    path = ws.root / ".dvc" / "tmp" / "rwlock"
    path.write_text('{"write": {')
    assert locks.clear_stale_rwlock(ws)
    assert not path.exists()


def test_another_process_waits_for_the_lock(ws):
    script = (
        "import sys; from pathlib import Path; from filelock import FileLock, Timeout\n"
        "try:\n    FileLock(sys.argv[1], timeout=0.2).acquire(); print('free')\n"
        "except Timeout:\n    print('held')\n"
    )
    command = [sys.executable, "-c", script, str(ws.lock)]
    with locks.locked(ws), locks.locked(ws):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "held\n"
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "free\n"


# ---- a fresh clone --------------------------------------------------------------------------------------------------


def test_push_without_a_remote_says_so(done):
    with pytest.raises(ConfigError, match="remote"):
        versioning.push(done)


def outs(ws):
    lock = yaml.safe_load((ws.root / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def test_a_fresh_clone_of_the_tag_makes_the_same_bytes_without_a_network(ws, tmp_path):
    label(ws)
    versioning.add_data(ws)
    run(ws, *ALL)
    versioning.commit_outputs(ws)
    with (ws.root / ".dvc" / "config").open("a") as file:
        file.write(f"    remote = near\n['remote \"near\"']\n    url = {tmp_path / 'remote'}\n")
    versioning.git_commit_and_tag(ws, 1, "Round 1")
    assert versioning.push(ws) > 0
    clone = Workspace(tmp_path / "clone")
    gitrepo.run(tmp_path, "clone", "-q", "--branch", "round-0001", str(ws.root), str(clone.root))
    assert config.load(clone.params) == config.load(ws.params)
    dvc = [sys.executable, "-m", "dvc"]
    pulled = offline.run([*dvc, "pull", "-q", "data.dvc"], clone.root, tmp_path / "guard")
    assert pulled.returncode == 0, pulled.stderr[-2000:]
    assert not clone.work.exists()
    made = offline.run([*dvc, "repro"], clone.root, tmp_path / "guard")
    assert made.returncode == 0, (made.stdout + made.stderr)[-3000:]
    ran = made.stdout.count("Running stage") + made.stdout.count("is cached")  # equal bytes are taken from the cache
    assert ran == len(ALL)
    assert outs(clone) == outs(ws)
    for name in ("batch.parquet", "choice.json", "candidates/linear_probe/metrics.json"):
        assert (clone.work / name).read_bytes() == (ws.work / name).read_bytes()
    assert git(clone, "status", "--porcelain") == ""


def test_the_network_is_really_blocked(tmp_path):
    script = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    blocked = offline.run([sys.executable, "-c", script], tmp_path, tmp_path / "guard")
    assert blocked.returncode
    assert "blocked" in blocked.stderr or "unreachable" in blocked.stderr.lower()
