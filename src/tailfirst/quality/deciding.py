"""What all answers to each item amount to, by the consensus method of params.yaml. Pure.

The method decides among classes only. That nobody can answer, that none of the classes fits, and ties with "none of
these" are decided by the vote (quality/consensus.py) before it. The model never has a say about an audit item: what
measures the model must not be made by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tailfirst.contracts import Floats
from tailfirst.quality.aggregate import aggregate
from tailfirst.quality.answers import Answers, Consensus
from tailfirst.quality.consensus import METHOD, Verdict, Vote, majority, newest

AUDIT, GOLD, TRAIN = "AUDIT", "GOLD", "TRAIN"
HUMANS_ONLY = (AUDIT, GOLD)
SAME = 1e-9  # posteriors this close are a tie


@dataclass(frozen=True, slots=True)
class Case:
    """An item and everybody's answers to it, over all rounds."""

    item_id: str
    purpose: str  # TRAIN | AUDIT | GOLD
    votes: tuple[Vote, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict and the method behind it, with its version."""

    verdict: Verdict
    method: str


@dataclass(frozen=True, slots=True)
class Rule:
    """How answers become labels."""

    method: str  # majority | dawid_skene | crowdlab
    class_ids: tuple[str, ...]
    min_agreement: float
    known: Mapping[str, str]  # gold: item -> class
    probs: Mapping[str, Floats]  # (C,) of a model that knew no answer to the item


def decide(cases: Sequence[Case], rule: Rule) -> dict[str, Decided]:
    """One decision per item.

    Crowdlab needs the model's probabilities: items without them, and audit items, are decided by dawid_skene.
    """
    voted = {
        case.item_id: Decided(majority(case.votes, rule.min_agreement, humans_only=case.purpose in HUMANS_ONLY), METHOD)
        for case in cases
    }
    if rule.method == "majority":
        return voted
    with_model = [c for c in cases if rule.method == "crowdlab" and c.purpose == TRAIN and c.item_id in rule.probs]
    ours = {case.item_id for case in with_model}
    found = _posteriors("crowdlab", with_model, rule)
    found |= _posteriors("dawid_skene", [c for c in cases if c.item_id not in ours], rule)
    return {item: _settled(one, found.get(item), rule) for item, one in voted.items()}


def class_votes(case: Case, class_ids: Sequence[str]) -> dict[str, str]:
    """Annotator -> class: the newest answer of each, where it is one class of the ontology."""
    allowed = [v for v in case.votes if not (case.purpose in HUMANS_ONLY and v.provenance == "MACHINE")]
    return {
        v.annotator_id: v.class_ids[0]
        for v in newest(allowed)
        if not v.skipped and len(v.class_ids) == 1 and v.class_ids[0] in class_ids
    }


def _posteriors(method: str, cases: Sequence[Case], rule: Rule) -> dict[str, tuple[Floats, str]]:
    """Item -> (C,) posterior and the method's version; items without a class vote are left out."""
    rows = [(c.item_id, who, what) for c in cases for who, what in class_votes(c, rule.class_ids).items()]
    if not rows:
        return {}
    answers = Answers.build(rows, rule.class_ids)
    probs = np.array([rule.probs[item] for item in answers.item_ids]) if method == "crowdlab" else None
    known = {item: what for item, what in rule.known.items() if what in rule.class_ids}
    found: Consensus = aggregate(method, answers, probs, known=known)
    return {item: (found.posterior[row], found.method) for row, item in enumerate(answers.item_ids)}


def _settled(voted: Decided, found: tuple[Floats, str] | None, rule: Rule) -> Decided:
    vote = voted.verdict
    split = vote.kind == "UNRESOLVED" and vote.reason.startswith("tie") and "none_of_these" in vote.reason
    if found is None or vote.kind not in {"LABEL", "UNRESOLVED"} or split:
        return voted
    posterior, method = found
    order = np.argsort(-posterior, kind="stable")
    best, sure = int(order[0]), float(posterior[order[0]])
    if sure - float(posterior[order[1]]) < SAME:
        tied = sorted(rule.class_ids[int(row)] for row in order if sure - posterior[row] < SAME)
        return Decided(_open(vote, sure, f"tie between {', '.join(tied)}"), method)
    if sure < rule.min_agreement:
        return Decided(_open(vote, sure, f"probability {sure:.2f} is below {rule.min_agreement:.2f}"), method)
    return Decided(replace(vote, kind="LABEL", class_id=rule.class_ids[best], confidence=sure, reason=""), method)


def _open(vote: Verdict, sure: float, why: str) -> Verdict:
    return replace(vote, kind="UNRESOLVED", class_id=None, confidence=sure, reason=why)
