"""The recomputable stages as tasks: retrieval, embedding, adaptation, evaluation, acquisition.

`inputs` is the digest of what a stage reads beside its candidate (see `flows.round`): it keys the result within a run.
"""

from pathlib import Path

from prefect import task

from tailfirst.context import open_context
from tailfirst.steps import Act, perform
from tasks.policy import RESUME


def _stage(name: str, root: str, candidate: str | None = None) -> str:
    with open_context(Path(root)) as ctx:
        return perform(ctx, Act(name, candidate))


@task(name="retrieve", version="1", cache_policy=RESUME, persist_result=True)
def retrieve(root: str, inputs: str) -> str:
    """Match captions of the open corpus with the classes, count, rank, cap, clean."""
    return _stage("retrieve", root)


@task(name="embed", version="1", cache_policy=RESUME, persist_result=True)
def embed(root: str, inputs: str) -> str:
    """Embed what is new, assemble pool, holdout, retrieved rows and prototypes."""
    return _stage("embed", root)


@task(name="adapt", version="1", cache_policy=RESUME, persist_result=True, task_run_name="adapt-{candidate}")
def adapt(root: str, inputs: str, candidate: str) -> str:
    """Fit a candidate on labels and retrieved data."""
    return _stage("adapt", root, candidate)


@task(name="predict", version="1", cache_policy=RESUME, persist_result=True, task_run_name="predict-{candidate}")
def predict(root: str, inputs: str, candidate: str) -> str:
    """Predict every item with a candidate."""
    return _stage("predict", root, candidate)


@task(name="evaluate", version="1", cache_policy=RESUME, persist_result=True, task_run_name="evaluate-{candidate}")
def evaluate(root: str, inputs: str, candidate: str) -> str:
    """Measure a candidate on the holdout, beside zero-shot."""
    return _stage("evaluate", root, candidate)


@task(name="choose", version="1", cache_policy=RESUME, persist_result=True)
def choose(root: str, inputs: str) -> str:
    """Choose the candidate that ranks the pool."""
    return _stage("choose", root)


@task(name="acquire", version="1", cache_policy=RESUME, persist_result=True)
def acquire(root: str, inputs: str) -> str:
    """Choose the next batch."""
    return _stage("acquire", root)


@task(name="control", version="1", cache_policy=RESUME, persist_result=True)
def control(root: str, inputs: str) -> str:
    """Measure the random arm at equal labels, where an oracle exists."""
    return _stage("control", root)


@task(name="report", version="1", cache_policy=RESUME, persist_result=True)
def report(root: str, inputs: str) -> str:
    """Write the round reports."""
    return _stage("report", root)
