"""One label per item from the answers of several people. Pure and versioned; order of the answers never matters."""

from collections.abc import Mapping

from tailfirst.contracts import Floats
from tailfirst.quality.answers import AnnotatorPrior, Answers, Consensus
from tailfirst.quality.crowdlab import crowdlab
from tailfirst.quality.dawid_skene import dawid_skene
from tailfirst.quality.majority import majority

__all__ = ["METHODS", "AnnotatorPrior", "Answers", "Consensus", "aggregate"]

METHODS = ("majority", "dawid_skene", "crowdlab")


def aggregate(
    method: str,
    answers: Answers,
    probs: Floats | None = None,
    prior: AnnotatorPrior | None = None,
    known: Mapping[str, str] | None = None,
    *,
    balanced: bool = False,
) -> Consensus:
    """Consensus of all items that have an answer.

    Args:
        method: One of METHODS.
        answers: At least one.
        probs: (N, C) class probabilities of a model that was not trained on these items' labels (out of sample), rows
            as answers.item_ids. crowdlab needs them, majority breaks ties with them.
        prior: What earlier rounds say of the annotators; dawid_skene counts it in, the others have no use for it.
        known: Gold: item id -> class id. Such an item gets this label with probability 1.
        balanced: crowdlab only: every class has the same say in the weights (skewed data).

    Raises:
        ValueError: Unknown method, no answers, arrays of the wrong shape, or crowdlab without probs.
    """
    if method not in METHODS:
        raise ValueError(f"no consensus method {method!r}; known: {', '.join(METHODS)}")
    if not len(answers.items):
        raise ValueError("no answers to aggregate")
    shape = (len(answers.item_ids), len(answers.class_ids))
    if probs is not None and probs.shape != shape:
        raise ValueError(f"probs must be (items, classes) = {shape}, found {probs.shape}")
    if method == "majority":
        return majority(answers, probs, known)
    if method == "dawid_skene":
        return dawid_skene(answers, prior, known)
    if probs is None:
        raise ValueError(
            f"crowdlab needs out-of-sample model probabilities {shape} for the answered items; without a model use "
            "majority or dawid_skene"
        )
    return crowdlab(answers, probs, known, balanced=balanced)
