"""Answers that are no class: "none of these", "unusable", "unsure". First-class answers, told apart everywhere.

How they travel: `port.Annotation(skipped=True, class_ids=(), reason=KIND)` with one of the three ids below as the
reason. An adapter offers them to its annotators under `WORDS` (a choice, a button, an allowed value of a column) and
reads every answer with `answer_of`, so that all adapters map the same way. Any other reason of a skip is free text: it
is kept and counted as "other".
"""

from dataclasses import dataclass

from tailfirst.port import Ontology
from tailfirst.task import fold

NONE_OF_THESE = "none_of_these"  # the item shows something, and no class of the ontology fits
UNUSABLE = "unusable"  # broken, empty, unreadable: nobody could answer
UNSURE = "unsure"  # this annotator cannot tell; another one, or an expert, may
SKIPS = (NONE_OF_THESE, UNUSABLE, UNSURE)
WORDS = {NONE_OF_THESE: "None of these", UNUSABLE: "Unusable", UNSURE: "Unsure"}
_NAMES = {fold(name): kind for kind, words in WORDS.items() for name in (kind, words)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor's answer text means: a class, one of `SKIPS`, or (both empty) nothing that we know."""

    class_id: str | None
    skip: str


def skip_of(text: str) -> str:
    """The skip that a text names, or "". Case, spaces, `-` and `_` do not matter."""
    return _NAMES.get(fold(text), "")


def answer_of(text: str, ontology: Ontology) -> Answer:
    """What an answer means; a class of the ontology wins over a reserved answer of the same name."""
    class_id = ontology.resolve(text)
    return Answer(class_id, "" if class_id is not None else skip_of(text))
