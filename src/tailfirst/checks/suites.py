"""The suites as code: what a table must be before anything is decided or paid on it (specs/conventions.md section 5).

Every function returns expectations with the run-time parameters filled in. Rules that need several tables are decided
first, in `frames`, and arrive here as a column of words ("holdout", "labeled", ...), so that a failing row says why.
Severities: BLOCK stops the step, QUARANTINE names rows that must not be used, NOTE is only recorded. No `mostly`
anywhere: one bad row is one failure.
"""

from collections.abc import Sequence
from typing import Any

from tailfirst.acquisition._compose import Sizes
from tailfirst.checks import BLOCK, NOTE, QUARANTINE, Severity

ID = r"^[0-9a-f]{20}$"
OPEN_ID = r"^o[0-9a-f]{19}$"
SHA256 = r"^[0-9a-f]{64}$"
OUTSIDE = r"^(?:/|~|[A-Za-z]:|\.\.(?:/|$)|.*/\.\.(?:/|$))"  # absolute, home, drive letter, parent folder
MAX_BYTES = 64 * 1024 * 1024
STAGE = r"^[a-z][a-z0-9_]*$"  # audit, control, quota, search, score, fill, and what a new strategy calls its own
PURPOSES = ("TRAIN", "AUDIT")
REPEATS = ("GOLD", "RELABEL")  # no new items: known answers, and labels that get another answer
DAY_S = 86_400.0


def _make(kind: str, why: str, severity: Severity = BLOCK, **arguments: Any) -> Any:
    import great_expectations.expectations as gxe

    return getattr(gxe, kind)(notes=why, severity=severity, **arguments)


def _is(column: str, good: Sequence[Any], why: str, severity: Severity = BLOCK) -> Any:
    return _make("ExpectColumnValuesToBeInSet", why, severity, column=column, value_set=list(good))


def _present(column: str, severity: Severity = BLOCK) -> Any:
    return _make("ExpectColumnValuesToNotBeNull", f"{column} is there", severity, column=column)


def _unique(column: str, severity: Severity = BLOCK) -> Any:
    return _make("ExpectColumnValuesToBeUnique", f"{column} is there once", severity, column=column)


def _matches(column: str, regex: str, why: str, severity: Severity = BLOCK) -> Any:
    return _make("ExpectColumnValuesToMatchRegex", why, severity, column=column, regex=regex)


def _between(
    column: str, low: float | None, high: float | None, why: str, severity: Severity = BLOCK, **more: Any
) -> Any:
    return _make("ExpectColumnValuesToBeBetween", why, severity, column=column, min_value=low, max_value=high, **more)


def _sum(column: str, low: float, high: float, why: str) -> Any:
    return _make("ExpectColumnSumToBeBetween", why, BLOCK, column=column, min_value=low, max_value=high)


def items() -> list[Any]:
    """items.parquet: ids are digests, every item is in one place below data/, holdout labels are of the ontology."""
    return [
        _present("item_id"),
        _unique("item_id"),
        _matches("item_id", ID, "an item id is 20 hex digits"),
        _matches("sha256", SHA256, "sha256 is 64 hex digits"),
        _is("id_of_bytes", [True], "the item id is the beginning of its sha256"),
        _is("role", ["pool", "holdout"], "the role is pool or holdout"),
        _is("places", [1], "exactly one of path, shard and text is set, or vector_row alone"),
        _make("ExpectColumnValuesToNotMatchRegex", "the path stays below data/", column="path", regex=OUTSIDE),
        _make("ExpectColumnValuesToNotMatchRegex", "the shard stays below data/", column="shard", regex=OUTSIDE),
        _between("length", 1, MAX_BYTES, "the image has 1 byte to 64 MiB"),
        _between("offset", 0, None, "the offset is not negative"),
        _is("answer", ["pool", "labeled", "unlabeled"], "a holdout label names a class of the ontology"),
        _is("answer", ["pool", "labeled"], "every holdout item has its label", NOTE),
        _present("licence", NOTE),
    ]


def retrieved(class_ids: Sequence[str], licences: Sequence[str] | None) -> list[Any]:
    """retrieved.parquet: of the ontology, licensed, of open data, and nothing that measures."""
    checks = [
        _matches("open_id", OPEN_ID, "an open id is o and 19 hex digits"),
        _unique("open_id", QUARANTINE),
        _is("class_id", class_ids, "the class is in the ontology"),
        _is("origin", ["retrieved"], "the row says that it was retrieved"),
        _is("leak", ["none", "pool"], "open data never repeats a holdout item"),
        _is("leak", ["none", "holdout"], "open data never repeats a pool item", QUARANTINE),
        _between("t2t", -1.0001, 1.0001, "t2t is a cosine", QUARANTINE),
        _between("t2i", -1.0001, 1.0001, "t2i is a cosine", QUARANTINE),
        _between("rank", 0, None, "the rank is not negative"),
    ]
    if licences is not None:
        checks.append(_is("licence", licences, "the licence is in retrieval.licences", QUARANTINE))
        checks.append(_present("licence", QUARANTINE))
    return checks


