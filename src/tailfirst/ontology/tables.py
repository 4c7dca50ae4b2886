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

VERSION = "ontology_version"


def read_known(ws: Workspace, path: Path, schema: pa.Schema, versions: Versions | None = None) -> pa.Table:
    """A table with `class_id`, in the classes of today; rows whose class was split or retired are left out.

    Raises:
        TaskFolderError: It cannot be read.
        OntologyError: The migrations cannot be read.
    """
    table = schemas.read(path, schema)
    versions = versions or Versions.if_any(ws)
    return table if versions is None else moved(table, given_versions(path), versions)


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


def given_versions(path: Path) -> pa.ChunkedArray | None:
    """(N,) the version that each row names; None where the table has no such column."""
    return pq.read_table(path, columns=[VERSION])[VERSION] if VERSION in pq.read_schema(path).names else None
