"""The pool as set algebra over item ids: labeled, in flight, ignored, holdout and unlabeled are disjoint."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tailfirst.contracts import Ids
from tailfirst.errors import TaskFolderError

UNLABELED, LABELED, IN_FLIGHT, IGNORED, HOLDOUT = range(5)
STATES = ("unlabeled", "labeled", "in_flight", "ignored", "holdout")


@dataclass(frozen=True, slots=True)
class Partition:
    """One state per item; `STATES` names them."""

    states: NDArray[np.uint8]  # (N,)

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """(N,) True where an item may be asked about now."""
        found: NDArray[np.bool_] = self.states == UNLABELED
        return found

    def count(self, state: str) -> int:
        """Items in a state."""
        return int((self.states == STATES.index(state)).sum())


def partition(
    item_ids: Ids,
    is_pool: NDArray[np.bool_],
    *,
    labeled: Collection[str] = (),
    in_flight: Collection[str] = (),
    ignored: Collection[str] = (),
) -> Partition:
    """One state per item; ids of items that are gone do not matter.

    A label (of any purpose) beats an order, an order beats `ignored`.

    Raises:
        TaskFolderError: A holdout item is labeled, in flight or ignored: it may only measure.
    """
    states = np.where(is_pool, UNLABELED, HOLDOUT).astype(np.uint8)
    for state, members in ((IGNORED, ignored), (IN_FLIGHT, in_flight), (LABELED, labeled)):
        inside = pc.is_in(pa.array(item_ids.tolist(), pa.string()), value_set=pa.array(sorted(members), pa.string()))
        rows = inside.to_numpy(zero_copy_only=False).astype(np.bool_)
        if (leak := rows & ~is_pool).any():
            names = ", ".join(item_ids[leak][:5])
            raise TaskFolderError(
                f"{int(leak.sum())} holdout item(s) are {STATES[state]}: {names}; a holdout item only measures: take "
                "it out of the labels or change its role in items.parquet"
            )
        states[rows] = state
    return Partition(states)


def sealed_rounds(folder: Path) -> tuple[int, ...]:
    """Numbers of the sealed rounds in data/rounds, ascending."""
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.exists() else []
    return tuple(sorted(int(name) for name in names if name.isdigit()))


def ignored_items(folder: Path) -> frozenset[str]:
    """Items that no sealed round wants asked again: what the rounds' round.json lists as `ignored`.

    Raises:
        TaskFolderError: A round.json cannot be read.
    """
    found: set[str] = set()
    for number in sealed_rounds(folder):
        path = folder / f"{number:04d}" / "round.json"
        try:
            found |= set(json.loads(path.read_text(encoding="utf-8")).get("ignored", ()))
        except (OSError, ValueError) as error:
            raise TaskFolderError(f"{path} cannot be read: {error}; `dvc checkout` restores it") from error
    return frozenset(found)
