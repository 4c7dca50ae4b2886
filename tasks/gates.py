"""The Great Expectations gates as tasks: a failed gate stops the round and keeps the rows with their reasons."""

from pathlib import Path

from prefect import task

from tailfirst.context import open_context
from tailfirst.steps import Act, perform
from tasks.policy import EFFECT


def _gate(name: str, root: str) -> str:
    with open_context(Path(root)) as ctx:
        return perform(ctx, Act(name))


@task(name="check-items", task_run_name="check-items-round-{round_no}", version="1", cache_policy=EFFECT)
def check_items(root: str, round_no: int) -> str:
    """Gate: items."""
    return _gate("check_items", root)


@task(name="check-retrieved", task_run_name="check-retrieved-round-{round_no}", version="1", cache_policy=EFFECT)
def check_retrieved(root: str, round_no: int) -> str:
    """Gate: retrieved rows."""
    return _gate("check_retrieved", root)


@task(name="check-embeddings", task_run_name="check-embeddings-round-{round_no}", version="1", cache_policy=EFFECT)
def check_embeddings(root: str, round_no: int) -> str:
    """Gate: embeddings manifest."""
    return _gate("check_embeddings", root)


@task(name="check-batch", task_run_name="check-batch-round-{round_no}", version="1", cache_policy=EFFECT)
def check_batch(root: str, round_no: int) -> str:
    """Gate: the batch, before it is frozen."""
    return _gate("check_batch", root)
