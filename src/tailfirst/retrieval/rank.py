"""In which order the rows of a class are taken (ALOR, section 2.1 (6))."""

from collections.abc import Sequence

import numpy as np

from tailfirst.contracts import Encoder, Floats, Ints, Vectors
from tailfirst.embedding.cache import VectorCache
from tailfirst.embedding.embed import embed_texts
from tailfirst.retrieval.names import all_names
from tailfirst.task import Task
from tailfirst.vectors import unit

SPAN = 8192


def name_prototypes(encoder: Encoder, task: Task, cache: VectorCache) -> Vectors:
    """(C, D) t_c^alt: the normalised mean over all names and all templates of a class's unit text vectors."""
    prompts = [task.prompts(all_names(one)) for one in task.classes]
    vectors = embed_texts(encoder, [prompt for one in prompts for prompt in one], cache).astype(np.float64)
    ends = np.cumsum([len(one) for one in prompts])
    return unit(np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])]))


def cosines(vectors: Vectors, rows: Ints, prototypes: Vectors, classes: Ints) -> Floats:
    """(P,) cosine of `vectors[rows]` and `prototypes[classes]`, pair by pair."""
    out = np.empty(len(rows), np.float64)
    for start in range(0, len(rows), SPAN):
        part = slice(start, start + SPAN)
        left, right = vectors[rows[part]].astype(np.float64), prototypes[classes[part]].astype(np.float64)
        out[part] = np.einsum("pd,pd->p", left, right)
    return out


def anchors(vectors: Vectors, classes: Ints, prototypes: Vectors) -> Vectors:
    """(C, D) the normalised mean of the unit vectors of each class; the prototype of a class without any.

    Args:
        vectors: (M, D) of labeled items.
        classes: (M,) their classes.
        prototypes: (C, D)
    """
    found = prototypes.astype(np.float64)
    for row in np.unique(classes).tolist():
        found[row] = vectors[classes == row].astype(np.float64).mean(axis=0)
    return unit(found)


def queues(classes: Ints, scores: Floats, open_ids: Sequence[str], count: int) -> tuple[Ints, ...]:
    """For each class its rows, highest score first, equal scores by open id."""
    order = np.lexsort((np.asarray(open_ids, np.str_), -scores, classes))
    ends = np.searchsorted(classes[order], np.arange(count + 1))
    return tuple(order[ends[c] : ends[c + 1]] for c in range(count))
