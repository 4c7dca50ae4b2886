"""The files that every task folder ends with, however its items were made."""

from pathlib import Path

import pyarrow as pa

from tailfirst import artifacts, schemas
from tailfirst.paths import Workspace

_OPEN = """# The open corpus

Parquet files with captions that mention the task's classes, as VLMs are pretrained on: `open_id`, `caption`, and
where known `image` (bytes) with `sha256`, `path`, `url`, `licence`, `nsfw` (0 to 1), `source`. Retrieval counts how
often each class is mentioned (its tail) and takes examples from here. No file: retrieval finds nothing and says so.
"""
_ROUNDS = """# Sealed rounds

One folder per round, `0001/`, `0002/`, ...: the batch, the raw deliveries, the labels, the costs and `round.json`.
A sealed folder never changes; `labels.parquet` above is the fold of the seed labels and all of them.
"""


def finish_task(ws: Workspace) -> None:
    """Add what a task folder lacks: seed_labels, labels, oracle (no rows), open/README.md, rounds/README.md.

    `labels.parquet` starts as the seed labels; nothing that exists is touched.

    Raises:
        TaskFolderError: The seed labels that exist cannot be read.
    """
    _if_absent(ws.seed_labels, schemas.LABELS.empty_table())
    _if_absent(ws.oracle, schemas.LABELED.empty_table())
    _if_absent(ws.labels, schemas.read(ws.seed_labels, schemas.LABELS))
    for path, text in ((ws.open / "README.md", _OPEN), (ws.rounds / "README.md", _ROUNDS)):
        if not path.exists():
            artifacts.write_bytes(path, text.encode())


def _if_absent(path: Path, table: pa.Table) -> None:
    if not path.exists():
        artifacts.write_parquet(path, table)
