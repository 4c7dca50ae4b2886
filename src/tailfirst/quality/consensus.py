"""From several people's answers to one label: majority vote. Pure, versioned; ties stay open.

"None of these" and "unusable" are answers like a class (quality/skips.py: `skipped=True`, `class_ids=()`, and the
reason is `none_of_these`, `unusable` or `unsure`): they are counted, can win, and then there is no label but a reason.
"Unsure" is an abstention, unless more than half of all who were asked say it. Other skips are not counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from tailfirst.quality.skips import NONE_OF_THESE, UNSURE, UNUSABLE, skip_of

METHOD = "majority/1"
COUNTED_SKIPS = (NONE_OF_THESE, UNUSABLE)

Kind = Literal["LABEL", "UNRESOLVED", "SKIPPED", "UNUSABLE"]


class Vote(Protocol):
    """What a vote needs of an annotation; `port.Annotation` and the ledger's rows both offer it."""

    @property
    def annotator_id(self) -> str:
        """Stable pseudonym."""

    @property
    def class_ids(self) -> tuple[str, ...]:
        """The answer."""

    @property
    def skipped(self) -> bool:
        """Handed back without an answer."""

    @property
    def reason(self) -> str:
        """Why it was skipped."""

    @property
    def submitted_at(self) -> datetime:
        """Vendor's time."""

    @property
    def provenance(self) -> str:
        """HUMAN | MACHINE | UNKNOWN."""


V = TypeVar("V", bound=Vote)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answers to one item amount to."""

    kind: Kind
    class_id: str | None
    confidence: float | None  # share of the counted votes that the winner got, in (0, 1]
    n_annotations: int  # counted votes
    annotators: tuple[str, ...]  # of the counted votes, sorted
    reason: str  # why there is no label; "" where there is one


def majority(votes: Sequence[Vote], min_agreement: float = 0.0, *, humans_only: bool = False) -> Verdict:
    """The answer with the most votes: a class, or none_of_these / unusable, which give SKIPPED with that reason.

    One vote per annotator, the newest. Answers with no class or several are not counted. A tie is UNRESOLVED and never
    broken by chance or order: the item can be asked again.

    Args:
        votes: All annotations of one item.
        min_agreement: Smallest share of the winner, in [0, 1].
        humans_only: Leave machine answers out (gold, audit; specs/vendor.md section 5, row 34).
    """
    allowed = [v for v in votes if not (humans_only and v.provenance == "MACHINE")]
    latest = newest(allowed)
    counted = {v.annotator_id: answer for v in latest if (answer := counted_answer(v))}
    annotators = tuple(sorted(counted))
    unsure = sum(skipped_as(v) == UNSURE for v in latest)
    if unsure * 2 > unsure + len(counted):
        return Verdict("SKIPPED", None, None, unsure, (), UNSURE)
    if not counted:
        return _nothing(latest, votes)
    ranked = Counter(counted.values()).most_common()
    best, n_best = ranked[0]
    share = n_best / len(counted)
    tied = sorted(name for name, n in ranked if n == n_best)
    if len(tied) > 1:
        return Verdict("UNRESOLVED", None, share, len(counted), annotators, f"tie between {', '.join(tied)}")
    if best in COUNTED_SKIPS and all(skipped_as(v) for v in latest if counted.get(v.annotator_id) == best):
        return Verdict("SKIPPED", None, share, len(counted), annotators, best)
    if share < min_agreement:
        why = f"agreement {share:.2f} is below {min_agreement:.2f}"
        return Verdict("UNRESOLVED", None, share, len(counted), annotators, why)
    return Verdict("LABEL", best, share, len(counted), annotators, "")


def newest(votes: Sequence[V]) -> list[V]:
    """The newest vote of each annotator, by the vendor's time."""
    return list({v.annotator_id: v for v in sorted(votes, key=lambda v: (v.submitted_at, v.class_ids))}.values())


def counted_answer(vote: Vote) -> str:
    """The class, none_of_these or unusable that a vote names; "" where it is not counted."""
    if vote.skipped:
        kind = skipped_as(vote)
        return kind if kind in COUNTED_SKIPS else ""
    return vote.class_ids[0] if len(vote.class_ids) == 1 else ""


def skipped_as(vote: Vote) -> str:
    """none_of_these, unusable or unsure; "" for an answer and for skips with another reason."""
    return skip_of(vote.reason) if vote.skipped else ""


def _nothing(latest: Sequence[Vote], votes: Sequence[Vote]) -> Verdict:
    if latest and all(v.skipped for v in latest):
        reasons = sorted({v.reason or "no reason given" for v in latest})
        return Verdict("SKIPPED", None, None, 0, (), f"skipped: {', '.join(reasons)}")
    if votes and not latest:
        return Verdict("UNUSABLE", None, None, 0, (), "only machine answers where people were asked")
    return Verdict("UNUSABLE", None, None, 0, (), "no answer with exactly one class")
