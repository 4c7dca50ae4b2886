"""The 36 faults of specs/vendor.md section 5: when an armed one fires, and what each may be told.

Who can cause what: the service as a whole (`SERVICE_FAULTS`), one call (`CALL_FAULTS`), one labeling task
(`ITEM_FAULTS`), one person of the staff (`STAFF_FAULTS`). Every draw depends on (seed, fault, call or key or person)
alone, so that arming one moves no other.
"""

import hashlib
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

# In the order of section 5.
KNOWN_FAULTS = (
    "create_timeout", "conflict_409", "token_expired", "batch_partial", "double_worker", "zombie_worker",
    "duplicate_event", "webhook_lost", "webhook_forged", "webhook_early", "out_of_order", "cursor_skip",
    "export_truncated", "sla_partial", "late_label", "label_changed", "label_unknown_class", "ontology_drift",
    "payload_malformed", "answers_swapped", "asset_unreachable", "vendor_down", "rate_limited", "auth_revoked",
    "balance_empty", "price_changed", "cancel_too_late", "invoice_mismatch", "annotator_spam", "gold_leaked",
    "guideline_ambiguous", "relabel_correlated", "vendor_retention", "machine_labeled", "prelabel_anchoring",
    "clock_skew",
)  # fmt: skip
SERVICE_FAULTS = ("vendor_down", "rate_limited", "auth_revoked", "balance_empty")  # `at_call` counts every call
CALL_FAULTS = (
    "create_timeout",  # of submit: the answer is lost, before or after the vendor created
    "batch_partial",  # of submit: only the first part is created
    "double_worker",  # of submit: the same request comes in twice at once
    "zombie_worker",  # of changes: an old submit of this order comes in again, long after it was closed
    "export_truncated",  # of fetch: the export ends early
    "ontology_drift",  # of ensure_project: the vendor's classes are no longer ours
    "price_changed",  # of quote: from that call on everything costs a quarter more; what was quoted holds
    *SERVICE_FAULTS,
)
PUSH_FAULTS = ("webhook_lost", "webhook_forged", "webhook_early")  # of the HTTP face; in process nothing is pushed
ITEM_FAULTS = (
    "conflict_409", "token_expired", "duplicate_event", *PUSH_FAULTS, "out_of_order", "cursor_skip", "sla_partial",
    "late_label", "label_changed", "label_unknown_class", "payload_malformed", "answers_swapped", "asset_unreachable",
    "cancel_too_late", "invoice_mismatch", "guideline_ambiguous", "relabel_correlated", "vendor_retention",
    "machine_labeled", "prelabel_anchoring", "clock_skew",
)  # fmt: skip
STAFF_FAULTS = ("annotator_spam", "gold_leaked")
IMPLEMENTED = tuple(name for name in KNOWN_FAULTS if name not in PUSH_FAULTS)  # what happens in process too
OPERATIONS = (
    "ensure_project", "quote", "open_batch", "submit", "finalize", "find", "changes", "fetch", "review", "cancel",
    "costs",
)  # fmt: skip
WHEN = ("rate", "at_call", "items", "annotators")
# Options that only some faults take: field -> (names, its value when unused).
SPECIAL: dict[str, tuple[tuple[str, ...], object]] = {
    "after_commit": (("create_timeout",), False),
    "on": (SERVICE_FAULTS, None),
    "retry_after_s": (("rate_limited",), 30.0),
    "polls": (("vendor_retention",), 10),
    "pair": (("guideline_ambiguous",), None),
    "deleted": (("label_changed",), False),
}


class Fault(BaseModel):
    """An armed fault: by `rate`, from one call of its operation on (1-based), for named items or for named people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    rate: float | None = Field(None, ge=0, le=1)  # share of the calls, labeling tasks or people
    at_call: int | None = Field(None, ge=1)
    calls: int = Field(1, ge=1)  # with at_call: how many calls in a row
    items: tuple[str, ...] = ()  # item ids
    annotators: tuple[str, ...] = ()  # annotator ids
    keep: int | None = Field(None, ge=0)  # batch_partial: `keep` of every `of` items are created
    of: int | None = Field(None, ge=1)
    after_commit: bool = False  # create_timeout: the vendor created, and the answer was lost
    on: str | None = None  # service faults: count and hit only calls of this operation
    retry_after_s: float = Field(30.0, ge=0)  # rate_limited: how long we are asked to wait
    polls: int = Field(10, ge=1)  # vendor_retention: polls of an order after an answer until it is deleted
    pair: tuple[str, str] | None = None  # guideline_ambiguous: the two classes; default: the first two
    deleted: bool = False  # label_changed: the label is taken back instead of replaced

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in KNOWN_FAULTS:
            raise ValueError(f"no fault {name!r}; the simulated vendor can make: {', '.join(KNOWN_FAULTS)}")
        return name

    @field_validator("on")
    @classmethod
    def _operation(cls, on: str | None) -> str | None:
        if on is not None and on not in OPERATIONS:
            raise ValueError(f"no operation {on!r}; known: {', '.join(OPERATIONS)}")
        return on

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._check_when()
        if (self.keep is not None or self.of is not None) and self.name != "batch_partial":
            raise ValueError(f"{self.name} takes no keep/of; only batch_partial does")
        if self.name == "batch_partial" and (self.keep is None or self.of is None or self.keep > self.of):
            raise ValueError("batch_partial needs keep and of with keep <= of, for example keep: 310, of: 1310")
        if self.calls > 1 and self.at_call is None:
            raise ValueError(f"{self.name}: `calls` goes with at_call")
        for option, (names, unused) in SPECIAL.items():
            if self.name not in names and getattr(self, option) != unused:
                raise ValueError(f"{self.name} takes no {option}; only {', '.join(names)} does")
        return self

    def _check_when(self) -> None:
        if self.at_call is not None and self.name not in CALL_FAULTS:
            raise ValueError(
                f"{self.name} fires per item or person: say `rate`, `items` or `annotators`, not `at_call`"
            )
        if self.items and self.name not in ITEM_FAULTS:
            raise ValueError(f"{self.name} fires per call or person: say `rate`, not `items`")
        if self.annotators and self.name not in STAFF_FAULTS:
            raise ValueError(f"{self.name} is not about people: no `annotators`")
        given = (self.rate is not None, self.at_call is not None, bool(self.items), bool(self.annotators))
        if sum(given) != 1:
            raise ValueError(f"{self.name}: say when it fires, by exactly one of {', '.join(WHEN)}")


def uniform(*parts: object) -> float:
    """A number in [0, 1) from the parts alone: adding a draw elsewhere never moves this one."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def fires(fault: Fault, seed: int, *, item_id: str = "", key: str = "", call: int = 0) -> bool:
    """Whether an armed fault hits this call (1-based), this item, or the person or labeling task under `key`."""
    if fault.at_call is not None:
        return fault.at_call <= call < fault.at_call + fault.calls
    if fault.items:
        return item_id in fault.items
    if fault.annotators:
        return key in fault.annotators
    return uniform(seed, "fault", fault.name, key or f"call-{call}") < (fault.rate or 0.0)
