"""Vectors of the items that train, for the ranking `i2i`."""

from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Encoder, Ints, Vectors
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import kind_of
from tailfirst.items import Items
from tailfirst.labels import class_rows, known_rows, read_labels, training_labels
from tailfirst.paths import Workspace
from tailfirst.task import Task
from tailfirst.vectors import unit


@dataclass(frozen=True, slots=True)
class Labeled:
    """Items with a label that trains."""

    vectors: Vectors  # (M, D) unit rows
    classes: Ints  # (M,)

    def lacking(self, task: Task) -> tuple[str, ...]:
        """Ids of the classes without such an item."""
        return tuple(one for row, one in enumerate(task.class_ids) if row not in self.classes)


def labeled_vectors(ws: Workspace, task: Task, items: Items, encoder: Encoder, cache: VectorCache) -> Labeled:
    """The seed and training labels of data/labels.parquet with their items' vectors, which the cache holds already.

    Audit and holdout labels steer nothing.

    Raises:
        TaskFolderError: No label table, a leak (see `labels.training_labels`), or a class that the task does not have.
    """
    chosen, rows = known_rows(training_labels(read_labels(ws), items.holdout_ids), items.item_ids)
    shas = items.table["sha256"].take(rows).to_pylist()
    vectors = unit(cache.get(kind_of(encoder), shas))
    classes = class_rows(chosen["class_id"].to_pylist(), task.class_ids, "labels")
    return Labeled(vectors, np.asarray(classes, np.int64))
