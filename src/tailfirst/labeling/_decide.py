"""From answers to labels: what each labeling task of a round came to. Pure but for its reads of the ledger."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tailfirst.context import Context
from tailfirst.labeling.fold import sealed_folders
from tailfirst.ledger.records import AnnotationRow, DeliveryRow, RoundRow, TaskRow
from tailfirst.quality.consensus import Verdict, majority

Place = tuple[str, str]  # vendor id, revision


@dataclass(frozen=True, slots=True)
class Decision:
    """A labeling task and what its answers amount to; `late_for_round` when its own round was sealed before."""

    task: TaskRow
    verdict: Verdict
    late_for_round: int | None = None


@dataclass(frozen=True, slots=True)
class Harvest:
    """Everything that a round's seal exports: its own, and what came late for earlier rounds."""

    decisions: tuple[Decision, ...]
    deliveries: tuple[tuple[int, DeliveryRow], ...]  # with the round that ordered
    annotations: tuple[tuple[int, TaskRow, AnnotationRow], ...]
    retracted: tuple[tuple[int, TaskRow], ...] = ()  # of sealed rounds, whose answer the vendor deleted since

    @property
    def labeled(self) -> tuple[Decision, ...]:
        """The decisions that are labels."""
        return tuple(d for d in self.decisions if d.verdict.kind == "LABEL")


def verdicts(ctx: Context, row: RoundRow) -> dict[str, Verdict]:
    """What the newest answers of each answered task of a round amount to, by submission key."""
    answers: dict[str, list[AnnotationRow]] = defaultdict(list)
    for one in ctx.ledger.deliveries.annotations(ctx.campaign, row.round_no):
        answers[one.key].append(one)
    tasks = ctx.ledger.tasks.list(ctx.campaign, row.round_no)
    return {t.key: _verdict(ctx, t, answers[t.key]) for t in tasks if t.key in answers}


def harvest(ctx: Context, row: RoundRow) -> Harvest:
    """Gather a round's own answers, and those of earlier rounds that no earlier seal has exported.

    What was exported is read from the sealed folders, so a repeated call during the same seal gives the same.
    """
    before = [folder for folder in sealed_folders(ctx.ws) if int(folder.name) < row.round_no]
    exported = {place for folder in before for place in _exported(folder)}
    sealed = [r for r in ctx.ledger.rounds.all(ctx.campaign) if r.round_no < row.round_no and r.sealed_sha256]
    parts = [_of_round(ctx, row, None), *(_of_round(ctx, earlier, exported) for earlier in sealed)]
    return Harvest(
        tuple(d for part in parts for d in part.decisions),
        tuple(d for part in parts for d in part.deliveries),
        tuple(a for part in parts for a in part.annotations),
        tuple(t for part in parts for t in part.retracted),
    )


def _of_round(ctx: Context, row: RoundRow, exported: set[Place] | None) -> Harvest:
    """A round's deliveries, answers and decisions; with `exported`: only of tasks with a delivery that is not in it."""
    raw = ctx.ledger.deliveries.raw(ctx.campaign, row.round_no)
    fresh = [d for d in raw if exported is None or (d.vendor_id, d.revision) not in exported]
    if exported is not None and not fresh:
        return Harvest((), (), ())
    keys = {d.key for d in fresh if d.parsed_at is not None and d.quarantine_reason is None}
    tasks = {t.key: t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no) if t.key in keys}
    late = None if exported is None else row.round_no
    found = verdicts(ctx, row)
    return Harvest(
        tuple(Decision(t, found[t.key], late) for t in tasks.values() if t.key in found),
        tuple((row.round_no, d) for d in fresh),
        tuple(
            (row.round_no, tasks[a.key], a)
            for a in ctx.ledger.deliveries.annotations(ctx.campaign, row.round_no, all_revisions=True)
            if a.key in tasks
        ),
        () if exported is None else tuple((row.round_no, t) for t in tasks.values() if t.key not in found),
    )


def _verdict(ctx: Context, task: TaskRow, answers: Sequence[AnnotationRow]) -> Verdict:
    return majority(answers, ctx.params.round.min_agreement, humans_only=task.purpose in {"AUDIT", "GOLD"})


def _exported(folder: Path) -> list[Place]:
    lines = (folder / "deliveries.jsonl").read_text(encoding="utf-8").splitlines()
    return [(str(row["vendor_id"]), str(row["revision"])) for row in map(json.loads, lines)]
