"""The two state machines of specs/vendor.md section 4, as data."""

from collections.abc import Mapping
from types import MappingProxyType

from tailfirst.errors import IllegalTransition

Table = Mapping[str, tuple[str, ...]]

# Beyond the specification's table: QUOTED and APPROVED go back to QUOTED for a new quote (an old one ended before
# anything was sent), as section 10 asks ("a quote past valid_until needs a new approval").
ROUND: Table = MappingProxyType(
    {
        "DRAFT": ("SELECTED", "ABORTED"),
        "SELECTED": ("QUOTED", "ABORTED"),
        "QUOTED": ("APPROVED", "QUOTED", "ABORTED"),
        "APPROVED": ("SUBMITTING", "QUOTED", "ABORTED"),
        "SUBMITTING": ("OPEN", "ABORTED"),
        "OPEN": ("COLLECTING", "CLOSING", "ABORTED"),
        "COLLECTING": ("CLOSING", "ABORTED"),
        "CLOSING": ("SEALED", "ABORTED"),
        "SEALED": ("TRAINED",),
        "TRAINED": ("EVALUATED",),
        "EVALUATED": ("PROMOTED", "HELD"),
        "PROMOTED": ("REPORTED",),
        "HELD": ("REPORTED",),
        "REPORTED": (),
        "ABORTED": (),
    }
)

# Beyond the specification's table, each because a poll sees only the present: SUBMITTED to RETURNED (nobody saw the
# start), VALIDATED to CLOSED_UNLABELED (answers that do not agree give no label, and are paid), QUARANTINED to
# CLOSED_UNLABELED (nothing released it before the seal), PRICED, APPROVED and OVER_BUDGET to DROPPED (a take-down
# before anything was sent), APPROVED and OVER_BUDGET to PRICED (a new quote), RESUBMIT to RETURNED (the first attempt
# came late).
TASK: Table = MappingProxyType(
    {
        "PLANNED": ("PRICED", "DROPPED"),
        "DROPPED": (),
        "PRICED": ("APPROVED", "OVER_BUDGET", "DROPPED"),
        "OVER_BUDGET": ("PRICED", "DROPPED"),
        "APPROVED": ("OUTBOX", "PRICED", "DROPPED"),
        "OUTBOX": ("SUBMITTED", "UNKNOWN", "REFUSED", "CANCEL_REQUESTED"),
        "UNKNOWN": ("SUBMITTED", "OUTBOX"),
        "REFUSED": (),
        "SUBMITTED": ("IN_PROGRESS", "RETURNED", "CANCEL_REQUESTED", "EXPIRED"),
        "IN_PROGRESS": ("RETURNED", "CANCEL_REQUESTED", "EXPIRED"),
        "CANCEL_REQUESTED": ("CANCELED", "TOO_LATE"),
        "CANCELED": (),
        "TOO_LATE": ("RETURNED",),
        "EXPIRED": ("RESUBMIT", "CLOSED_UNLABELED", "RETURNED"),
        "RESUBMIT": ("RETURNED",),
        "CLOSED_UNLABELED": ("RETURNED",),
        "RETURNED": ("PARSED", "SKIPPED_BY_ANNOTATOR", "QUARANTINED"),
        "SKIPPED_BY_ANNOTATOR": ("RESUBMIT", "EXPERT_QUEUE", "DROPPED"),
        "EXPERT_QUEUE": ("RETURNED", "DROPPED"),
        "PARSED": ("VALIDATED", "SKIPPED_BY_ANNOTATOR", "QUARANTINED"),
        "QUARANTINED": ("RETURNED", "PARSED", "CLOSED_UNLABELED"),
        "VALIDATED": ("ACCEPTED", "REJECTED", "CLOSED_UNLABELED"),
        "REJECTED": ("REWORK", "CLOSED_UNLABELED"),
        "REWORK": (),
        "ACCEPTED": ("SUPERSEDED",),
        "SUPERSEDED": (),
    }
)

ROUND_STATES = tuple(ROUND)
TASK_STATES = tuple(TASK)

SEALED_STATES = ("SEALED", "TRAINED", "EVALUATED", "PROMOTED", "HELD", "REPORTED")
FINAL_ROUND_STATES = ("REPORTED", "ABORTED")

# Waiting for the vendor, or for us to learn whether the vendor has it.
AT_VENDOR = ("OUTBOX", "UNKNOWN", "SUBMITTED", "IN_PROGRESS", "CANCEL_REQUESTED", "TOO_LATE")
# The vendor answered and no label is decided yet.
ANSWERED = ("RETURNED", "PARSED", "VALIDATED", "EXPERT_QUEUE")
# Not sent, in a round that still runs.
BEFORE_VENDOR = ("PLANNED", "PRICED", "APPROVED")
# The item is not asked again.
IGNORED = ("DROPPED", "REFUSED")


def check(table: Table, what: str, from_state: str, to_state: str) -> None:
    """Make sure that a transition is in the table.

    Raises:
        IllegalTransition: It is not; the message lists what is allowed from there.
    """
    if from_state not in table:
        raise IllegalTransition(f"{what}: no state {from_state!r}; states: {', '.join(table)}")
    if to_state not in table[from_state]:
        allowed = ", ".join(table[from_state]) or "nothing (it is final)"
        raise IllegalTransition(f"{what}: {from_state} > {to_state} is not allowed; from {from_state}: {allowed}")


def allowed(table: Table, from_state: str, to_state: str) -> bool:
    """Whether a transition is in the table."""
    return to_state in table.get(from_state, ())
