"""From answers to labels: what each item of a round came to. Pure but for its reads of the ledger.

Decided is per item, on all answers of all rounds: a second opinion of this round counts beside the answers of the round
that bought the item first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tailfirst.context import Context
from tailfirst.labeling._evidence import Evidence, gather, purpose_of
from tailfirst.labeling._exported import late_deliveries
from tailfirst.ledger.exports import Place
from tailfirst.ledger.records import AnnotationRow, DeliveryRow, RoundRow, TaskRow
from tailfirst.quality.consensus import Verdict, majority
from tailfirst.quality.deciding import HUMANS_ONLY, Decided, Rule, decide
from tailfirst.quality.judging import Judged, judge


@dataclass(frozen=True, slots=True)
class Decision:
    """An item and what its answers amount to; `late_for_round` when its own round was sealed before."""

    task: TaskRow  # stands for the item: the purchase that chose it
    verdict: Verdict
    method: str  # consensus method and version
    tasks: tuple[TaskRow, ...]  # the answered tasks that end with this decision
    late_for_round: int | None = None
    reworked: bool = False  # answers were thrown away, and no label is left


@dataclass(frozen=True, slots=True)
class Harvest:
    """Everything that a round's seal exports: its own, and what came late for earlier rounds."""

    decisions: tuple[Decision, ...]
    deliveries: tuple[tuple[int, DeliveryRow], ...]  # with the round that ordered
    annotations: tuple[tuple[int, TaskRow, AnnotationRow], ...]
    evidence: Evidence
    judged: Judged
    retracted: tuple[tuple[int, TaskRow], ...] = ()  # of sealed rounds, whose answer the vendor deleted since
    elsewhere: Mapping[Place, int] = field(default_factory=dict)  # late ones that an earlier seal's folder holds

    @property
    def labeled(self) -> tuple[Decision, ...]:
        """The decisions that are labels; an answer to gold is none."""
        return tuple(d for d in self.decisions if d.verdict.kind == "LABEL" and d.task.purpose != "GOLD")

    @property
    def dropped(self) -> frozenset[tuple[str, str]]:
        """(item, annotator) that this seal does not count, and no earlier one has said so."""
        return self.judged.dropped - self.evidence.dropped_before


@dataclass(frozen=True, slots=True)
class _Part:
    """What a round gives to a seal."""

    answered: tuple[TaskRow, ...]
    retracted: tuple[tuple[int, TaskRow], ...]
    deliveries: tuple[tuple[int, DeliveryRow], ...]
    annotations: tuple[tuple[int, TaskRow, AnnotationRow], ...]


def verdicts(ctx: Context, row: RoundRow) -> dict[str, Verdict]:
    """What the newest answers of each answered task of a round amount to by vote, by submission key."""
    answers: dict[str, list[AnnotationRow]] = defaultdict(list)
    for one in ctx.ledger.deliveries.annotations(ctx.campaign, row.round_no):
        answers[one.key].append(one)
    tasks = ctx.ledger.tasks.list(ctx.campaign, row.round_no)
    return {t.key: _vote(ctx, t, answers[t.key]) for t in tasks if t.key in answers}


def harvest(ctx: Context, row: RoundRow) -> Harvest:
    """Gather a round's own answers, and those of earlier rounds that no earlier seal has exported.

    The ledger marks what was exported when the seal is committed, so a repeated call during the same seal gives the
    same.
    """
    late = late_deliveries(ctx, row.round_no)
    by_round: dict[int, list[DeliveryRow]] = defaultdict(list)
    for round_no, delivery in late.rows:
        by_round[round_no].append(delivery)
    own = _of_round(ctx, row.round_no, ctx.ledger.deliveries.raw(ctx.campaign, row.round_no), late=False)
    parts = [own, *(_of_round(ctx, number, some, late=True) for number, some in sorted(by_round.items()))]
    answered = [task for part in parts for task in part.answered]
    evidence = gather(ctx, row, answered)
    judged = judge(evidence.said(ctx.task.class_ids), ctx.task.class_ids, ctx.params.quality)
    return Harvest(
        tuple(_decisions(ctx, row, answered, evidence, judged)),
        tuple(d for part in parts for d in part.deliveries),
        tuple(a for part in parts for a in part.annotations),
        evidence,
        judged,
        tuple(t for part in parts for t in part.retracted),
        late.elsewhere,
    )


