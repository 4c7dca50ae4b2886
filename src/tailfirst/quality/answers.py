"""What goes into aggregation and what comes out: answers as index arrays, annotators' history, the consensus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Floats, Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """Who said what: L answers of A annotators on N items, C classes.

    One answer per item and annotator, in order of item, then annotator: two sets of the same answers are equal, in
    whatever order they came. Build with `Answers.build`.
    """

    item_ids: tuple[str, ...]  # (N,) sorted; every item has at least one answer
    class_ids: tuple[str, ...]  # (C,) as given
    annotator_ids: tuple[str, ...]  # (A,) sorted; every annotator gave at least one answer
    items: Ints  # (L,) index into item_ids, ascending
    annotators: Ints  # (L,) index into annotator_ids
    labels: Ints  # (L,) index into class_ids

    @classmethod
    def build(cls, rows: Iterable[tuple[str, str, str]], class_ids: Iterable[str]) -> "Answers":
        """Answers from rows (item_id, annotator_id, class_id); of one annotator on one item the last row counts.

        Raises:
            ValueError: A row names a class that is not among class_ids, or a class id stands there twice.
        """
        names = tuple(class_ids)
        codes = {name: code for code, name in enumerate(names)}
        if len(codes) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"class ids must differ; given twice: {', '.join(twice)}")
        last = {(item, annotator): label for item, annotator, label in rows}
        unknown = sorted(set(last.values()) - codes.keys())
        if unknown:
            raise ValueError(f"answers name unknown classes: {', '.join(unknown)}; known: {', '.join(names)}")
        item_ids = tuple(sorted({item for item, _ in last}))
        annotator_ids = tuple(sorted({annotator for _, annotator in last}))
        item_of = {name: row for row, name in enumerate(item_ids)}
        annotator_of = {name: row for row, name in enumerate(annotator_ids)}
        pairs = sorted(last)
        return cls(
            item_ids, names, annotator_ids,
            np.array([item_of[item] for item, _ in pairs], np.int64),
            np.array([annotator_of[annotator] for _, annotator in pairs], np.int64),
            np.array([codes[last[pair]] for pair in pairs], np.int64),
        )  # fmt: skip

    @property
    def per_item(self) -> Ints:
        """(N,) answers of each item."""
        return np.bincount(self.items, minlength=len(self.item_ids)).astype(np.int64)

    @property
    def counts(self) -> Floats:
        """(N, C) answers of each item per class."""
        n, c = len(self.item_ids), len(self.class_ids)
        return np.bincount(self.items * c + self.labels, minlength=n * c).reshape(n, c).astype(np.float64)

    def aligned(self, values: Mapping[tuple[str, str], float]) -> Floats:
        """(L,) a number per answer, given by (item_id, annotator_id), for example its seconds; nan where missing."""
        pairs = zip(self.items.tolist(), self.annotators.tolist(), strict=True)
        found = [values.get((self.item_ids[item], self.annotator_ids[who]), np.nan) for item, who in pairs]
        return np.array(found, np.float64)

    def codes(self, known: Mapping[str, str] | None) -> Ints:
        """(N,) class of the items whose truth is known, -1 elsewhere; items without an answer are passed over.

        Raises:
            ValueError: A known class is not among class_ids.
        """
        found = np.full(len(self.item_ids), -1, np.int64)
        codes = {name: code for code, name in enumerate(self.class_ids)}
        unknown = sorted(set((known or {}).values()) - codes.keys())
        if unknown:
            raise ValueError(f"gold names unknown classes: {', '.join(unknown)}; known: {', '.join(self.class_ids)}")
        for row, item in enumerate(self.item_ids if known else ()):
            if known and item in known:
                found[row] = codes[known[item]]
        return found


@dataclass(frozen=True, slots=True)
class AnnotatorPrior:
    """What earlier rounds say of annotators: how often each answered what where the truth was what."""

    annotator_ids: tuple[str, ...]  # (A',)
    class_ids: tuple[str, ...]  # (C,) must equal those of the answers
    counts: Floats  # (A', C, C): annotator, true class, answer; not negative, need not be whole


@dataclass(frozen=True, slots=True)
class Consensus:
    """One label per item with its probability, and what it says of the annotators."""

    posterior: Floats  # (N, C) rows sum to 1
    labels: Ints  # (N,) index into class_ids
    confidence: Floats  # (N,) posterior of the label
    annotator_quality: Floats  # (A,) in [0, 1], higher is better; nan where nothing can be said
    method: str  # "majority/1" | "dawid-skene/1" | "crowdlab/1"
