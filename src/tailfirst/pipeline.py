"""The table of stages, and dvc.yaml made from it.

DVC and the flow call the same functions; this table says what each reads and writes. A stage that works on one
candidate is templated over `candidates` of params.yaml, so a new candidate edits nothing here. In the repository the
stages depend on their source files; in a workspace elsewhere on `code.json`, which holds a digest of that source.
A fact that only some params ask for is a dependency where they do, so that a round makes nothing stale for the others.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tailfirst import artifacts, config
from tailfirst.code_digest import code_digests
from tailfirst.errors import ConfigError
from tailfirst.paths import Workspace

KEY = "${key}"  # DVC's name of the candidate inside `foreach`
HEADER = (
    "# Made from the table in tailfirst/pipeline.py (`python -m tailfirst dvc-yaml` writes it); not edited by hand.\n"
)
SOURCE = Path("src") / "tailfirst"
CODE = "code.json"

SHARED = ("artifacts.py", "config.py", "schemas.py")
TASK = ("task.py", "items.py")
VECTORS = ("vectors.py", "embedding/load.py")
# The packaged weights of demo/model are code.
ENCODING = ("vectors.py", "embedding", "encoders", "retrieval", "takedowns.py", "demo/model")
OWN_VECTORS = ("data/prototypes.npy", "data/vectors.npy")  # where the user brought them (encoder `precomputed`)
GOLD = "data/gold.parquet"
TAKEN_DOWN = "data/takedowns.parquet"
ONTOLOGY = "data/ontology"
BEHIND = (  # what stands behind the vectors of a training set (source.py)
    "data/task.yaml", "data/items.parquet", "data/open", "work/retrieved.parquet", "work/class_counts.parquet",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A fact that a stage reads where a key of params.yaml has a value."""

    section: str
    key: str
    value: object
    path: str

    def by(self, params: config.Params) -> bool:
        """Whether these params ask for it."""
        return bool(getattr(getattr(params, self.section), self.key) == self.value)


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the table; paths are relative to the workspace, `${key}` stands for the candidate."""

    name: str
    desc: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    code: tuple[str, ...]  # relative to src/tailfirst
    after: tuple[str, ...]  # stages whose outs it reads
    per_candidate: bool = False
    maybe: tuple[str, ...] = ()  # facts that a task has or has not: a dependency where they exist
    asked: tuple[Asked, ...] = ()  # its section is among `params`
    maybe_params: tuple[str, ...] = ()  # sections that older files lack: watched where they stand

    @property
    def cmd(self) -> str:
        """What DVC runs in the workspace."""
        return f"python -m tailfirst {self.name}" + (f" --candidate {KEY}" if self.per_candidate else "")


CANDIDATE = f"work/candidates/{KEY}"
STAGES: tuple[Stage, ...] = (
    Stage(
        "retrieve",
        "open data for the classes, and how often captions name them",
        deps=("data/task.yaml", "data/items.parquet", "data/open"),
        params=("encoder", "retrieval", "campaign"),
        outs=(
            "work/retrieved.parquet", "work/class_counts.parquet", "work/synonym_counts.parquet", "work/retrieval.json",
        ),
        code=(*SHARED, *TASK, *ENCODING, "labels.py"),
        after=(),
        maybe=(*OWN_VECTORS, TAKEN_DOWN),
        asked=(Asked("retrieval", "rank", "i2i", "data/labels.parquet"),),
    ),
    Stage(
        "embed",
        "vectors of pool, holdout and retrieved data",
        deps=(
            "data/task.yaml", "data/items.parquet", "data/open", "work/retrieved.parquet", "work/class_counts.parquet",
        ),
        params=("encoder", "retrieval"),
        outs=("work/embeddings",),
        code=(*SHARED, *TASK, *ENCODING),
        after=("retrieve",),
        maybe=(*OWN_VECTORS, TAKEN_DOWN),
    ),
    Stage(
        "adapt",
        "fit the candidate on labels and retrieved data",
        deps=("data/labels.parquet", "work/embeddings", *BEHIND),
        params=(f"candidates.{KEY}", "campaign", "encoder", "retrieval"),
        outs=(f"{CANDIDATE}/model",),
        code=(*SHARED, *TASK, *ENCODING, "source.py", "media.py", "labels.py", "stages.py", "adaptation"),
        after=("retrieve", "embed"),
        per_candidate=True,
        maybe=OWN_VECTORS,
    ),
    Stage(
        "predict",
        "class probabilities of every item",
        deps=("data/items.parquet", "work/embeddings", f"{CANDIDATE}/model"),
        params=(f"candidates.{KEY}",),
        outs=(f"{CANDIDATE}/predictions.npy", f"{CANDIDATE}/features.npy"),
        code=(*SHARED, *TASK, *ENCODING, "source.py", "media.py", "labels.py", "stages.py", "adaptation"),
        after=("embed", "adapt"),
        per_candidate=True,
    ),
    Stage(
        "evaluate",
        "metrics with intervals on the holdout, tail apart from head",
        deps=(
            "data/task.yaml", "data/holdout.parquet", "data/labels.parquet", "work/class_counts.parquet",
            "work/embeddings", f"{CANDIDATE}/model", f"{CANDIDATE}/predictions.npy",
        ),
        params=("evaluation", "campaign"),
        outs=(f"{CANDIDATE}/metrics.json", f"{CANDIDATE}/holdout.parquet"),
        code=(*SHARED, *VECTORS, "task.py", "labels.py", "stages.py", "evaluation", "adaptation", "ontology"),
        after=("retrieve", "embed", "adapt", "predict"),
        per_candidate=True,
        maybe=(ONTOLOGY,),
    ),
    Stage(
        "choose",
        "which candidate ranks the pool",
        deps=("work/candidates",),
        params=("candidates", "choice"),
        outs=("work/choice.json",),
        code=("artifacts.py", "config.py", "stages.py", "evaluation/choice.py"),
        after=("adapt", "predict", "evaluate"),
    ),
    Stage(
        "acquire",
        "the next batch",
        deps=(
            "data/task.yaml", "data/items.parquet", "data/labels.parquet", "data/rounds", "work/embeddings",
            "work/class_counts.parquet", "work/retrieved.parquet", "work/candidates", "work/choice.json",
        ),
        params=("acquisition", "campaign", "candidates"),
        outs=("work/batch.parquet", "work/acquisition.json"),
        code=(
            *SHARED, *TASK, *VECTORS, "labels.py", "pool.py", "stages.py", "acquisition", "adaptation", "encoders",
            "embedding/_progress.py", "quality", "ontology", "labeling/fold.py", "takedowns.py",
        ),
        after=("retrieve", "embed", "adapt", "predict", "evaluate", "choose"),
        maybe=(GOLD, ONTOLOGY, "data/seed_labels.parquet", TAKEN_DOWN),
        maybe_params=("quality",),
    ),
    Stage(
        "control",
        "the random arm at equal labels, where an oracle exists",
        deps=(
            "data/holdout.parquet", "data/oracle.parquet", "data/labels.parquet", "data/rounds", "work/embeddings",
            "work/choice.json", *BEHIND,
        ),
        params=("control", "candidates", "campaign", "evaluation", "encoder", "retrieval"),
        outs=("work/control.json",),
        code=(
            *SHARED, *TASK, *ENCODING, "source.py", "media.py", "labels.py", "pool.py", "stages.py", "backtest.py",
            "simulation.py", "acquisition", "adaptation", "evaluation", "ontology",
        ),
        after=("retrieve", "embed", "choose"),
        maybe=(*OWN_VECTORS, ONTOLOGY),
    ),
    Stage(
        "report",
        "pages for people",
        deps=(
            "data/task.yaml", "data/items.parquet", "data/holdout.parquet", "data/seed_labels.parquet",
            "data/labels.parquet", "data/rounds", "work/class_counts.parquet", "work/embeddings/manifest.json",
            "work/candidates", "work/choice.json", "work/control.json",
        ),
        params=("campaign", "candidates", "evaluation", "money"),
        outs=("work/report",),
        code=(*SHARED, *TASK, "report", "prices.py"),
        after=("retrieve", "embed", "adapt", "predict", "evaluate", "choose", "control"),
    ),
)  # fmt: skip


def stage(name: str) -> Stage:
    """The row of that name.

    Raises:
        ConfigError: No such stage; the message lists those there are.
    """
    for row in STAGES:
        if row.name == name:
            return row
    raise ConfigError(f"no stage {name!r}; known: {', '.join(row.name for row in STAGES)}")


def stage_ids(candidates: Iterable[str]) -> tuple[str, ...]:
    """Every stage in running order as DVC names them: `embed`, `adapt@linear_probe`, ..."""
    names = tuple(candidates)
    return tuple(i for row in STAGES for i in ([f"{row.name}@{c}" for c in names] if row.per_candidate else [row.name]))


def with_descendants(stale: Iterable[str], candidates: Sequence[str]) -> tuple[str, ...]:
    """The stale stages and all that depend on them, in running order; another candidate's stages are left alone."""
    wanted = set(stale)
    order = stage_ids(candidates)
    for identity in order:
        if any(_reads(identity, other) for other in wanted):
            wanted.add(identity)
    return tuple(identity for identity in order if identity in wanted)