def rule(ctx: Context, evidence: Evidence) -> Rule:
    """How answers become labels here."""
    return Rule(
        ctx.params.quality.consensus, ctx.task.class_ids, ctx.params.round.min_agreement, evidence.gold, evidence.probs
    )


def decide_all(ctx: Context, evidence: Evidence, dropped: frozenset[tuple[str, str]]) -> dict[tuple[str, str], Decided]:
    """Everything that the evidence holds, by (item, purpose), without the answers that are not counted."""
    return decide([case for _, case in sorted(evidence.cases(dropped).items())], rule(ctx, evidence))


def _decisions(
    ctx: Context, row: RoundRow, answered: Sequence[TaskRow], evidence: Evidence, judged: Judged
) -> list[Decision]:
    dropped = evidence.dropped_before | judged.dropped
    found = decide_all(ctx, evidence, dropped)
    first = _firsts(evidence)
    groups: dict[tuple[str, str], list[TaskRow]] = defaultdict(list)
    for task in answered:
        groups[task.item_id, purpose_of(task)].append(task)
    fresh = {item for item, _ in judged.dropped - evidence.dropped_before}
    return [
        Decision(
            task=first[place] if place[1] == "TRAIN" else tasks[0],
            verdict=found[place].verdict,
            method=found[place].method,
            tasks=tuple(tasks),
            late_for_round=_late(row, tasks),
            reworked=place[1] == "TRAIN" and place[0] in fresh and found[place].verdict.kind != "LABEL",
        )
        for place, tasks in groups.items()
        if place in found
    ]


def _late(row: RoundRow, tasks: Sequence[TaskRow]) -> int | None:
    return None if any(task.round_no == row.round_no for task in tasks) else min(task.round_no for task in tasks)


def _firsts(evidence: Evidence) -> Mapping[tuple[str, str], TaskRow]:
    """The oldest purchase of each item: it says how the item was chosen."""
    found: dict[tuple[str, str], TaskRow] = {}
    for one in sorted(evidence.given, key=lambda g: (g.task.round_no, g.task.rank, g.task.overlap_slot, g.task.key)):
        found.setdefault((one.task.item_id, purpose_of(one.task)), one.task)
    return found


def _of_round(ctx: Context, round_no: int, deliveries: Sequence[DeliveryRow], *, late: bool) -> _Part:
    """What deliveries of a round bring: the answers of their tasks, and late ones that took an answer back."""
    keys = {d.key for d in deliveries if d.parsed_at is not None and d.quarantine_reason is None}
    tasks = {t.key: t for t in ctx.ledger.tasks.list(ctx.campaign, round_no) if t.key in keys}
    answered = {a.key for a in ctx.ledger.deliveries.annotations(ctx.campaign, round_no)}
    return _Part(
        tuple(t for t in tasks.values() if t.key in answered),
        tuple((round_no, t) for t in tasks.values() if t.key not in answered) if late else (),
        tuple((round_no, d) for d in deliveries),
        tuple(
            (round_no, tasks[a.key], a)
            for a in ctx.ledger.deliveries.annotations(ctx.campaign, round_no, all_revisions=True)
            if a.key in tasks
        ),
    )


def _vote(ctx: Context, task: TaskRow, answers: Sequence[AnnotationRow]) -> Verdict:
    return majority(answers, ctx.params.round.min_agreement, humans_only=task.purpose in HUMANS_ONLY)
