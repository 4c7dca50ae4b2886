"""The only place where a training set is made: TRAIN and SEED labels and retrieved rows, nothing else."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tailfirst.contracts import Ids, Ints, Source, TrainSet, Vectors
from tailfirst.labels import class_rows, known_rows, training_labels


class Features(Protocol):
    """What a training set takes from work/embeddings; `embedding.Embeddings` has it all."""

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
    def open(self) -> Vectors:
        """(R, D) unit rows of retrieved data."""

    @property
    def open_classes(self) -> Ids:
        """(R,) class ids."""

    @property
    def prototypes(self) -> Vectors | None:
        """(C, D) in the order of the task's classes."""

    @property
    def logit_scale(self) -> float:
        """The encoder's s."""

    @property
    def encoder(self) -> str:
        """Fingerprint."""


def training_set(
    features: Features,
    labels: pa.Table,
    class_ids: tuple[str, ...],
    source: Callable[[Ints], Source] | None = None,
) -> TrainSet:
    """Labeled rows sorted by item id, then retrieved rows; labels of items that were taken down are left out.

    Args:
        features: What the `embed` stage wrote.
        labels: schemas.LABELS.
        class_ids: The task's classes.
        source: What stands behind the training rows, given the labeled items' rows of `features.items`.

    Raises:
        TaskFolderError: A leak (see `labels.training_labels`), or a class that the task does not have.
    """
    chosen, rows = known_rows(training_labels(labels, features.item_ids[~features.is_pool]), features.item_ids)
    human = class_rows(chosen["class_id"].to_pylist(), class_ids, "labels")
    opened = class_rows(features.open_classes.tolist(), class_ids, "retrieved rows")
    return TrainSet(
        vectors=np.concatenate([features.items[rows], features.open]),
        classes=np.concatenate([human, opened]),
        retrieved=np.concatenate([np.zeros(len(human), np.bool_), np.ones(len(opened), np.bool_)]),
        class_ids=class_ids,
        prototypes=features.prototypes,
        logit_scale=features.logit_scale,
        encoder=features.encoder,
        source=None if source is None else source(rows),
        rounds=np.concatenate([chosen["round_no"].to_numpy().astype(np.int64), np.full(len(opened), -1)]),
        unlabeled=lambda: _unlabeled(features, labels),
    )


def _unlabeled(features: Features, labels: pa.Table) -> Vectors:
    """Pool rows that nobody labeled for any purpose."""
    asked = np.isin(features.item_ids, np.array(labels["item_id"].to_pylist(), np.str_))
    return features.items[features.is_pool & ~asked]
