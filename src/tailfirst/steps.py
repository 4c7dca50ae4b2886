"""What each step of a round consists of: named acts, each safe to kill and to repeat.

`acts(ctx, step)` says which acts a step needs now (DVC says which stages are stale); `ACTS` holds the functions.
`tailfirst advance` calls them one after the other, the Prefect flow wraps each in a task: one function, two callers.
An act that finds its work done says so and changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tailfirst import pipeline, stages, tracking, versioning
from tailfirst.context import Context
from tailfirst.errors import ConfigError
from tailfirst.labeling import approve, collect, plan, quote, seal, submit
from tailfirst.rounds import Step, StepKind

LEARN = ("retrieve", "embed", "adapt", "predict")  # stages up to the candidates' predictions
PLANNED = (*LEARN, "evaluate", "choose", "acquire")  # what the first batch needs
CLOSING = ("acquire", "control", "report")  # what the end of a round makes: the next batch and the report
GATE_AFTER = {"retrieve": "check_retrieved", "embed": "check_embeddings"}


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do: a stage (maybe for a candidate) or something with the ledger, the vendor, DVC or the tracker."""

    name: str
    candidate: str | None = None


def acts(ctx: Context, step: Step) -> tuple[Act, ...]:
    """The acts of a step, in order.

    Raises:
        ConfigError: WAIT and DONE have no acts: the caller must not ask.
    """
    match step.kind:
        case StepKind.PLAN:
            made = tuple(_stale(ctx, PLANNED))
            kept = (Act("commit_planned"),) if made else ()
            return (Act("check_items"), *made, *kept, Act("check_batch"), Act("freeze"))
        case StepKind.QUOTE:
            return (Act("quote"),)
        case StepKind.APPROVE:
            return (Act("approve"),)
        case StepKind.SUBMIT:
            return (Act("submit"),)
        case StepKind.COLLECT:
            return (Act("collect"),)
        case StepKind.SEAL:
            return (Act("seal"),)
        case StepKind.ADAPT:
            return (Act("add_data"), *_stale(ctx, LEARN), Act("mark_trained"))
        case StepKind.EVALUATE:
            return (*_stale(ctx, ("evaluate",)), Act("mark_evaluated"))
        case StepKind.DECIDE:
            return (*_stale(ctx, ("choose",)), Act("promote"))
        case StepKind.REPORT:
            made = tuple(_stale(ctx, CLOSING))
            return (*made, Act("commit_outputs"), Act("log_report"), Act("tag_round"), Act("close_round"))
        case _:
            raise ConfigError(f"{step.kind.value} has no acts: {step.why}")


def _stale(ctx: Context, wanted: tuple[str, ...]) -> Iterator[Act]:
    """The wanted stages whose inputs changed since DVC last saw them, each followed by its gate."""
    versioning.refresh_code(ctx.ws)
    for stage in versioning.stale_stages(ctx.ws):
        name, _, candidate = stage.partition("@")
        if name in wanted:
            yield Act(name, candidate or None)
            if name in GATE_AFTER:
                yield Act(GATE_AFTER[name])


def perform(ctx: Context, act: Act) -> str:
    """Do one act; a sentence on what happened."""
    return ACTS[act.name](ctx, act.candidate)


def _retrieve(ctx: Context, _: str | None) -> str:
    stages.retrieve(ctx.ws, ctx.params, ctx.settings)
    return "open data retrieved for the classes"


def _embed(ctx: Context, _: str | None) -> str:
    stages.embed(ctx.ws, ctx.params, ctx.settings)
    return "pool, holdout and retrieved data embedded"


def _adapt(ctx: Context, candidate: str | None) -> str:
    stages.adapt(ctx.ws, ctx.params, _named(candidate), ctx.settings)
    return f"{candidate} fitted"


def _predict(ctx: Context, candidate: str | None) -> str:
    stages.predict(ctx.ws, ctx.params, _named(candidate), ctx.settings)
    return f"{candidate} predicted"


def _evaluate(ctx: Context, candidate: str | None) -> str:
    stages.evaluate(ctx.ws, ctx.params, _named(candidate))
    return f"{candidate} evaluated on the holdout"


def _choose(ctx: Context, _: str | None) -> str:
    stages.choose(ctx.ws, ctx.params)
    return tracking.chosen(ctx.ws)


def _acquire(ctx: Context, _: str | None) -> str:
    stages.acquire(ctx.ws, ctx.params)
    return tracking.next_batch(ctx.ws)


def _control(ctx: Context, _: str | None) -> str:
    stages.control(ctx.ws, ctx.params, ctx.settings)
    return "random arm at equal labels measured"


