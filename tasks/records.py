"""Versions, tracking and the round's state as tasks: DVC, MLflow, git, the ledger."""

from pathlib import Path

from prefect import task

from tailfirst.context import open_context
from tailfirst.steps import Act, perform
from tasks.policy import EFFECT


def _act(name: str, root: str) -> str:
    with open_context(Path(root)) as ctx:
        return perform(ctx, Act(name))


@task(name="add-data", task_run_name="add-data-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True)
def add_data(root: str, round_no: int) -> str:
    """Record data/ in DVC."""
    return _act("add_data", root)


@task(name="mark-trained", task_run_name="mark-trained-round-{round_no}", version="1", cache_policy=EFFECT)
def mark_trained(root: str, round_no: int) -> str:
    """SEALED -> TRAINED."""
    return _act("mark_trained", root)


@task(name="mark-evaluated", task_run_name="mark-evaluated-round-{round_no}", version="1", cache_policy=EFFECT)
def mark_evaluated(root: str, round_no: int) -> str:
    """TRAINED -> EVALUATED."""
    return _act("mark_evaluated", root)


@task(name="promote", task_run_name="promote-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True)
def promote(root: str, round_no: int) -> str:
    """Log the candidates to MLflow and let the gate move the champion, or not."""
    return _act("promote", root)


@task(
    name="commit-planned",
    task_run_name="commit-planned-round-{round_no}",
    version="1",
    cache_policy=EFFECT,
    persist_result=True,
)
def commit_planned(root: str, round_no: int) -> str:
    """Record the outputs that the batch was chosen from in DVC."""
    return _act("commit_planned", root)


@task(
    name="commit-outputs",
    task_run_name="commit-outputs-round-{round_no}",
    version="1",
    cache_policy=EFFECT,
    persist_result=True,
)
def commit_outputs(root: str, round_no: int) -> str:
    """Record the stages' outputs in DVC: afterwards `dvc status` is clean."""
    return _act("commit_outputs", root)


@task(
    name="log-report",
    task_run_name="log-report-round-{round_no}",
    version="1",
    cache_policy=EFFECT,
    persist_result=True,
)
def log_report(root: str, round_no: int) -> str:
    """Batch and report as MLflow artifacts."""
    return _act("log_report", root)


@task(
    name="tag-round", task_run_name="tag-round-round-{round_no}", version="1", cache_policy=EFFECT, persist_result=True
)
def tag_round(root: str, round_no: int) -> str:
    """Git commit and tag, DVC push: each only where switched on."""
    return _act("tag_round", root)


@task(name="close-round", task_run_name="close-round-round-{round_no}", version="1", cache_policy=EFFECT)
def close_round(root: str, round_no: int) -> str:
    """-> REPORTED."""
    return _act("close_round", root)
