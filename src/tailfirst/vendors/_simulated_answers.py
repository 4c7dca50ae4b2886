"""What simulated people answer, and when: pure functions of (seed, submission key, annotator, round)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

from tailfirst.port import Annotation
from tailfirst.vendors._simulated_faults import fires, uniform
from tailfirst.vendors._simulated_params import Annotator, Latency, Params

__all__ = [
    "BEGUN", "CHANGED", "EPOCH", "LATE", "SLOW", "Ask", "annotate", "answers", "choose_annotators", "fires",
    "other_class", "start_of", "uniform",
]  # fmt: skip

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)  # a Monday morning; round k starts k weeks later
LATE = timedelta(days=10)  # how much later a `late_label` comes
BEGUN = timedelta(days=4)  # how much later an item of `cancel_too_late` comes: somebody has begun it
SLOW = timedelta(days=6)  # how much later an item of `sla_partial` comes
CHANGED = timedelta(hours=1)  # how much later the second revision of a `label_changed` comes
SHIFT_H = 8.0  # nobody gets more tired than after a whole shift
_Z95 = 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Ask:
    """One labeling task as the people see it, and what only the simulation knows about it."""

    key: str  # what every draw hangs on
    item_id: str
    truth: str  # the item's known class
    class_ids: Sequence[str]  # all classes, sorted
    round_no: int = 1  # gives the simulated date
    purpose: str = "TRAIN"
    prelabel: str | None = None
    first: str | None = None  # what was first answered about this item


def start_of(round_no: int) -> datetime:
    """When the vendor's work on a round starts, in its own simulated time."""
    return EPOCH + timedelta(weeks=round_no)


def choose_annotators(
    params: Params, key: str, overlap: int, seen: frozenset[str] = frozenset()
) -> tuple[Annotator, ...]:
    """`overlap` different people, assigned as work comes in: any of the staff may get any item.

    Args:
        params: Options of the vendor.
        key: The submission key.
        overlap: How many.
        seen: Who has answered this item before; they are asked again only when nobody else is left.
    """
    order = sorted(params.annotators, key=lambda a: (a.id in seen, uniform(params.seed, "assign", key, a.id), a.id))
    return tuple(order[:overlap])


def annotate(params: Params, ask: Ask, annotator: Annotator) -> Annotation:
    """One person's answer about one item."""

    def draw(what: str) -> float:
        return uniform(params.seed, ask.key, annotator.id, what)

    blind = params.hit("annotator_spam", key=annotator.id) is not None
    work_s = round(0.5 + draw("work"), 1) if blind else round(2.0 + 28.0 * draw("work") ** 2, 1)
    wait_s = _wait_s(params.latency, draw("wait")) * (params.latency.hard_item_factor if _hard(params, ask) else 1)
    started = start_of(ask.round_no) + timedelta(seconds=math.ceil(wait_s))
    known = ask.purpose == "GOLD" and params.hit("gold_leaked", key=annotator.id) is not None
    skipped = not known and draw("skip") < annotator.skip
    label = ask.truth if known else _answer(params, ask, annotator, started, blind=blind)
    return Annotation(
        annotator_id=annotator.id,
        class_ids=() if skipped else (label,),
        skipped=skipped,
        reason="cannot tell" if skipped else "",
        started_at=started,
        submitted_at=started + timedelta(seconds=math.ceil(work_s)),
        work_s=work_s,
        provenance="HUMAN",
        saw_prelabel=ask.prelabel is not None,
    )


def answers(
    params: Params,
    truth: Mapping[str, str],
    item_ids: Sequence[str],
    overlap: int = 1,
    round_no: int = 1,
    keys: Mapping[str, str] | None = None,
) -> dict[str, tuple[Annotation, ...]]:
    """Every answer to the items, each item's answers in order of annotator id.

    Args:
        params: Options of the vendor.
        truth: Known class per item id.
        item_ids: Items to answer; each must be in `truth`.
        overlap: Answers per item, by different annotators.
        round_no: Gives the simulated dates.
        keys: Submission key per item id; without it the item id stands for the key.
    """
    class_ids = sorted(set(truth.values()))
    found: dict[str, tuple[Annotation, ...]] = {}
    for item_id in item_ids:
        key = keys[item_id] if keys else item_id
        ask = Ask(key, item_id, truth[item_id], class_ids, round_no)
        people = sorted(choose_annotators(params, key, overlap), key=lambda a: a.id)
        found[item_id] = tuple(annotate(params, ask, a) for a in people)
    return found


def other_class(class_ids: Sequence[str], truth: str, draw: float) -> str:
    """A wrong class, uniformly; the truth itself where there is no other."""
    others = [c for c in class_ids if c != truth]
    return others[int(draw * len(others))] if others else truth


def _answer(params: Params, ask: Ask, annotator: Annotator, started: datetime, *, blind: bool) -> str:
    """The class a person names: blindly, led by something else than the item, or by skill."""

    def draw(what: str) -> float:
        return uniform(params.seed, ask.key, annotator.id, what)

    if blind or draw("spam") < annotator.spam:
        return ask.class_ids[int(draw("which") * len(ask.class_ids))]
    led = _led(params, ask, draw("pair"))
    if led is not None:
        return led
    if draw("skill") < _skill(params, ask, annotator, started):
        return ask.truth
    return annotator.confuse.get(ask.truth) or other_class(ask.class_ids, ask.truth, draw("which"))


def _led(params: Params, ask: Ask, draw: float) -> str | None:
    """An answer that hangs on something else than the item: an earlier answer, a prelabel, an unclear guideline."""

    def struck(name: str) -> bool:
        return params.hit(name, item_id=ask.item_id, key=ask.key) is not None

    if ask.purpose == "RELABEL" and ask.first is not None and struck("relabel_correlated"):
        return ask.first
    if ask.prelabel is not None and struck("prelabel_anchoring"):
        return ask.prelabel
    unclear = params.hit("guideline_ambiguous", item_id=ask.item_id, key=ask.key)
    pair = (unclear.pair or tuple(ask.class_ids[:2])) if unclear else ()
    return pair[int(draw * len(pair))] if ask.truth in pair else None


def _skill(params: Params, ask: Ask, annotator: Annotator, started: datetime) -> float:
    """The chance of a right answer: less after hours of work, less on a hard item."""
    skill = annotator.skill_of.get(ask.truth, annotator.skill)
    hours = (started - EPOCH).total_seconds() / 3600 % 24
    skill *= 1 - annotator.fatigue * min(hours, SHIFT_H)
    return skill - (params.hard_skill_loss if _hard(params, ask) else 0.0)


def _hard(params: Params, ask: Ask) -> bool:
    return uniform(params.seed, "hard", ask.item_id) < params.hard_share


def _wait_s(latency: Latency, draw: float) -> int:
    sigma = math.log(latency.p95_s / latency.median_s) / _Z95
    z = NormalDist().inv_cdf(min(max(draw, 1e-9), 1 - 1e-9))
    return math.ceil(min(latency.median_s * math.exp(sigma * z), 3 * latency.p95_s))
