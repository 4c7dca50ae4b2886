"""Tables that stand in a sealed folder alone."""

import pyarrow as pa

ANNOTATIONS = pa.schema(
    [
        ("key", pa.string()),
        ("item_id", pa.string()),
        ("round_no", pa.int64()),  # that ordered
        ("revision", pa.string()),
        ("annotator_id", pa.string()),
        ("class_ids", pa.string()),  # comma separated
        ("skipped", pa.bool_()),
        ("reason", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("submitted_at", pa.timestamp("us", tz="UTC")),
        ("work_s", pa.float64()),
        ("provenance", pa.string()),
        ("ontology_version", pa.string()),  # under which it was given: that of the round that ordered
    ]
)
COSTS = pa.schema(
    [
        ("line_id", pa.string()),
        ("round_no", pa.int64()),
        ("key", pa.string()),
        ("kind", pa.string()),
        ("amount_micros", pa.int64()),
        ("currency", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
