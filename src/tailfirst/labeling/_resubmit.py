"""Tasks whose item the annotator could not see (failure `asset_unreachable`).

A closed order takes no more work, so the next attempt goes with a later round's order: a new key with a link to the old
one, and asset URLs that are made anew. After `MOST` attempts the item is not asked again.
"""

from collections.abc import Sequence

from tailfirst.ledger.records import TaskRow

MOST = 3  # attempts
WORDS = ("asset", "unreachable", "not reachable", "cannot load", "does not load", "did not load", "broken image")


def unseen(reason: str) -> bool:
    """Whether a skip says that the item could not be loaded."""
    return any(word in reason.casefold() for word in WORDS)


def after_skip(task: TaskRow, reason: str) -> str:
    """Where a skipped task ends: RESUBMIT frees its item for another attempt, DROPPED does not."""
    return "RESUBMIT" if unseen(reason) and task.attempt < MOST else "DROPPED"


def warning(tasks: Sequence[TaskRow]) -> str:
    """What to say about items that annotators could not load, or ""."""
    blind = sum(task.state == "SKIPPED_BY_ANNOTATOR" and unseen(task.reason) for task in tasks)
    return (
        f"{blind} items could not be loaded by the annotators: check that the asset URLs can be reached"
        if blind
        else ""
    )
