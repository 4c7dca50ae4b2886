"""What a task remembers, and which errors are worth a second try."""

from collections.abc import Callable
from typing import Any

from prefect import Task
from prefect.cache_policies import INPUTS, NO_CACHE, RUN_ID, CacheKeyFnPolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from tailfirst.errors import Retryable

TRIES = 3


def _version(context: TaskRunContext, _: dict[str, Any]) -> str:
    """The hand-bumped version: TASK_SOURCE would not see a change in a function that the task calls."""
    return f"{context.task.task_key}@{context.task.version}"


RESUME = INPUTS + CacheKeyFnPolicy(cache_key_fn=_version) + RUN_ID
"""A repeated call within one flow run is done once; a new run does it again (DVC remembers across runs)."""

EFFECT = NO_CACHE
"""For side effects: the ledger knows what is done, Prefect must not guess."""


async def worth_retrying(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    """Only errors that the vendor's adapter classified as retryable (vendor.md section 2, rule 4)."""
    try:
        await state.aresult()
    except Retryable:
        return True
    except Exception:  # noqa: BLE001 - whatever else it was is final; the task raises it anyway
        return False
    return False


backoff: Callable[[int], list[float]] = exponential_backoff(backoff_factor=2)
"""2, 4, 8 ... seconds, with jitter added by the task."""
