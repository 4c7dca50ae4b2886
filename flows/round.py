"""The scheduled tick: read the ledger, do the next steps, end. Rerunning is harmless, two at once are one.

python -m flows.round --root .          # one tick by hand
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

from prefect import Task, flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed

from tailfirst import advance, steps, summary, telling
from tailfirst.artifacts import canonical_json, sha256_bytes, sha256_file
from tailfirst.context import Context, open_context
from tailfirst.paths import Workspace
from tailfirst.rounds import Step, StepKind
from tasks import gates, labeling, publish, records, science

STAGES: dict[str, Task[..., str]] = {
    "retrieve": science.retrieve,
    "embed": science.embed,
    "adapt": science.adapt,
    "predict": science.predict,
    "evaluate": science.evaluate,
    "choose": science.choose,
    "acquire": science.acquire,
    "control": science.control,
    "report": science.report,
}
EFFECTS: dict[str, Task[..., str]] = {
    "check_items": gates.check_items,
    "check_retrieved": gates.check_retrieved,
    "check_embeddings": gates.check_embeddings,
    "check_batch": gates.check_batch,
    "freeze": labeling.freeze,
    "quote": labeling.quote,
    "approve": labeling.approve,
    "submit": labeling.submit,
    "collect": labeling.collect,
    "seal": labeling.seal,
    "add_data": records.add_data,
    "mark_trained": records.mark_trained,
    "mark_evaluated": records.mark_evaluated,
    "promote": records.promote,
    "commit_planned": records.commit_planned,
    "commit_outputs": records.commit_outputs,
    "log_report": records.log_report,
    "tag_round": records.tag_round,
    "close_round": records.close_round,
}
Ended = Literal["waits", "done", "busy"]


@flow(name="tailfirst-round", version="1", persist_result=True, flow_run_name="tick", validate_parameters=True)
def round_tick(root: str = ".", max_steps: int = 30) -> State[str]:
    """Do every step that can be done now; end as soon as the round waits for the vendor or for a person."""
    log = get_run_logger()
    with open_context(Path(root)) as ctx:
        try:
            with advance.holding(ctx) as renew:
                step = _steps(ctx, root, max_steps, log, renew)
                for alarm in telling.tell(ctx, partial(publish.alarm, ctx.campaign)):
                    log.warning("%s: %s", alarm.kind, alarm.sentence)
        except advance.CampaignBusy as busy:
            log.warning("%s", busy)
            return Cancelled(message=str(busy))
    log.info("%s: %s", step.kind.value, step.why)
    return Completed(message=f"{step.kind.value}: {step.why}", data=step.kind.value)


def _steps(ctx: Context, root: str, max_steps: int, log: Any, renew: Any) -> Step:
    """Steps until the round waits; the last step says for what."""
    last: Step | None = None
    for _ in range(max_steps):
        step = advance.upcoming(ctx)
        if step.kind is StepKind.DONE and last is None and (sentence := advance.late_answers(ctx)):
            log.info("%s", sentence)
            step = advance.upcoming(ctx)
        if step.kind in advance.IDLE or (last is not None and advance.repeats(step, last) and not _rung(ctx)):
            return step
        for act in steps.acts(ctx, step):
            sentence = _run(ctx, root, step, act)
            log.info("round %d · %s · %s", step.round_no, step.kind.value.lower(), sentence)
            renew()
        _publish(ctx, step)
        last = step
    return advance.upcoming(ctx)


def _rung(ctx: Context) -> bool:
    """Whether a webhook came after the last poll began: the run it asked for was refused, because we are running."""
    return bool(ctx.ledger.inbox.waiting(ctx.campaign))


def _run(ctx: Context, root: str, step: Step, act: steps.Act) -> str:
    if act.name in EFFECTS:
        return EFFECTS[act.name](root, step.round_no)
    given = (act.candidate,) if act.candidate else ()
    return STAGES[act.name](root, inputs(ctx.ws), *given)


def inputs(ws: Workspace) -> str:
    """Digest of what the stages read: params, items, labels and the sealed rounds' names."""
    files = [sha256_file(path) for path in (ws.params, ws.task, ws.items, ws.labels) if path.exists()]
    return sha256_bytes(canonical_json([*files, sorted(p.name for p in ws.rounds.glob("[0-9]*"))]).encode())


def _publish(ctx: Context, step: Step) -> None:
    campaign = ctx.params.campaign.name
    publish.announce(campaign, step.round_no, step.kind.value, step.why)
    if step.kind is StepKind.PLAN:
        publish.publish_batch(campaign, step.round_no, summary.batch_rows(ctx.ws))
    if step.kind is StepKind.REPORT:
        publish.publish_round(campaign, step.round_no, summary.round_markdown(ctx.ws, step.round_no))


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default=".")
    round_tick(parser.parse_args().root)
