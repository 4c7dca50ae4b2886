"""Sets of sha256 as sorted numbers: 16 bytes a member, so that 10^7 items fit in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailfirst.contracts import Ints
from tailfirst.errors import TaskFolderError

Words = NDArray[np.uint64]
SPAN = 100_000


def words(shas: Sequence[str]) -> Words:
    """(N, 2) the first 128 bits of each hex sha256.

    Raises:
        TaskFolderError: Something that is no hex sha256.
    """
    out = np.empty((len(shas), 2), np.uint64)
    for start in range(0, len(shas), SPAN):
        part = shas[start : start + SPAN]
        try:
            raw = np.frombuffer(bytes.fromhex("".join(part)), dtype=">u8").reshape(len(part), -1)
        except (ValueError, TypeError) as error:
            bad = next((s for s in part if not isinstance(s, str) or len(s) != 64), part[0])
            raise TaskFolderError(f"sha256 {bad!r} is not 64 hex digits") from error
        if len(part) and raw.shape[1] != 4:
            raise TaskFolderError(f"sha256 {part[0]!r} is not 64 hex digits")
        out[start : start + SPAN] = raw[:, :2]
    return out


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys in ascending order, with the place each came from."""

    first: Words  # (K,) ascending
    second: Words  # (K,)
    places: Ints  # (K,)

    @classmethod
    def of(cls, keys: Words, start: int = 0) -> "Keys":
        """Keys from (K, 2) words; their places are their rows, counted from `start`."""
        order = np.argsort(keys[:, 0], kind="stable")
        return cls(np.ascontiguousarray(keys[order, 0]), np.ascontiguousarray(keys[order, 1]), order + start)

    @classmethod
    def joined(cls, levels: Sequence["Keys"]) -> "Keys":
        """All keys of several sets; of equal keys the place in the earliest set is found."""
        first = np.concatenate([level.first for level in levels])
        order = np.argsort(first, kind="stable")
        second = np.concatenate([level.second for level in levels])
        places = np.concatenate([level.places for level in levels])
        return cls(first[order], second[order], places[order])

    def find(self, keys: Words) -> Ints:
        """(N,) the place of each key, -1 where it is none of ours.

        Of two different keys with equal first halves one is never found: repeated work, but never a wrong vector.
        """
        if not len(self.first):
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(self.first, keys[:, 0]), len(self.first) - 1)
        found = (self.first[at] == keys[:, 0]) & (self.second[at] == keys[:, 1])
        return np.where(found, self.places[at], -1)