def _report(ctx: Context, _: str | None) -> str:
    stages.report(ctx.ws, ctx.params)
    return f"report written to {ctx.ws.report.relative_to(ctx.ws.root)}"


def _named(candidate: str | None) -> str:
    if candidate is None:
        raise ConfigError("this stage works on a candidate; none was named")
    return candidate


def _check_items(ctx: Context, _: str | None) -> str:
    ctx.gates.items()
    return "items pass their checks"


def _check_retrieved(ctx: Context, _: str | None) -> str:
    ctx.gates.retrieved()
    return "retrieved rows pass their checks"


def _check_embeddings(ctx: Context, _: str | None) -> str:
    ctx.gates.embeddings()
    return "embeddings pass their checks"


def _check_batch(ctx: Context, _: str | None) -> str:
    plan.check(ctx)
    return "the batch passes its checks"


def _add_data(ctx: Context, _: str | None) -> str:
    version = versioning.add_data(ctx.ws)
    return f"data/ is version {version.md5[:12]} in DVC"


def _mark_trained(ctx: Context, _: str | None) -> str:
    return _move(ctx, "SEALED", "TRAINED")


def _mark_evaluated(ctx: Context, _: str | None) -> str:
    return _move(ctx, "TRAINED", "EVALUATED")


def _close_round(ctx: Context, _: str | None) -> str:
    row = ctx.ledger.rounds.current(ctx.params.campaign.name)
    return _move(ctx, row.state if row else "PROMOTED", "REPORTED")


def _move(ctx: Context, old: str, new: str) -> str:
    campaign = ctx.params.campaign.name
    row = ctx.ledger.rounds.current(campaign)
    if row is None or row.state == new:
        return f"already {new}"
    ctx.ledger.rounds.move(campaign, row.round_no, old, new, ctx.now(), ctx.worker)
    return f"round {row.round_no} is {new}"


def _promote(ctx: Context, _: str | None) -> str:
    log_round, decision = tracking.decide(ctx)
    _move(ctx, "EVALUATED", "PROMOTED" if decision.promote else "HELD")
    return f"{log_round}; {'promoted' if decision.promote else 'held'}: {decision.why}"


def _commit_outputs(ctx: Context, _: str | None) -> str:
    versioning.commit_outputs(ctx.ws)
    return "outputs committed to DVC"


def _commit_planned(ctx: Context, _: str | None) -> str:
    wanted = [i for i in pipeline.stage_ids(list(ctx.params.candidates)) if i.partition("@")[0] in PLANNED]
    versioning.commit_outputs(ctx.ws, wanted)  # not the closing stages: they have not run on these inputs
    return "outputs committed to DVC"


def _tag_round(ctx: Context, _: str | None) -> str:
    row = ctx.ledger.rounds.current(ctx.params.campaign.name)
    done = []
    if ctx.settings.dvc_push:
        versioning.push(ctx.ws)
        done.append("pushed to the DVC remote")
    if ctx.settings.git_commit and row is not None:
        message = f"Round {row.round_no:04d} of {ctx.params.campaign.name} sealed"
        versioning.git_commit_and_tag(ctx.ws, row.round_no, message)
        done.append(f"git tag round-{row.round_no:04d}")
    return "; ".join(done) or "git commit and tag are switched off (TAILFIRST_GIT_COMMIT=1 switches them on)"


def _only(act: Callable[[Context], str]) -> Callable[[Context, str | None], str]:
    return lambda ctx, _: act(ctx)


ACTS: Mapping[str, Callable[[Context, str | None], str]] = {
    "retrieve": _retrieve,
    "embed": _embed,
    "adapt": _adapt,
    "predict": _predict,
    "evaluate": _evaluate,
    "choose": _choose,
    "acquire": _acquire,
    "control": _control,
    "report": _report,
    "check_items": _check_items,
    "check_retrieved": _check_retrieved,
    "check_embeddings": _check_embeddings,
    "check_batch": _check_batch,
    "freeze": _only(plan.freeze),
    "quote": _only(quote.quote),
    "approve": _only(approve.auto),
    "submit": _only(submit.submit),
    "collect": _only(collect.collect),
    "seal": _only(seal.seal),
    "add_data": _add_data,
    "mark_trained": _mark_trained,
    "mark_evaluated": _mark_evaluated,
    "promote": _promote,
    "commit_planned": _commit_planned,
    "commit_outputs": _commit_outputs,
    "log_report": _only(tracking.log_report),
    "tag_round": _tag_round,
    "close_round": _close_round,
}