def embeddings(n_items: int, n_blocks: int, dim: int) -> list[Any]:
    """The embedding matrix, one row per block of it: finite unit rows, in the order of items.parquet, one encoder."""
    return [
        _make("ExpectTableRowCountToEqual", "no block is missing", value=n_blocks),
        _unique("block"),
        _sum("rows", n_items, n_items, "one row per item"),
        _is("dim", [dim], "the width is that of the manifest"),
        _is("finite", [True], "every number is finite"),
        _between("norm_low", 0.995, 1.005, "rows are unit vectors (float16 keeps 3 digits)"),
        _between("norm_high", 0.995, 1.005, "rows are unit vectors (float16 keeps 3 digits)"),
        _is("ids_agree", [True], "ids and roles are those of items.parquet, in its order"),
        _make(
            "ExpectColumnUniqueValueCountToBeBetween",
            "one encoder made all",
            column="encoder",
            min_value=1,
            max_value=1,
        ),
        _matches("encoder", r".+", "the manifest names the encoder"),
    ]


def batch(size: Sizes, eligible: int, class_ids: Sequence[str], repeats: int = 0) -> list[Any]:
    """batch.parquet: the size of the budget, only eligible items, honest random slices, probabilities inside (0, 1).

    Only where the whole pool is bought may a probability be 1. `repeats` rows of gold and second opinions come on top
    of the slices, whose budget they have lessened.
    """
    part, total = size.total < eligible, size.total + repeats
    return [
        _make("ExpectTableRowCountToEqual", "the batch has the size of the budget", value=total),
        _present("item_id"),
        _unique("item_id"),
        _is("standing", ["eligible"], "nothing labeled, held out, in flight, ignored, unknown or changed is bought"),
        _unique("rank"),
        _between("rank", 0, total - 1, "ranks count from 0"),
        _is("purpose", (*PURPOSES, *REPEATS), "the purpose is known"),
        _matches("stage", STAGE, "the stage is a word"),
        _is("audit_agrees", [True], "purpose AUDIT and stage audit go together"),
        _sum("is_audit", size.audit, size.audit, "the audit slice has its share of the budget"),
        _sum("is_control", size.control, size.control, "the control slice has its share of the budget"),
        _between("inclusion_probability", 0, 1, "the probability lies inside (0, 1)", strict_min=True, strict_max=part),
        _is("random_known", [True], "random picks carry their inclusion probability"),
        _is("predicted", class_ids, "the prediction is of the ontology"),
        _between("probability", 0, 1, "the probability lies in [0, 1]"),
        _present("reason"),
    ]


def deliveries() -> list[Any]:
    """Parsed answers: of tasks that were submitted, inside the ontology, by a person, at a possible time."""
    return [
        _present("key"),
        _is("submitted", [True], "the key was submitted in this round", QUARANTINE),
        _is("answer", ["class", "skipped"], "the answer is a class of the ontology, or a skip", QUARANTINE),
        _is("in_time", [True], "the answer came after the task was sent, and not from the future", QUARANTINE),
        _is("repeated", [False], "a person answers a task once", QUARANTINE),
        _present("annotator_id", QUARANTINE),
        _between("work_s", 0, DAY_S, "the work took 0 s to a day", NOTE),
    ]


def labels(class_ids: Sequence[str], ontology_version: str, round_no: int, min_agreement: float) -> list[Any]:
    """The labels of a round: one per item, of what was ordered, inside ontology and cap."""
    return [
        _present("item_id"),
        _unique("item_id"),
        _is("ordered", ["as ordered"], "the item was ordered in this round, for this purpose, and measures nothing"),
        _is("class_id", class_ids, "the label is of the ontology"),
        _present("class_id"),
        _is("purpose", PURPOSES, "the purpose is known"),
        _is("round_no", [round_no], "the label belongs to this round"),
        _is("ontology_version", [ontology_version], "the ontology is that of the task"),
        _between("confidence", min_agreement, 1, "annotators agree enough"),
        _between("n_annotations", 1, None, "somebody answered"),
        _between("inclusion_probability", 0, 1, "the probability lies inside (0, 1)", strict_min=True, strict_max=True),
        _is("under_cap", [True], "what was spent stays under the caps"),
    ]
