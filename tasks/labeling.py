"""Everything that touches the ledger or the vendor, as tasks: no cache, retries only where the adapter allows them.

The ledger makes each of these safe to repeat: a submission key is written before the vendor is called.
"""

from pathlib import Path

from prefect import task

from tailfirst.context import open_context
from tailfirst.steps import Act, perform
from tasks.policy import EFFECT, TRIES, backoff, worth_retrying


def _act(name: str, root: str) -> str:
    with open_context(Path(root)) as ctx:
        return perform(ctx, Act(name))


@task(name="freeze", task_run_name="freeze-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True)
def freeze(root: str, round_no: int) -> str:
    """Freeze the batch: the round and its labeling tasks enter the ledger."""
    return _act("freeze", root)


@task(
    name="quote", task_run_name="quote-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True,
    retries=TRIES, retry_delay_seconds=backoff, retry_jitter_factor=0.5, retry_condition_fn=worth_retrying,
)  # fmt: skip
def quote(root: str, round_no: int) -> str:
    """Ask the vendor for a price."""
    return _act("quote", root)


@task(name="approve", task_run_name="approve-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True)
def approve(root: str, round_no: int) -> str:
    """Approve by rule what a rule may approve."""
    return _act("approve", root)


@task(
    name="submit", task_run_name="submit-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True,
    retries=TRIES, retry_delay_seconds=backoff, retry_jitter_factor=0.5, retry_condition_fn=worth_retrying,
)  # fmt: skip
def submit(root: str, round_no: int) -> str:
    """Send the approved orders through the outbox."""
    return _act("submit", root)


@task(
    name="collect", task_run_name="collect-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True,
    retries=TRIES, retry_delay_seconds=backoff, retry_jitter_factor=0.5, retry_condition_fn=worth_retrying,
)  # fmt: skip
def collect(root: str, round_no: int) -> str:
    """Fetch what came back: raw bytes first, then annotations."""
    return _act("collect", root)


@task(name="seal", task_run_name="seal-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True)
def seal(root: str, round_no: int) -> str:
    """Close the round for good and export it."""
    return _act("seal", root)
