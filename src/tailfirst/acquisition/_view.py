"""What a strategy gets to see, put together from labels, vectors, counts and probabilities."""

from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst.contracts import Floats, Head, Ids, PoolView, Vectors
from tailfirst.labels import class_rows, known_rows, training_labels


class Features(Protocol):
    """What a view takes from work/embeddings."""

    @property
    def item_ids(self) -> Ids:
        """(N,)."""

    @property
    def is_pool(self) -> NDArray[np.bool_]:
        """(N,) False = holdout."""

    @property
    def items(self) -> Vectors:
        """(N, D) unit rows."""

    @property
    def prototypes(self) -> Vectors | None:
        """(C, D)."""


def pool_view(
    features: Features,
    eligible: NDArray[np.bool_],
    labels: pa.Table,
    captions: Floats,
    probs: NDArray[np.float32] | None,
    class_ids: tuple[str, ...],
    head: Head | None = None,
) -> PoolView:
    """The eligible items; counts come from labels that train, so the audit slice steers nothing.

    Args:
        features: Vectors of all items.
        eligible: (N,) which items may be asked about.
        labels: schemas.LABELS.
        captions: (C,) matching captions.
        probs: (N, C) of all items, or None.
        class_ids: Classes in task order.
        head: What made `probs` of the vectors.

    Raises:
        TaskFolderError: A leak, or a class that the task does not have.
    """
    chosen, rows = known_rows(training_labels(labels, features.item_ids[~features.is_pool]), features.item_ids)
    classes = class_rows(chosen["class_id"].to_pylist(), class_ids, "labels")
    return PoolView(
        item_ids=features.item_ids[eligible],
        vectors=features.items[eligible],
        class_ids=class_ids,
        probs=None if probs is None else probs[eligible].astype(np.float64),
        labeled_vectors=features.items[rows],
        labeled_classes=classes,
        n_labeled=np.bincount(classes, minlength=len(class_ids)).astype(np.float64),
        n_pending=np.zeros(len(class_ids)),  # stages run between rounds: nothing is in flight
        n_retrieved=captions,
        prototypes=features.prototypes,
        head=head,
        pool_size=int(features.is_pool.sum()),
    )
