"""Every fault of specs/vendor.md section 5, armed at some rate, and what a campaign must look like for each to bite.

Draws depend on the fault's name: two forms of one fault share them, so the rarer form stands first.
"""

from collections.abc import Sequence
from typing import Any

from tailfirst.vendors._simulated_params import KNOWN_FAULTS, PUSH_FAULTS

CALL_RATE, ITEM_RATE = 0.02, 0.03
SPAMMER, LEAKED = "a5", "a3"  # of the staff below
STAFF = tuple(
    {"id": name, "skill": skill, "skip": 0.02}
    for name, skill in {"a1": 0.97, "a2": 0.96, "a3": 0.9, "a4": 0.92, "a5": 0.9, "a6": 0.94}.items()
)
CALM = 0.02  # at the end, when every order is asked again: so much of the rates of calls
KEPT_POLLS = 14  # polls after its answer at which a task of `vendor_retention` is deleted

CALLS: tuple[dict[str, Any], ...] = (
    {"name": "create_timeout", "rate": 0.08, "after_commit": True},
    {"name": "create_timeout", "rate": 0.16},
    {"name": "batch_partial", "rate": 0.1, "keep": 3, "of": 6},
    {"name": "double_worker", "rate": 0.1},
    {"name": "zombie_worker", "rate": 0.1},
    {"name": "export_truncated", "rate": 0.1},
    {"name": "price_changed", "rate": 0.05},
    {"name": "ontology_drift", "rate": CALL_RATE},
    {"name": "vendor_down", "rate": CALL_RATE},
    {"name": "rate_limited", "rate": CALL_RATE / 2, "retry_after_s": 2},
    {"name": "rate_limited", "rate": CALL_RATE, "retry_after_s": 600},
    {"name": "auth_revoked", "rate": CALL_RATE / 2},
    {"name": "balance_empty", "rate": CALL_RATE / 2},
)
ITEMS: tuple[dict[str, Any], ...] = (
    {"name": "label_changed", "rate": 2 * ITEM_RATE, "deleted": True},
    {"name": "label_changed", "rate": 4 * ITEM_RATE},
    {"name": "out_of_order", "rate": 0.5},  # it takes an answer with two revisions
    {"name": "prelabel_anchoring", "rate": 0.2},
    {"name": "relabel_correlated", "rate": 0.2},
    {"name": "vendor_retention", "rate": 0.1, "polls": KEPT_POLLS},
    {"name": "token_expired", "rate": 0.2},
    *({"name": name, "rate": 0.2} for name in PUSH_FAULTS),
    *(
        {"name": name, "rate": ITEM_RATE}
        for name in (
            "conflict_409", "duplicate_event", "cursor_skip", "sla_partial", "late_label", "label_unknown_class",
            "payload_malformed", "answers_swapped", "asset_unreachable", "cancel_too_late", "invoice_mismatch",
            "guideline_ambiguous", "machine_labeled", "clock_skew",
        )
    ),
)  # fmt: skip
PEOPLE: tuple[dict[str, Any], ...] = (
    {"name": "annotator_spam", "annotators": [SPAMMER]},
    {"name": "gold_leaked", "annotators": [LEAKED]},
)


def calm(faults: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with rarer faults of calls: hundreds of orders are asked in one go, and one refusal ends it."""
    mine = {fault["name"] for fault in CALLS}
    return [fault | {"rate": fault["rate"] * CALM} if fault["name"] in mine else fault for fault in faults]


def armed(absent: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All of them but those that the campaign cannot have."""
    found = [fault for fault in (*CALLS, *ITEMS, *PEOPLE) if fault["name"] not in absent]
    forgotten = set(KNOWN_FAULTS) - {fault["name"] for fault in found} - set(absent)
    assert not forgotten, f"armed by nobody: {forgotten}"
    return found
