"""What simulated people answer, and when: pure functions of (seed, submission key, annotator, round)."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

from tailfirst.port import Annotation
from tailfirst.vendors._simulated_params import Annotator, Fault, Latency, Params

EPOCH = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)  # a Monday morning; round k starts k weeks later
LATE = timedelta(days=10)  # how much later a `late_label` comes
CHANGED = timedelta(hours=1)  # how much later the second revision of a `label_changed` comes
_Z95 = 1.6448536269514722


def uniform(*parts: object) -> float:
    """A number in [0, 1) from the parts alone: adding a draw elsewhere never moves this one."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def fires(fault: Fault, seed: int, *, item_id: str = "", key: str = "", call: int = 0) -> bool:
    """Whether an armed fault hits this call (1-based) or this item."""
    if fault.at_call is not None:
        return fault.at_call == call
    if fault.items:
        return item_id in fault.items
    return uniform(seed, "fault", fault.name, key or f"call-{call}") < (fault.rate or 0.0)


def start_of(round_no: int) -> datetime:
    """When the vendor's work on a round starts, in its own simulated time."""
    return EPOCH + timedelta(weeks=round_no)


def choose_annotators(params: Params, key: str, overlap: int) -> tuple[Annotator, ...]:
    """`overlap` different people, assigned as work comes in: any of the staff may get any item."""
    order = sorted(params.annotators, key=lambda a: (uniform(params.seed, "assign", key, a.id), a.id))
    return tuple(order[:overlap])


def annotate(
    params: Params, key: str, truth: str, class_ids: Sequence[str], annotator: Annotator, round_no: int
) -> Annotation:
    """One person's answer about one item.

    Args:
        params: Options of the vendor.
        key: The submission key; what every draw hangs on.
        truth: The item's known class.
        class_ids: All classes, sorted.
        annotator: Who answers.
        round_no: Gives the simulated date.
    """

    def draw(what: str) -> float:
        return uniform(params.seed, key, annotator.id, what)

    work_s = round(2.0 + 28.0 * draw("work") ** 2, 1)
    started = start_of(round_no) + timedelta(seconds=_wait_s(params.latency, draw("wait")))
    skipped = draw("skip") < annotator.skip
    label = () if skipped else (_answer(annotator, truth, class_ids, draw("spam"), draw("skill"), draw("which")),)
    return Annotation(
        annotator_id=annotator.id,
        class_ids=label,
        skipped=skipped,
        reason="cannot tell" if skipped else "",
        started_at=started,
        submitted_at=started + timedelta(seconds=math.ceil(work_s)),
        work_s=work_s,
        provenance="HUMAN",
        saw_prelabel=False,
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
        people = sorted(choose_annotators(params, key, overlap), key=lambda a: a.id)
        found[item_id] = tuple(annotate(params, key, truth[item_id], class_ids, a, round_no) for a in people)
    return found


def other_class(class_ids: Sequence[str], truth: str, draw: float) -> str:
    """A wrong class, uniformly; the truth itself where there is no other."""
    others = [c for c in class_ids if c != truth]
    return others[int(draw * len(others))] if others else truth


def _answer(annotator: Annotator, truth: str, class_ids: Sequence[str], spam: float, skill: float, which: float) -> str:
    if spam < annotator.spam:
        return class_ids[int(which * len(class_ids))]
    if skill < annotator.skill:
        return truth
    return annotator.confuse.get(truth) or other_class(class_ids, truth, which)


def _wait_s(latency: Latency, draw: float) -> int:
    sigma = math.log(latency.p95_s / latency.median_s) / _Z95
    z = NormalDist().inv_cdf(min(max(draw, 1e-9), 1 - 1e-9))
    return math.ceil(min(latency.median_s * math.exp(sigma * z), 3 * latency.p95_s))
