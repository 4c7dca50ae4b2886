"""DVC and git around a workspace: what is stale, what the data is, what was committed (the only importer of dvc).

Every call holds one lock (`ws.lock`): DVC refuses a second command in the same working copy at once. In-process calls
take 0.1-0.3 s; `reproduce` runs the command line, because a stage must not share this process.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tailfirst import artifacts, config, gitrepo, pipeline
from tailfirst.errors import ConfigError, TaskFolderError
from tailfirst.gitrepo import Revision
from tailfirst.locks import locked
from tailfirst.paths import Workspace

IGNORED = ("/data", "/work/", "/state/", "/mlruns/*", "!/mlruns/README.md", ".env")
DVC_IGNORED = ("__pycache__/", "*.pyc", ".git", "state/", "mlruns/")
CONFIG = "[core]\n    analytics = false\n    autostage = false\n    check_update = false\n"
TRACKED = (
    ".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore",
    "code.json", "data.dvc", "dvc.lock", "dvc.yaml", "params.yaml",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataVersion:
    """What data.dvc says about data/."""

    md5: str  # ends in .dir
    n_files: int
    size: int  # bytes


@contextmanager
def _repo(ws: Workspace) -> Iterator[Any]:
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    _quiet()

    # DVC resolves targets and names stages relative to the current folder.
    with locked(ws), chdir(ws.root):
        try:
            with Repo(str(ws.root)) as repo:
                yield repo
        except NotDvcRepoError as error:
            raise ConfigError(f"{ws.root} is no DVC repository; `tailfirst init` makes a workspace") from error
        except DvcException as error:
            raise ConfigError(f"DVC in {ws.root}: {error}") from error


def _quiet() -> None:
    """DVC's hints ("To track the changes with git, run ...") are for people who typed the command."""
    logging.getLogger("dvc").setLevel(logging.WARNING)


def init_workspace(ws: Workspace) -> DataVersion:
    """Make the folder a git + DVC workspace with dvc.yaml and data.dvc; running it again repairs what is missing.

    Raises:
        ConfigError: git is missing, or DVC refuses.
    """
    with locked(ws):
        ours = gitrepo.top_level(ws.root) is None
        if ours:
            gitrepo.run(ws.root, "init", "-q", "-b", "main")
        _add_lines(ws.root / ".gitignore", IGNORED)
        if not (ws.root / ".dvc" / "config").exists():
            _dvc_init(ws)
            artifacts.write_bytes(ws.root / ".dvc" / "config", CONFIG.encode())
        _add_lines(ws.root / ".dvcignore", DVC_IGNORED)
        refresh_code(ws)
        version = add_data(ws)
        if ours:  # a repository of our own begins with a commit, so that every run can name one
            gitrepo.commit(ws.root, _present(ws), "A tailfirst workspace")
        return version


def _present(ws: Workspace) -> list[str]:
    return [name for name in TRACKED if (ws.root / name).exists()]


def _dvc_init(ws: Workspace) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    _quiet()
    inside = gitrepo.top_level(ws.root) != ws.root.resolve()
    try:
        Repo.init(str(ws.root), subdir=inside, force=(ws.root / ".dvc").exists()).close()
    except DvcException as error:
        raise ConfigError(f"`dvc init` in {ws.root}: {error}") from error


def _add_lines(path: Path, wanted: Sequence[str]) -> None:
    there = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in wanted if line not in there]
    if missing:
        artifacts.write_bytes(path, ("\n".join([*there, *missing]) + "\n").encode())


def refresh_code(ws: Workspace) -> bool:
    """Bring code.json and dvc.yaml up to the installed package; whether anything changed."""
    with locked(ws):
        return any([pipeline.write_code_json(ws), pipeline.write_dvc_yaml(ws)])


def stale_stages(ws: Workspace) -> tuple[str, ...]:
    """Ids of the stages that `dvc repro` would have to look at, in running order, descendants included.

    Raises:
        ConfigError: Not a DVC repository, or params.yaml is wrong.
    """
    candidates = list(config.load(ws.params).candidates)
    with _repo(ws) as repo:
        changed = repo.status()
    return pipeline.with_descendants(set(changed) & set(pipeline.stage_ids(candidates)), candidates)


def is_clean(ws: Workspace) -> bool:
    """Whether `dvc status` has nothing to say about data and stages."""
    with _repo(ws) as repo:
        return not repo.status()


