"""The campaign as a flow: each tick is a subflow run of its own."""

import time
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from flows.round import round_tick
from tailfirst import advance
from tailfirst.context import Context, open_context
from tailfirst.rounds import StepKind

LOOK_EVERY_S = 1.0


@flow(name="tailfirst-campaign", version="1", persist_result=True)
def campaign(root: str, poll_s: float) -> str:
    """Tick until the campaign is done or waits for a person.

    Args:
        root: The workspace.
        poll_s: Seconds between two ticks while the vendor works; a webhook shortens them.
    """
    log = get_run_logger()
    while True:
        state = round_tick(root, return_state=True)
        if state.is_cancelled():
            return state.message or "another tick holds the campaign"
        state.result()  # raises what the tick raised
        with open_context(Path(root)) as ctx:
            step = advance.upcoming(ctx)
            if step.kind is StepKind.DONE or (step.kind is StepKind.WAIT and step.until is None):
                log.info("%s", step.why)
                return step.why
            _rest(ctx, poll_s)


def _rest(ctx: Context, poll_s: float) -> None:
    """Until the next poll, or until a webhook asks for it."""
    end = time.monotonic() + poll_s
    while (left := end - time.monotonic()) > 0 and not ctx.ledger.inbox.waiting(ctx.campaign):
        time.sleep(min(left, LOOK_EVERY_S))
