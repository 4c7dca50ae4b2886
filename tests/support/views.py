"""Small views for strategies that look at vectors, labels and the head."""

import numpy as np

from tailfirst import plugins
from tailfirst.adaptation._linear import softmax
from tailfirst.contracts import Head, PoolView
from tailfirst.vectors import unit


def angles(*degrees) -> np.ndarray:
    """Unit rows in the plane."""
    turned = np.deg2rad(np.array(degrees, float))
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def make(vectors, classes=("a", "b"), weights=None, scale=1.0, labeled=None, labels=(), **given) -> PoolView:
    """A view of these rows, ids in their order; with weights a head and its probabilities."""
    vectors = np.asarray(vectors, np.float32)
    blank, labels = np.zeros(len(classes)), np.array(labels, np.int64)
    head = None if weights is None else Head(np.asarray(weights, np.float32), scale)
    values = {
        "item_ids": np.array([f"{i:05d}" for i in range(len(vectors))]),
        "vectors": vectors,
        "class_ids": tuple(classes),
        "probs": None if head is None else softmax((scale * (vectors @ head.weights.T)).astype(np.float64)),
        "labeled_vectors": vectors[:0] if labeled is None else np.asarray(labeled, np.float32),
        "labeled_classes": labels,
        "n_labeled": np.bincount(labels, minlength=len(classes)).astype(float),
        "n_pending": blank,
        "n_retrieved": blank,
        "prototypes": None,
        "head": head,
        **given,
    }
    return PoolView(**values)


def noise(n=200, dim=8, classes=4, seed=0, scale=6.0, **given) -> PoolView:
    """Random rows under a random head."""
    rng = np.random.default_rng(seed)
    weights = unit(rng.normal(size=(classes, dim)))
    names = tuple("abcdefghij"[:classes])
    return make(unit(rng.normal(size=(n, dim))), names, weights, scale, **given)


def select(name, view, budget, seed=0, **options):
    """The batch of a strategy with these options."""
    module = plugins.load("acquisition", name)
    return module.select(view, budget, plugins.params("acquisition", name, options), np.random.default_rng(seed))