def add_data(ws: Workspace) -> DataVersion:
    """Record data/ in data.dvc and its bytes in the cache; an unchanged folder keeps its version.

    Raises:
        TaskFolderError: There is no data/.
        ConfigError: DVC refuses.
    """
    if not ws.data.is_dir():
        raise TaskFolderError(f"no folder {ws.data}; `tailfirst init` fills it from images, texts or vectors")
    for folder in (ws.rounds, ws.open):  # stages depend on both, DVC keeps no empty folder
        if not folder.is_dir() or not any(folder.iterdir()):
            artifacts.write_bytes(folder / ".keep", b"")
    with _repo(ws) as repo:
        repo.add("data")
    return data_version(ws)


def data_version(ws: Workspace) -> DataVersion:
    """The version of data/ that data.dvc records.

    Raises:
        ConfigError: There is no data.dvc yet.
    """
    path = ws.root / "data.dvc"
    if not path.exists():
        raise ConfigError(f"no data.dvc in {ws.root}; `tailfirst init` or `dvc add data` makes it")
    out = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"][0]
    return DataVersion(str(out["md5"]), int(out.get("nfiles", 1)), int(out["size"]))


def commit_outputs(ws: Workspace, stages: Sequence[str] | None = None) -> tuple[str, ...]:
    """Tell DVC that these stages (default: all whose outputs exist) ran outside it; what was committed.

    Only name stages that really ran on the present inputs: DVC believes the caller. Then `dvc status` is clean.

    Raises:
        ConfigError: A named stage has no outputs yet, or DVC refuses.
    """
    candidates = list(config.load(ws.params).candidates)
    with _repo(ws) as repo:
        drop_former_candidates(ws, candidates)
        present = [i for i in pipeline.stage_ids(candidates) if _made(ws, i)]
        missing = [i for i in stages or () if i not in present]
        if missing:
            raise ConfigError(f"no outputs of {', '.join(missing)} in {ws.work}; run the stage, then commit")
        done = tuple(i for i in present if stages is None or i in stages)
        for target in [None] if done == pipeline.stage_ids(candidates) else done:
            repo.commit(target=target, force=True)  # None: everything, data/ included, in one pass
    return done


def _made(ws: Workspace, identity: str) -> bool:
    name, _, candidate = identity.partition("@")
    return all((ws.root / out.replace(pipeline.KEY, candidate)).exists() for out in pipeline.stage(name).outs)


def drop_former_candidates(ws: Workspace, candidates: Sequence[str]) -> tuple[str, ...]:
    """Remove folders of candidates that params.yaml no longer names: stages that read all would see them."""
    former = sorted(p for p in ws.candidate("").glob("*") if p.is_dir() and p.name not in candidates)
    for path in former:
        shutil.rmtree(path)
    return tuple(path.name for path in former)


def git_commit_and_tag(ws: Workspace, round_no: int, message: str) -> str:
    """Commit what names a round's data and outputs and tag it `round-NNNN`; the tag. Repeating it changes nothing.

    Raises:
        ConfigError: Not a git repository, or the tag holds another version.
    """
    with locked(ws):
        gitrepo.require(ws.root)
        files = _present(ws)
        gitrepo.commit(ws.root, files, message)
        name = f"round-{round_no:04d}"
        gitrepo.tag(ws.root, name, message, files)
        return name


def revision(ws: Workspace) -> Revision:
    """The git commit of the workspace and whether tracked files differ from it.

    Raises:
        ConfigError: Not a git repository.
    """
    with locked(ws):
        return gitrepo.revision(ws.root)


def push(ws: Workspace) -> int:
    """Copy what the remote lacks to the default DVC remote; how many objects.

    Raises:
        ConfigError: No remote is set up, or it cannot be reached.
    """
    with _repo(ws) as repo:
        return int(repo.push())


def reproduce(ws: Workspace, *arguments: str) -> str:
    """`dvc repro` with this interpreter's `python` first on PATH; what DVC printed.

    Raises:
        ConfigError: A stage failed; carries the end of its output.
    """
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
    }
    with locked(ws):
        command = [sys.executable, "-m", "dvc", "repro", *arguments]
        done = subprocess.run(command, cwd=ws.root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"dvc repro in {ws.root} failed: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout + done.stderr
