"""The one function on vectors that everybody needs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Vectors


def unit(vectors: NDArray[Any]) -> Vectors:
    """(N, D) float32 rows of length 1, from rows of any float type; a row of zeros stays zeros."""
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))[:, None]
    result: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return result
