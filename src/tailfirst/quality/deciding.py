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
Place = tuple[str, str]
SAME = 1e-9  # posteriors this close are a tie


@dataclass(frozen=True, slots=True)
class Case:
    """An item and everybody's answers to it, over all rounds."""

    item_id: str
    purpose: str  # TRAIN | AUDIT | GOLD
    votes: tuple[Vote, ...]

    @property
    def place(self) -> Place:
        """Item and purpose: one item may have been asked for two."""
        return self.item_id, self.purpose


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


def decide(cases: Sequence[Case], rule: Rule) -> dict[Place, Decided]:
    """One decision per case, by (item, purpose).

    Crowdlab needs the model's probabilities: items without them, and audit items, are decided by dawid_skene. That
    learns about people from all of their answers, gold first of all.
    """
    voted = {
        case.place: Decided(majority(case.votes, rule.min_agreement, humans_only=case.purpose in HUMANS_ONLY), METHOD)
        for case in cases
    }
    if rule.method == "majority":
        return voted
    found = _posteriors("dawid_skene", cases, rule)
    if rule.method == "crowdlab":
        found |= _posteriors("crowdlab", [c for c in cases if c.purpose == TRAIN and c.item_id in rule.probs], rule)
    return {place: _settled(one, found.get(place), rule) for place, one in voted.items()}


def class_votes(case: Case, class_ids: Sequence[str]) -> dict[str, str]:
    """Annotator -> class: the newest answer of each, where it is one class of the ontology."""
    allowed = [v for v in case.votes if not (case.purpose in HUMANS_ONLY and v.provenance == "MACHINE")]
    return {
        v.annotator_id: v.class_ids[0]
        for v in newest(allowed)
        if not v.skipped and len(v.class_ids) == 1 and v.class_ids[0] in class_ids
    }


def _posteriors(method: str, cases: Sequence[Case], rule: Rule) -> dict[Place, tuple[Floats, str]]:
    """(C,) posterior of each case and the method's version; cases without a class vote are left out."""
    units = {"|".join(case.place): case for case in cases}
    rows = [(unit, who, what) for unit, c in units.items() for who, what in class_votes(c, rule.class_ids).items()]
    if not rows:
        return {}
    answers = Answers.build(rows, rule.class_ids)
    order = [units[unit] for unit in answers.item_ids]
    probs = np.array([rule.probs[case.item_id] for case in order]) if method == "crowdlab" else None
    known = {
        unit: rule.known[case.item_id]
        for unit, case in units.items()
        if case.purpose == GOLD and rule.known.get(case.item_id) in rule.class_ids
    }
    found: Consensus = aggregate(method, answers, probs, known=known)
    return {case.place: (found.posterior[row], found.method) for row, case in enumerate(order)}


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
