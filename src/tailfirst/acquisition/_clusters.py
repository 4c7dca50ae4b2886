"""k-means over unit rows: k-means++ start, a few Lloyd iterations, all in NumPy and therefore the same everywhere."""

import numpy as np

from tailfirst.contracts import Floats, Ints, Vectors

PER_CLUSTER = 256  # rows per cluster that the centroids are learned from (as faiss does)
BLOCK = 16_384


def pick(
    vectors: Vectors, count: int, iterations: int, rng: np.random.Generator, per_cluster: int = PER_CLUSTER
) -> Ints:
    """`count` distinct rows, for each cluster the member nearest its centroid; empty clusters are filled at random.

    Callers hand rows over in the order of item ids: equal distances go to the first row.

    Args:
        vectors: (N, D) rows.
        count: Clusters, at most N.
        iterations: Lloyd iterations.
        rng: Draws the sample and the start.
        per_cluster: Rows for each cluster that the centroids are learned from.
    """
    total = len(vectors)
    if count <= 0 or count >= total:
        return np.arange(max(0, min(count, total)))
    labels, distances = assign(vectors, learn(vectors, count, iterations, rng, per_cluster))
    order = np.lexsort((distances, labels))
    first = order[np.unique(labels[order], return_index=True)[1]]
    missing = count - len(first)
    others = np.setdiff1d(np.arange(total), first)
    filled = rng.choice(others, missing, replace=False) if missing else others[:0]
    return np.concatenate([first, filled]).astype(np.int64)


def learn(
    vectors: Vectors, count: int, iterations: int, rng: np.random.Generator, per_cluster: int = PER_CLUSTER
) -> Vectors:
    """(K, D) centroids, learned from at most `per_cluster` random rows for each.

    Args:
        vectors: (N, D) rows.
        count: Clusters, at most N.
        iterations: Lloyd iterations.
        rng: Draws the sample and the start.
        per_cluster: Rows for each cluster.
    """
    sample = vectors
    if len(vectors) > per_cluster * count:
        sample = vectors[np.sort(rng.choice(len(vectors), per_cluster * count, replace=False))]
    return refine(sample, _plus_plus(sample, count, rng), iterations)


def refine(vectors: Vectors, centers: Vectors, iterations: int) -> Vectors:
    """(K, D) the centroids after some Lloyd iterations."""
    for _ in range(iterations):
        labels, _ = assign(vectors, centers)
        centers = _means(vectors, labels, centers)
    return centers


def assign(vectors: Vectors, centers: Vectors) -> tuple[Ints, Floats]:
    """(N,) nearest center and squared distance to it (less the row's own square)."""
    labels, distances = np.empty(len(vectors), np.int64), np.empty(len(vectors))
    squares, turned = (centers**2).sum(axis=1), np.ascontiguousarray(-2 * centers.T)
    memory = np.empty((min(BLOCK, len(vectors)), len(centers)), np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, min(start + BLOCK, len(vectors)))
        block = np.matmul(vectors[rows], turned, out=memory[: rows.stop - start])
        block += squares
        labels[rows] = nearest = block.argmin(axis=1)
        distances[rows] = block[np.arange(len(block)), nearest]
    own = np.einsum("ij,ij->i", vectors, vectors)
    return labels, np.maximum(distances + own, 0)


def _plus_plus(vectors: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """Greedy k-means++ (Arthur and Vassilvitskii 2007, section 5).

    Of 2 + ln k rows drawn with probability proportional to the squared distance to the nearest center, the one is taken
    that lowers the sum of these distances most.
    """
    trials = 2 + int(np.log(count))
    own = np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)
    first = int(rng.integers(len(vectors)))
    chosen, nearest = [first], _squared(vectors, own, np.array([first]))[:, 0]
    for _ in range(count - 1):
        mass = nearest.cumsum()
        if mass[-1] <= 0:  # every row lies on a center
            chosen.append(int(rng.integers(len(vectors))))
            continue
        drawn = np.minimum(np.searchsorted(mass, rng.random(trials) * mass[-1], side="right"), len(vectors) - 1)
        closer = np.minimum(nearest[:, None], _squared(vectors, own, drawn))
        winner = int(closer.sum(axis=0).argmin())
        nearest = closer[:, winner]
        chosen.append(int(drawn[winner]))
    start: Vectors = vectors[np.array(chosen)]
    return start


def squared(vectors: Vectors, centers: Vectors) -> Vectors:
    """(N, K) squared distances in float32, so differences below about 1e-6 of unit rows are rounding."""
    result: Vectors = vectors @ (-2 * centers.T)
    result += np.einsum("ij,ij->i", centers, centers)
    result += np.einsum("ij,ij->i", vectors, vectors)[:, None]
    return np.maximum(result, 0, out=result)


def _squared(vectors: Vectors, own: Floats, rows: Ints) -> Floats:
    """(N, T) squared distances to some of the rows."""
    result: Floats = np.maximum(own[:, None] + own[rows] - 2 * (vectors @ vectors[rows].T), 0)
    return result


def _means(vectors: Vectors, labels: Ints, centers: Vectors) -> Vectors:
    """(K, D) mean of each cluster's rows; an empty cluster keeps its center."""
    from scipy.sparse import csr_array

    sizes = np.bincount(labels, minlength=len(centers))
    members = np.argsort(labels, kind="stable")
    ends = np.concatenate([[0], np.cumsum(sizes)])
    sums = csr_array((np.ones(len(labels), np.float32), members, ends), shape=(len(centers), len(labels))) @ vectors
    means: Vectors = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centers).astype(np.float32)
    return means
