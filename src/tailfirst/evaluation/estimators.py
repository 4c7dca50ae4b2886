"""Accuracy on the pool from AUDIT labels, the uniform sample that was drawn before any score (specs/methods.md M8).

With uniform draws every LURE weight is one, so the plain share of right answers is unbiased. Actively chosen labels
have no inclusion probability and never enter here.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tailfirst.contracts import Ids, Interval
from tailfirst.errors import Unavailable, UserError
from tailfirst.evaluation.intervals import wilson


@dataclass(frozen=True, slots=True)
class AuditAccuracy:
    """Accuracy over the pool with a Wilson interval, and how many audit labels it stands on."""

    accuracy: Interval
    labels: int


def audit_accuracy(labels: pa.Table, item_ids: Ids, predicted: Ids, level: float = 0.95) -> AuditAccuracy:
    """The unbiased estimate from the AUDIT rows of the label table.

    Args:
        labels: schemas.LABELS; rows of other purposes are not looked at.
        item_ids: (N,) items with predictions.
        predicted: (N,) predicted class ids.
        level: Of the interval.

    Raises:
        Unavailable: There is no audit label yet.
        UserError: Audit items without a prediction; names them.
    """
    audit = labels.filter(pc.equal(labels["purpose"], "AUDIT"))
    if not len(audit):
        raise Unavailable("no AUDIT label yet: each sealed round brings max(audit_share * budget, audit_min) of them")
    rows = pc.index_in(audit["item_id"].combine_chunks(), value_set=pa.array(item_ids.tolist(), pa.string()))
    if rows.null_count:
        lost = audit["item_id"].combine_chunks().filter(pc.is_null(rows)).to_pylist()
        raise UserError(f"{len(lost)} audit item(s) have no prediction: {', '.join(lost[:8])}; run predict again")
    right = predicted[rows.to_numpy(zero_copy_only=False)] == np.array(audit["class_id"].to_pylist())
    return AuditAccuracy(wilson(int(right.sum()), len(audit), level), len(audit))
