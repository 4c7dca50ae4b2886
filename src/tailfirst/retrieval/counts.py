"""How often captions name each class and each of its names, counted before any cap (ALOR, section 2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tailfirst.contracts import Ints
from tailfirst.retrieval.match import Hits
from tailfirst.retrieval.names import all_names
from tailfirst.retrieval.normalise import normalise
from tailfirst.task import ClassDef, Task


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The names of all classes, and the distinct phrases that captions are searched for."""

    classes: tuple[ClassDef, ...]
    phrases: tuple[str, ...]  # (P,) normalised, distinct
    names: tuple[str, ...]  # (E,) as in task.yaml, class by class, the official name first
    name_class: Ints  # (E,) row of the class
    name_phrase: Ints  # (E,) row of the phrase; classes may share one

    @classmethod
    def of(cls, task: Task) -> "Lexicon":
        """The lexicon of a task; of names of one class that read alike only the first stays."""
        phrases: dict[str, int] = {}
        names, name_class, name_phrase = [], [], []
        for row, one in enumerate(task.classes):
            own = dict.fromkeys(map(normalise, all_names(one)))
            first = {normalise(name): name for name in reversed(all_names(one))}
            for phrase in own:
                names.append(first[phrase])
                name_class.append(row)
                name_phrase.append(phrases.setdefault(phrase, len(phrases)))
        return cls(task.classes, tuple(phrases), tuple(names), np.array(name_class), np.array(name_phrase))


@dataclass(frozen=True, slots=True)
class Mentions:
    """Which caption holds which name: distinct pairs, by caption, then class, then name."""

    captions: Ints  # (H,)
    names: Ints  # (H,) rows of the lexicon's names


def mentions(lexicon: Lexicon, hits: Hits) -> Mentions:
    """Hits on phrases as hits on names; a phrase that two classes share counts for both."""
    order = np.argsort(lexicon.name_phrase, kind="stable")
    first = np.searchsorted(lexicon.name_phrase[order], np.arange(len(lexicon.phrases) + 1))
    counts = (first[1:] - first[:-1])[hits.phrases]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    names = order[np.repeat(first[hits.phrases], counts) + within]
    captions = np.repeat(hits.captions, counts)
    sort = np.lexsort((names, captions))
    return Mentions(captions[sort], names[sort])


@dataclass(frozen=True, slots=True)
class Counts:
    """Captions per class and per name; a caption counts once for a class, however many of its names it holds."""

    freq: Ints  # (C,)
    captions: Ints  # (E,)

    @classmethod
    def none(cls, lexicon: Lexicon) -> "Counts":
        """Nothing counted yet."""
        return cls(np.zeros(len(lexicon.classes), np.int64), np.zeros(len(lexicon.names), np.int64))

    def plus(self, lexicon: Lexicon, found: Mentions) -> "Counts":
        """With more captions counted; each caption may be counted in one call only."""
        classes = lexicon.name_class[found.names]
        once = np.ones(len(classes), np.bool_)
        once[1:] = (found.captions[1:] != found.captions[:-1]) | (classes[1:] != classes[:-1])
        freq = np.bincount(classes[once], minlength=len(self.freq))
        return Counts(self.freq + freq, self.captions + np.bincount(found.names, minlength=len(self.captions)))


def most_common_names(lexicon: Lexicon, captions: Sequence[int] | Ints) -> tuple[str, ...]:
    """(C,) the name of each class that most captions hold.

    A synonym whose words are only some of the official name's is passed over: `bear` says less than `polar bear`.
    Ties go to the official name, then to the order of task.yaml; so does a class that no caption names.
    """
    found = []
    for row, one in enumerate(lexicon.classes):
        official = frozenset(normalise(one.name).split())
        rows = np.flatnonzero(lexicon.name_class == row).tolist()
        fit = [name for name in rows if not frozenset(normalise(lexicon.names[name]).split()) < official]
        found.append(lexicon.names[max(fit, key=lambda name: (int(captions[name]), -name))])
    return tuple(found)
