"""The quota stage: which class gets how many of the batch (specs/methods.md section 2 and M2, specs/alor.md section 4).

Pure: scores of the rows of a view go in, a draft of the batch comes out. Classes are counted in the order of their ids.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailfirst.acquisition import _probs, _retrieved, _rows, _search
from tailfirst.acquisition._fill import Filling, one_hot
from tailfirst.contracts import Floats, Ints, PoolView, Selection


class TailFirst(BaseModel):
    """The switches of Tail First Sampling (specs/alor.md 7.6-7.9)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # w: labels that one matching caption stands for; fit: the one that explains the errors on the labels best
    retrieved_weight: Annotated[float, Field(ge=0)] | Literal["fit"] = 0.01
    retrieved_by: Literal["captions", "kept"] = "captions"  # n: all that match, or rows that retrieval kept
    relevance: Literal["none", "t2t"] = "none"  # w_c = w * mean t2t score of the kept rows
    retrieved_cap: float | None = Field(500, ge=0)  # captions beyond it count nothing: w * min(n, cap); null = all
    counting: Literal["hard", "expected"] = "hard"  # a pick adds 1 to its class, or its probabilities to all
    max_share: float | None = Field(0.2, gt=0, le=1)  # of the batch for one class; null = no cap
    search: Literal["none", "text", "prototype"] = "prototype"
    search_share: float = Field(0.3, ge=0, le=1)  # of the batch for all searches together
    exhausted_after: int | None = Field(None, ge=1)  # searches in a row without a member end a class's; null = never
    exhausted_answers: int = Field(5, ge=1)  # that these searches need together


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch as the quota leaves it; classes and groups are places in the order of class ids."""

    rows: Ints  # (B,) distinct rows of the view, in buying order
    classes: Ints  # (B,) the class each pick was taken for
    why: tuple[str, ...]  # (B,) reason code without the class
    stages: tuple[str, ...]  # (B,) quota | search | fill | score
    groups: Ints  # (B,) the queue a quota pick came from
    queues: Sequence[Ints]  # candidates of each group, best first, for a stage that chooses anew inside a group
    before: Floats  # (C,) counts used by the rule; empty where there is no quota
    added: Callable[[int, int], Floats]  # (row, class) -> (C,) what a pick adds to them
    starved: tuple[int, ...] = ()
    capped: tuple[int, ...] = ()
    exhausted: tuple[int, ...] = ()
    weight: float | None = None  # w of retrieved items


def tail_first(view: PoolView, scores: Floats, budget: int, options: TailFirst, depth: int = 1) -> Draft:
    """Quota picks in the order taken, then search picks, then what capped classes fill up.

    Args:
        view: The candidates.
        scores: (N,) what ranks the items inside a class.
        budget: Picks, at most N.
        options: The switches.
        depth: How many times the budget a queue may be long.

    Raises:
        Unavailable: There is no model yet, or no count or score of retrieved rows that the options ask for.
    """
    order = by_id(view)
    retrieved = _retrieved.amounts(view, options.retrieved_by, options.retrieved_cap, options.relevance)
    weight = options.retrieved_weight
    if weight == "fit":
        weight = _retrieved.fit_weight(_retrieved.evidence(view), retrieved)
    counts = (view.n_labeled + view.n_pending + weight * retrieved)[order].astype(np.float64)
    queues = _queues(predicted(view), len(order), scores, view, budget * depth)
    cap = budget if options.max_share is None else math.ceil(options.max_share * budget - 1e-9)

    def added(row: int, c: int) -> Floats:
        hard = options.counting == "hard"
        return one_hot(c, len(order)) if hard else _probs.rows(view, np.array([row]))[0][order].astype(np.float64)

    filling = Filling(counts.copy(), queues, cap, added)
    anchors = _search.anchors(view, options.search, order)
    spent = _search.exhausted(view, order, options.exhausted_after, options.exhausted_answers)
    short = _search.shortage(counts, [len(q) for q in queues], budget, cap, anchors, spent)
    reserved = _search.trim(short, math.ceil(options.search_share * budget - 1e-9))
    filling.run(budget - int(reserved.sum()), "tail", "quota")
    for row, c in _search.find(view, anchors, reserved, np.array(filling.rows, np.int64)):
        filling.take(row, c, "search", "search")
    filling.reopen()
    filling.run(budget, "fill", "fill")
    gone = tuple(np.flatnonzero(spent).tolist())
    return replace(_draft(filling, counts), exhausted=gone, weight=weight)


def pcb(view: PoolView, candidates: Ints, budget: int, rng: np.random.Generator) -> Draft:
    """PCB's balance: a random candidate of the class with the fewest labels, again and again (arXiv 2311.11178).

    A class that has no candidate left leaves the round; the released rule keeps it the smallest and thereby makes all
    further picks random.

    Args:
        view: The eligible items.
        candidates: At least `budget` distinct rows, in an order that does not depend on the pool's.
        budget: Picks.
        rng: Draws inside the classes.

    Raises:
        Unavailable: There is no model yet.
    """
    order = by_id(view)
    counts = (view.n_labeled + view.n_pending)[order].astype(np.float64)
    drawn = rng.permutation(candidates)
    classes = predicted(view)[drawn]
    queues = [drawn[classes == c] for c in range(len(order))]
    filling = Filling(counts.copy(), queues, budget, lambda _, c: one_hot(c, len(order)))
    filling.run(budget, "pcb", "quota")
    return _draft(filling, counts)


def none(view: PoolView, scores: Floats, budget: int, why: str, depth: int = 1) -> Draft:
    """The best rows by score, whatever their classes: one group."""
    queue = _rows.best(scores, view.item_ids, min(budget * depth, len(scores)))
    rows = queue[:budget]
    classes = predicted(view)[rows] if _probs.known(view) else np.full(len(rows), -1)
    nothing = np.zeros(0)
    groups = np.zeros(len(rows), np.int64)
    stages = ("score",) * len(rows)
    return Draft(rows, classes, (why,) * len(rows), stages, groups, [queue], nothing, lambda _row, _c: nothing)


def selection(view: PoolView, draft: Draft, scores: Floats) -> Selection:
    """The draft as what a strategy hands out; no pick has a known inclusion probability."""
    names = sorted(view.class_ids)
    after = draft.before.copy()
    for row, c in zip(draft.rows.tolist(), draft.classes.tolist(), strict=True):
        after += draft.added(row, c)
    counted = names if len(draft.before) else []
    reasons = zip(draft.why, draft.classes.tolist(), strict=True)
    return Selection(
        rows=draft.rows,
        scores=scores[draft.rows],
        inclusion_probabilities=np.full(len(draft.rows), np.nan),
        reasons=tuple(f"{why}:{names[c]}" if c >= 0 else why for why, c in reasons),
        stages=draft.stages,
        starved=tuple(names[c] for c in draft.starved),
        capped=tuple(names[c] for c in draft.capped),
        exhausted=tuple(names[c] for c in draft.exhausted),
        retrieved_weight=draft.weight,
        counts_before=dict(zip(counted, draft.before.tolist(), strict=True)),
        counts_after=dict(zip(counted, after.tolist(), strict=True)),
    )


def by_id(view: PoolView) -> Ints:
    """(C,) rows of class_ids in the order of their ids: ties between classes go to the smaller id."""
    return np.argsort(np.array(view.class_ids), kind="stable").astype(np.int64)


def predicted(view: PoolView) -> Ints:
    """(N,) likeliest class of each row, as a place in the order of class ids."""
    place = np.argsort(by_id(view))
    found: Ints = place[_probs.look(view, entropies=False, margins=False).first]
    return found


def _draft(filling: Filling, counts: Floats) -> Draft:
    classes = np.array([c for _, c in filling.reasons], np.int64)
    return Draft(
        rows=np.array(filling.rows, np.int64),
        classes=classes,
        why=tuple(why for why, _ in filling.reasons),
        stages=tuple(filling.stages),
        groups=classes,
        queues=filling.queues,
        before=counts,
        added=filling.added,
        starved=tuple(sorted(filling.starved)),
        capped=tuple(sorted(filling.capped)),
    )


def _queues(classes: Ints, count: int, scores: Floats, view: PoolView, longest: int) -> list[Ints]:
    """Per class its rows by (highest score, item id), at most `longest`."""
    by_class = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes, minlength=count))
    queues = []
    for start, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
        rows = by_class[start:end]
        queues.append(rows[_rows.best(scores[rows], view.item_ids[rows], min(longest, len(rows)))])
    return queues