def _reads(identity: str, other: str) -> bool:
    name, _, candidate = identity.partition("@")
    producer, _, producer_candidate = other.partition("@")
    return producer in stage(name).after and (
        not candidate or not producer_candidate or candidate == producer_candidate
    )


def is_repository(ws: Workspace) -> bool:
    """Whether the workspace holds the package's own source (then stages depend on those files)."""
    return (ws.root / SOURCE / "pipeline.py").exists()


def dvc_yaml(ws: Workspace) -> str:
    """The text of dvc.yaml for a workspace."""
    local = is_repository(ws)
    stages: dict[str, Any] = {}
    for row in STAGES:
        entry = _entry(ws, row, local=local)
        stages[row.name] = {"foreach": "${candidates}", "do": entry} if row.per_candidate else entry
    return HEADER + yaml.safe_dump({"stages": stages}, sort_keys=False, width=120)


def _entry(ws: Workspace, row: Stage, *, local: bool) -> dict[str, Any]:
    code = [(SOURCE / path).as_posix() for path in row.code] + ["constraints.txt"] if local else []
    facts = [path for path in row.maybe if (ws.root / path).exists()] + _asked(ws, row)
    params: list[Any] = [*row.params, *_standing(ws, row)]
    if not local:
        params.append({CODE: [row.name, "packages"]})
    return {
        "desc": row.desc,
        "cmd": row.cmd,
        "deps": [*row.deps, *facts, *code],
        "params": params,
        "outs": list(row.outs),
    }


def _asked(ws: Workspace, row: Stage) -> list[str]:
    if not row.asked or not ws.params.exists():
        return []
    params = config.load(ws.params)
    return [one.path for one in row.asked if one.by(params)]


def _standing(ws: Workspace, row: Stage) -> list[str]:
    """Sections that a file may lack: DVC cannot watch what is not there."""
    if not row.maybe_params or not ws.params.exists():
        return []
    given = yaml.safe_load(ws.params.read_text(encoding="utf-8"))
    return [name for name in row.maybe_params if isinstance(given, dict) and name in given]


def write_dvc_yaml(ws: Workspace) -> bool:
    """Write dvc.yaml where it differs from the table; whether it did."""
    return _update(ws.root / "dvc.yaml", dvc_yaml(ws))


def write_code_json(ws: Workspace) -> bool:
    """Write code.json where it differs; whether it did. The repository needs none: stages depend on the files."""
    if is_repository(ws):
        return False
    digests = code_digests(ws, {row.name: row.code for row in STAGES})
    return _update(ws.root / CODE, json.dumps(digests, indent=2, sort_keys=True) + "\n")


def _update(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    artifacts.write_bytes(path, text.encode())
    return True
