"""Where every file of a workspace lives.

A workspace is a git + DVC repository with one campaign: `data/` (facts), `work/` (recomputable), `state/` (live) and
`mlruns/`.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """The files of one workspace; `root` is the folder that holds params.yaml and dvc.yaml."""

    root: Path

    @property
    def params(self) -> Path:
        """What changes a result."""
        return self.root / "params.yaml"

    # ---- data/: facts, tracked as a whole by data.dvc -------------------------------------------------------------
    @property
    def data(self) -> Path:
        """The task folder."""
        return self.root / "data"

    @property
    def task(self) -> Path:
        """Classes, templates, modality, ontology version."""
        return self.data / "task.yaml"

    @property
    def ontology(self) -> Path:
        """The migrations of the ontology, NNNN-<slug>.yaml; absent until one was applied."""
        return self.data / "ontology"

    @property
    def ontology_before(self) -> Path:
        """The bytes of task.yaml before each migration, under the migration's name."""
        return self.ontology / "before"

    @property
    def items(self) -> Path:
        """One row per item: pool and holdout."""
        return self.data / "items.parquet"

    @property
    def holdout(self) -> Path:
        """Labels of the holdout items: only evaluation reads them."""
        return self.data / "holdout.parquet"

    @property
    def seed_labels(self) -> Path:
        """Labels that existed before round 1 (maybe no rows)."""
        return self.data / "seed_labels.parquet"

    @property
    def gold(self) -> Path:
        """Items with known answers that test annotators; absent until some are named. They never train."""
        return self.data / "gold.parquet"

    @property
    def labels(self) -> Path:
        """The fold of the seed labels and all sealed rounds."""
        return self.data / "labels.parquet"

    @property
    def oracle(self) -> Path:
        """Known answers (maybe no rows): only the simulated vendor and the backtest read them."""
        return self.data / "oracle.parquet"

    @property
    def vectors(self) -> Path:
        """Vectors that the user brought (encoder `precomputed`); rows are named by items.vector_row."""
        return self.data / "vectors.npy"

    @property
    def prototypes(self) -> Path:
        """Class prototypes that the user brought (encoder `precomputed`); one row per class, in task order."""
        return self.data / "prototypes.npy"

    @property
    def open(self) -> Path:
        """The open corpus: parquet shards."""
        return self.data / "open"

    @property
    def fetched(self) -> Path:
        """Images of the open corpus that came by their URLs, and what became of the other URLs: parquet shards."""
        return self.open / "fetched"

    @property
    def takedowns(self) -> Path:
        """What was taken down and must never come back; absent until something was."""
        return self.data / "takedowns.parquet"

    @property
    def rounds(self) -> Path:
        """The sealed rounds."""
        return self.data / "rounds"

    def sealed(self, round_no: int) -> Path:
        """The immutable folder of one sealed round."""
        return self.rounds / f"{round_no:04d}"

    # ---- work/: functions of facts, params and code; outs of dvc.yaml ---------------------------------------------
    @property
    def work(self) -> Path:
        """Everything that `dvc repro` can make again."""
        return self.root / "work"

    @property
    def retrieved(self) -> Path:
        """Open-corpus rows that were retrieved for a class."""
        return self.work / "retrieved.parquet"

    @property
    def class_counts(self) -> Path:
        """Caption counts per class before any cap, and retrieved rows."""
        return self.work / "class_counts.parquet"

    @property
    def synonym_counts(self) -> Path:
        """Caption counts per synonym before any cap."""
        return self.work / "synonym_counts.parquet"

    @property
    def retrieval_summary(self) -> Path:
        """What the retrieval saw, kept and dropped, and why."""
        return self.work / "retrieval.json"

    @property
    def embeddings(self) -> Path:
        """Folder: items.npy + items.parquet, open.npy + open.parquet, prototypes.npy (maybe), manifest.json."""
        return self.work / "embeddings"

    def candidate(self, name: str) -> Path:
        """Folder of one candidate model."""
        return self.work / "candidates" / name

    def model(self, name: str) -> Path:
        """Folder of a candidate's weights (safetensors + JSON)."""
        return self.candidate(name) / "model"

    def predictions(self, name: str) -> Path:
        """(N, C) float32 probabilities of a candidate, rows as in embeddings/items.parquet."""
        return self.candidate(name) / "predictions.npy"

    def features(self, name: str) -> Path:
        """(N, D) float16 features of a candidate that encodes anew, rows as in embeddings/items.parquet.

        It has no rows where the candidate reads the vectors of work/embeddings as they are.
        """
        return self.candidate(name) / "features.npy"

    def metrics(self, name: str) -> Path:
        """A candidate's metrics on the holdout."""
        return self.candidate(name) / "metrics.json"

    def holdout_predictions(self, name: str) -> Path:
        """A candidate's predictions on the holdout, row by row."""
        return self.candidate(name) / "holdout.parquet"

    @property
    def choice(self) -> Path:
        """Which candidate ranks the pool, and why."""
        return self.work / "choice.json"

    @property
    def batch(self) -> Path:
        """The next batch."""
        return self.work / "batch.parquet"

    @property
    def acquisition(self) -> Path:
        """What the strategy said about the next batch: starved and capped classes, counts before and after."""
        return self.work / "acquisition.json"

    @property
    def control(self) -> Path:
        """The random arm at equal labels, where an oracle exists."""
        return self.work / "control.json"

    @property
    def report(self) -> Path:
        """Folder of the round reports (HTML)."""
        return self.work / "report"

    # ---- state/: live, never in DVC -------------------------------------------------------------------------------
    @property
    def state(self) -> Path:
        """The live ledger, caches, Prefect's home and the simulated vendor's own book."""
        return self.root / "state"

    @property
    def ledger(self) -> Path:
        """The SQLite ledger (the default)."""
        return self.state / "ledger.db"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time: vectors by content (embeddings/), answers by open shard (retrieval/)."""
        return self.state / "cache"

    @property
    def fits(self) -> Path:
        """Where unfinished fits stand; a killed one goes on from there."""
        return self.cache / "fits"

    @property
    def vendor(self) -> Path:
        """What the simulated vendor remembers: it stands for a company outside."""
        return self.state / "vendor"

    @property
    def spool(self) -> Path:
        """What the running fetch has got and not yet written to data/open/fetched."""
        return self.state / "fetch.db"

    @property
    def fetch_lock(self) -> Path:
        """One fetch or take-down at a time."""
        return self.state / "fetch.lock"

    @property
    def checks(self) -> Path:
        """Stored results of the gates."""
        return self.state / "checks"

    @property
    def quarantine(self) -> Path:
        """Rows that did not pass a gate, with ids and reasons."""
        return self.state / "quarantine"

    @property
    def lock(self) -> Path:
        """The one lock around every DVC and git call."""
        return self.state / "versioning.lock"

    @property
    def mlruns(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root / "mlruns"
