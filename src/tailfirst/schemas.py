"""The arrow schema of every table.

Ids are text; `item_id` is the first 20 hex digits of the sha256 of the item's bytes (text: UTF-8 of the NFC text);
`open_id` is "o" + 19 hex digits. Classes travel as `class_id`. Money is integer micros.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tailfirst.errors import TaskFolderError

TEXT, INT, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()

ITEMS = pa.schema(
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("sha256", TEXT, nullable=False),
        pa.field("role", TEXT, nullable=False),  # pool | holdout
        ("path", TEXT),  # relative to data/; one of path, shard, text is set, with or without a vector_row, or it alone
        ("shard", TEXT),  # relative to data/; any file in which [offset, offset + length) is the image
        ("offset", INT),
        ("length", INT),
        ("text", TEXT),
        ("vector_row", INT),  # row of data/vectors.npy
        ("source", TEXT),
        ("licence", TEXT),
    ]
)
LABELED = pa.schema(
    [pa.field("item_id", TEXT, nullable=False), pa.field("class_id", TEXT, nullable=False)]
)  # oracle, holdout
GOLD = pa.schema(
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("class_id", TEXT, nullable=False),
        pa.field("source", TEXT, nullable=False),  # seed | expert:NAME; never a model or a machine's answer
    ]
)
LABELS = pa.schema(
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("class_id", TEXT, nullable=False),
        pa.field("round_no", INT, nullable=False),  # 0 = seed label
        pa.field("purpose", TEXT, nullable=False),  # TRAIN | AUDIT | SEED; AUDIT never trains
        ("confidence", REAL),
        ("n_annotations", INT),
        ("annotators", TEXT),  # sorted ids, comma separated
        ("method", TEXT),  # aggregation and version, e.g. majority/1
        ("ontology_version", TEXT),
        ("inclusion_probability", REAL),
        ("late_for_round", INT),  # the round it was bought in, when it came after the seal
    ]
)
COUNTED = pa.schema(  # answers.parquet of a sealed round: all answers, of all rounds, of the items it decided
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("purpose", TEXT, nullable=False),  # TRAIN (second opinions included) | AUDIT | GOLD
        pa.field("annotator_id", TEXT, nullable=False),
        pa.field("answer", TEXT, nullable=False),  # class id, or none_of_these | unusable | unsure
        pa.field("is_class", FLAG, nullable=False),
        pa.field("dropped", FLAG, nullable=False),  # not counted: its annotator failed gold or spammed
    ]
)
OUT_OF_SAMPLE = pa.schema(  # model.parquet of a sealed round; the schema's metadata names the classes
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("probs", pa.list_(pa.float32()), nullable=False),  # (C,) of a model that knew no answer to the item
    ]
)
OPEN = pa.schema(
    [
        pa.field("open_id", TEXT, nullable=False),
        pa.field("caption", TEXT, nullable=False),
        ("sha256", TEXT),
        ("image", pa.binary()),  # where owned
        ("path", TEXT),
        ("url", TEXT),
        ("licence", TEXT),
        ("nsfw", pa.float32()),
        ("source", TEXT),
    ]
)
FETCHED = pa.schema(
    [
        pa.field("url", TEXT, nullable=False),
        pa.field("status", TEXT, nullable=False),  # done | refused (by our rules) | failed
        ("reason", TEXT),  # null when done
        pa.field("retryable", FLAG, nullable=False),  # whether the next run asks again
        ("http_status", INT),
        pa.field("tries", INT, nullable=False),  # of that run
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        ("sha256", TEXT),
        ("image", pa.binary()),  # when done
    ]
)
TAKEDOWNS = pa.schema(
    [
        pa.field("id", TEXT, nullable=False),  # item id, open id, or a bare sha256
        ("sha256", TEXT),  # of its bytes or text, where known
        ("url_sha256", TEXT),  # of its address: the list itself must not lead there
        pa.field("reason", TEXT, nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("found", TEXT, nullable=False),  # what was there when it was taken down
    ]
)
RETRIEVED = pa.schema(
    [
        pa.field("open_id", TEXT, nullable=False),
        pa.field("class_id", TEXT, nullable=False),
        pa.field("rank", INT, nullable=False),
        pa.field("synonym", TEXT, nullable=False),
        ("t2t", REAL),
        ("t2i", REAL),
        pa.field("caption", TEXT, nullable=False),
        ("sha256", TEXT),
        ("shard", TEXT),  # the open-corpus file, relative to data/
        ("row", INT),  # its row in that file
        ("source", TEXT),
        ("licence", TEXT),
        pa.field("origin", TEXT, nullable=False),  # always "retrieved"
    ]
)
CLASS_COUNTS = pa.schema(
    [
        pa.field("class_id", TEXT, nullable=False),
        pa.field("freq", INT, nullable=False),  # matching captions, before any cap or filter
        pa.field("retrieved", INT, nullable=False),  # rows kept
        ("most_common_name", TEXT),
    ]
)
SYNONYM_COUNTS = pa.schema(
    [
        pa.field("class_id", TEXT, nullable=False),
        pa.field("synonym", TEXT, nullable=False),
        pa.field("captions", INT, nullable=False),
    ]
)
BATCH = pa.schema(
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("rank", INT, nullable=False),  # 0 = first to be bought
        pa.field("purpose", TEXT, nullable=False),  # TRAIN | AUDIT | GOLD | RELABEL
        pa.field("strategy", TEXT, nullable=False),
        pa.field("stage", TEXT, nullable=False),  # audit | control | gold | relabel | quota | search | score | fill ...
        pa.field("reason", TEXT, nullable=False),  # e.g. tail:umbrella
        ("score", REAL),  # higher = more worth a label
        ("inclusion_probability", REAL),  # null for deterministic picks, never 1
        ("predicted", TEXT),  # class id, null when there is no model yet
        ("probability", REAL),
        ("item_sha256", TEXT),
    ]
)
HOLDOUT_PREDICTIONS = pa.schema(
    [
        pa.field("item_id", TEXT, nullable=False),
        pa.field("class_id", TEXT, nullable=False),
        pa.field("predicted", TEXT, nullable=False),
        pa.field("probability", REAL, nullable=False),  # of the predicted class
    ]
)


def read(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a parquet table and make sure that it has the columns of its schema.

    Raises:
        TaskFolderError: The file is missing, empty, not parquet, or lacks columns.
    """
    if not path.exists():
        beside = sorted(p.name for p in path.parent.glob("*"))[:8] if path.parent.exists() else []
        raise TaskFolderError(f"{path} does not exist; beside it: {', '.join(beside) or 'nothing'}")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise TaskFolderError(
            f"{path} is not a readable parquet file ({path.stat().st_size} bytes): {error}"
        ) from error
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        raise TaskFolderError(f"{path} lacks {', '.join(missing)}; it has {', '.join(table.column_names)}")
    return table.select(schema.names).cast(schema)
