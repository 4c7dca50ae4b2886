"""Tables of known answers (holdout, oracle, gold), read in the ontology of today.

They are never rewritten. A column `ontology_version` says under which version a row was written; without it a class id
is of the oldest version that has it.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tailfirst import schemas
from tailfirst.ontology.versions import Versions
from tailfirst.paths import Workspace
from tailfirst.task import Task

VERSION = "ontology_version"
NOTE = b"ontology_version"
ENDED = "ended"


def read_known(ws: Workspace, path: Path, schema: pa.Schema, version: str | None = None) -> pa.Table:
    """A table with `class_id`, in the classes of today; rows whose class was split or retired are left out.

    Args:
        ws: The workspace.
        path: The table.
        schema: Its schema.
        version: In the classes of this older version instead; rows written under a later one are left out.

    Raises:
        TaskFolderError: It cannot be read.
        OntologyError: The migrations cannot be read.
    """
    table, versions = schemas.read(path, schema), Versions.if_any(ws)
    if versions is None:
        return table
    given = given_versions(path)
    if version not in versions.names:
        return moved(table, given, versions)
    later = versions.names[versions.names.index(version) + 1 :]
    if given is not None and later:
        known = pc.invert(pc.is_in(given, value_set=pa.array(later, pa.string())))
        table, given = table.filter(known), given.filter(known)
    return moved(table, given, versions.until(version))


def moved(table: pa.Table, given: pa.ChunkedArray | None, versions: Versions) -> pa.Table:
    """The same rows in the classes of today; what has none is left out. `given` is (N,) version names."""
    if not versions.applied or not table.num_rows:
        return table
    at = given.to_pylist() if given is not None else [None] * table.num_rows
    olds = table["class_id"].to_pylist()
    ways = {pair: versions.move(*pair).class_id for pair in set(zip(olds, at, strict=True))}
    news = pa.array([ways[pair] for pair in zip(olds, at, strict=True)], pa.string())
    place = table.schema.get_field_index("class_id")
    kept = table.filter(pc.is_valid(news))
    return kept.set_column(place, table.schema.field("class_id"), news.drop_null())


def given_under(table: pa.Table, task: Task) -> pa.Table:
    """The table with a note of the version that its classes are of."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), NOTE: task.ontology_version.encode()})


def common(champion: Path, challenger: Path, versions: Versions | None) -> tuple[pa.Table, pa.Table]:
    """Two tables of holdout predictions; where the ontology changed in between: both in the classes of today.

    Then only items count that mean the same in both. A predicted class that ended stays as it was: it is wrong now.
    """
    old, new = (schemas.read(path, schemas.HOLDOUT_PREDICTIONS) for path in (champion, challenger))
    note = (pq.read_schema(champion).metadata or {}).get(NOTE)
    version = None if note is None else note.decode()
    if versions is None or version == versions.task.ontology_version:
        return old, new
    truth = {row["item_id"]: row["class_id"] for row in new.to_pylist()}
    rows = [
        row
        | {
            "class_id": versions.move(row["class_id"], version).class_id,
            "predicted": versions.move(row["predicted"], version).class_id or f"{row['predicted']} ({ENDED})",
        }
        for row in old.to_pylist()
    ]
    kept = [row for row in rows if row["class_id"] is not None and truth.get(row["item_id"]) == row["class_id"]]
    ids = pa.array([row["item_id"] for row in kept], pa.string())
    same = new.filter(pc.is_in(new["item_id"], value_set=ids))
    return pa.Table.from_pylist(kept, schema=schemas.HOLDOUT_PREDICTIONS), same


def given_versions(path: Path) -> pa.ChunkedArray | None:
    """(N,) the version that each row names; None where the table has no such column."""
    return pq.read_table(path, columns=[VERSION])[VERSION] if VERSION in pq.read_schema(path).names else None
