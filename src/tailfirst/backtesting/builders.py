"""Workspaces that a grid can ask for by name, made once under work/backtest/workspaces."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tailfirst import artifacts, config, stages
from tailfirst.backtesting.grid import Source
from tailfirst.config import Params, Settings
from tailfirst.errors import TaskFolderError, Unavailable
from tailfirst.intake import InitRequest, init
from tailfirst.paths import Workspace

# What the demo's params.yaml in the repository says where it differs from a new workspace's.
DEMO = """\
campaign: {name: demo, seed: 7}
encoder: {plugin: clip, model: demo}
retrieval: {cap: 200, rank: t2t, max_similarity: 0.98, licences: [CC-BY-4.0, CC0-1.0, CC-BY-SA-4.0], names: most_common}
candidates: {zero_shot: {plugin: zero_shot}, linear_probe: {plugin: linear_probe, l2: 1.0, retrieved_weight: 0.1}}
evaluation: {}
choice: {}
acquisition: {strategy: {plugin: tail_first}, budget: 120}
vendor: {plugin: simulated, seed: 7}
round: {}
quality: {}
money: {}
stopping: {}
control: {}
"""


def check(sources: dict[str, Source], root: Path, settings: Settings) -> None:
    """Make sure that every task can be opened or made.

    Raises:
        Unavailable: A builder lacks its data.
        TaskFolderError: A folder is no workspace.
    """
    for name, source in sources.items():
        if source.folder is not None and not Workspace(root / source.folder).params.exists():
            raise TaskFolderError(f"task {name}: {source.folder} is no workspace: it has no params.yaml")
        if source.builder in SHARED:
            shared(settings, source.builder)


def open_task(name: str, source: Source, root: Path, settings: Settings) -> tuple[Workspace, Params]:
    """The workspace of a task, with embeddings; made where a builder has to.

    Raises:
        TaskFolderError: A folder without work/embeddings.
    """
    if source.folder is not None:
        ws = Workspace((root / source.folder).resolve())
        params = config.load(ws.params)
        if not (ws.embeddings / "manifest.json").exists():
            raise TaskFolderError(f"task {name}: {source.folder} has no work/embeddings; run `dvc repro embed` there")
        return ws, params
    ws = Workspace((root / "work" / "backtest" / "workspaces" / str(source.builder)).resolve())
    if not ws.data.exists():
        MAKERS[str(source.builder)](ws, settings)
    params = config.load(ws.params)
    if not (ws.embeddings / "manifest.json").exists():
        stages.retrieve(ws, params, settings)
        stages.embed(ws, params, settings)
    return ws, params


def shared(settings: Settings, name: str) -> Path:
    """The folder of the shared data that holds a data set.

    Raises:
        Unavailable: TAILFIRST_SHARED_DATA is not set, or the data set is not there.
    """
    if settings.shared_data is None:
        raise Unavailable(f"the task {name} is made from real data: set TAILFIRST_SHARED_DATA to their folder")
    if missing := [part for part in SHARED[name] if not (settings.shared_data / part).exists()]:
        raise Unavailable(f"the task {name} needs {', '.join(missing)} in TAILFIRST_SHARED_DATA; it is not there")
    return settings.shared_data


def _demo(ws: Workspace, settings: Settings) -> None:  # noqa: ARG001
    from tailfirst.demo.make import make_demo

    artifacts.write_bytes(ws.params, DEMO.encode())
    make_demo(ws.root)


def _banking77(ws: Workspace, settings: Settings) -> None:
    """docs/how-to/real-text.md: clinc150's questions are the open corpus."""
    folder = shared(settings, "banking77")
    captions = ws.root / "source" / "clinc150.csv"
    captions.parent.mkdir(parents=True, exist_ok=True)
    questions = json.loads((folder / "clinc150" / "data_full.json").read_text(encoding="utf-8"))["train"]
    with captions.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["caption"], *([text] for text, _ in questions)])
    request = InitRequest(
        name="banking77",
        table=folder / "banking77" / "train.csv",
        text_column="text",
        label_column="category",
        holdout_table=folder / "banking77" / "test.csv",
        open=(captions,),
        source="banking77",
        licence="CC-BY-4.0",
    )
    init(ws.root, request, _nothing)
    shutil.rmtree(captions.parent)


def _caltech101(ws: Workspace, settings: Settings) -> None:
    """docs/how-to/real-text.md: vectors without a text side."""
    folder = shared(settings, "caltech101") / "caltech101"
    request = InitRequest(
        name="caltech101",
        blob=folder / "images.bin",
        index=folder / "index.csv",
        split_column="split",
        holdout_value="test",
        label_column="class_name",
        vectors=folder / "mobilenet_v2.f16.npy",
        source="caltech101",
        licence="CC-BY-4.0",
    )
    init(ws.root, request, _nothing)


def _nothing(_: Workspace) -> None:
    """A scratch workspace needs neither git nor DVC."""


SHARED = {
    "banking77": ("banking77/train.csv", "banking77/test.csv", "clinc150/data_full.json"),
    "caltech101": ("caltech101/images.bin", "caltech101/index.csv", "caltech101/mobilenet_v2.f16.npy"),
}
MAKERS: dict[str, Callable[[Workspace, Settings], None]] = {
    "demo": _demo,
    "banking77": _banking77,
    "caltech101": _caltech101,
}
