"""Pool views for tests of strategies."""

import numpy as np

from tailfirst import plugins
from tailfirst.contracts import Head, PoolView


def unit(rows):
    rows = np.asarray(rows, float)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pool_view(probs=None, names=None, ids=None, vectors=None, **given) -> PoolView:
    """A view with blanks for what is not given; classes c0, c1 ... and items i0000, i0001 ... unless named."""
    vectors = np.ones((len(probs), 2), np.float32) if vectors is None else vectors
    count = len(names) if names else probs.shape[1] if probs is not None else 2
    blank = np.zeros(count)
    labeled = given.pop("labeled", vectors[:0])
    return PoolView(
        item_ids=np.array(ids if ids is not None else [f"i{r:04d}" for r in range(len(vectors))]),
        vectors=vectors,
        class_ids=tuple(names or (f"c{k}" for k in range(count))),
        probs=probs,
        labeled_vectors=labeled,
        labeled_classes=np.asarray(given.pop("labeled_classes", np.zeros(len(labeled))), np.int64),
        n_labeled=np.asarray(given.pop("n_labeled", blank), float),
        n_pending=np.asarray(given.pop("n_pending", blank), float),
        n_retrieved=np.asarray(given.pop("n_retrieved", blank), float),
        prototypes=given.pop("prototypes", None),
        **given,
    )


def world(n=120, classes=5, dim=8, seed=0, head=False) -> PoolView:
    """Random vectors under a random head, which is given in place of the probabilities if asked."""
    rng = np.random.default_rng(seed)
    vectors, weights = unit(rng.normal(size=(n, dim))), unit(rng.normal(size=(classes, dim)))
    logits = 6.0 * (vectors @ weights.T).astype(float)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return pool_view(
        None if head else powers / powers.sum(axis=1, keepdims=True),
        names=tuple(f"c{k}" for k in range(classes)),
        vectors=vectors,
        head=Head(weights, 6.0),
        labeled=vectors[:0],
        prototypes=weights,
        n_labeled=np.arange(classes),
        pool_size=n,
    )


def select(name, view, budget, seed=0, **options):
    params = plugins.params("acquisition", name, options)
    return plugins.load("acquisition", name).select(view, budget, params, np.random.default_rng(seed))


def one_hot(classes, count):
    return np.eye(count)[np.asarray(classes)]
