"""Options of the simulated vendor: prices, people, speed and armed faults."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tailfirst.port import Idempotency, Purpose

# specs/vendor.md section 5, in its order.
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
CALL_FAULTS = ("create_timeout", "batch_partial", "ontology_drift", *SERVICE_FAULTS)
ITEM_FAULTS = (
    "duplicate_event", "out_of_order", "cursor_skip", "late_label", "label_changed", "label_unknown_class",
    "payload_malformed", "answers_swapped", "asset_unreachable", "machine_labeled", "conflict_409",
)  # fmt: skip
IMPLEMENTED = tuple(name for name in KNOWN_FAULTS if name in CALL_FAULTS + ITEM_FAULTS)


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prices(_Options):
    """Micros per answer and purpose."""

    TRAIN: int = Field(40_000, ge=0)
    GOLD: int = Field(40_000, ge=0)
    AUDIT: int = Field(80_000, ge=0)
    RELABEL: int = Field(60_000, ge=0)
    CALIBRATION: int = Field(40_000, ge=0)

    def of(self, purpose: Purpose) -> int:
        """Micros of one answer."""
        return int(getattr(self, purpose))


class Annotator(_Options):
    """A simulated person: `skill` is the chance of a right answer, `confuse` says what a wrong one looks like."""

    id: str = Field(min_length=1)
    skill: float = Field(0.95, ge=0, le=1)
    confuse: dict[str, str] = Field(default_factory=dict)  # truth -> the class it is taken for
    spam: float = Field(0.0, ge=0, le=1)  # share of answers given blindly
    skip: float = Field(0.0, ge=0, le=1)  # share of items handed back without an answer


class Latency(_Options):
    """Seconds until an answer: lognormal through these two quantiles, cut at three times the second."""

    median_s: float = Field(7_200, gt=0)
    p95_s: float = Field(57_600, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p95_s < self.median_s:
            raise ValueError(f"p95_s ({self.p95_s}) must not be below median_s ({self.median_s})")
        return self


class Fault(_Options):
    """An armed fault: by `rate`, at one call of its operation (1-based), or for named items."""

    name: str
    rate: float | None = Field(None, ge=0, le=1)
    at_call: int | None = Field(None, ge=1)
    items: tuple[str, ...] = ()  # item ids
    keep: int | None = Field(None, ge=0)  # batch_partial: `keep` of every `of` items are created
    of: int | None = Field(None, ge=1)
    after_commit: bool = False  # create_timeout: the vendor created, and the answer was lost

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        ours = ", ".join(IMPLEMENTED)
        if name not in KNOWN_FAULTS:
            raise ValueError(f"no fault {name!r}; the simulated vendor can make: {ours}")
        if name not in IMPLEMENTED:
            raise ValueError(f"the simulated vendor cannot make {name!r}; it can make: {ours}")
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        by_call, by_item = self.name in CALL_FAULTS, self.name in ITEM_FAULTS
        if self.at_call is not None and not by_call:
            raise ValueError(f"{self.name} fires per item: say `rate` or `items`, not `at_call`")
        if self.items and not by_item:
            raise ValueError(f"{self.name} fires per call: say `rate` or `at_call`, not `items`")
        if sum((self.rate is not None, self.at_call is not None, bool(self.items))) != 1:
            raise ValueError(f"{self.name}: say when it fires, by exactly one of rate, at_call, items")
        if (self.keep is not None or self.of is not None) and self.name != "batch_partial":
            raise ValueError(f"{self.name} takes no keep/of; only batch_partial does")
        if self.name == "batch_partial" and (self.keep is None or self.of is None or self.keep > self.of):
            raise ValueError("batch_partial needs keep and of with keep <= of, for example keep: 310, of: 1310")
        if self.after_commit and self.name != "create_timeout":
            raise ValueError(f"{self.name} takes no after_commit; only create_timeout does")
        return self


def _staff() -> tuple[Annotator, ...]:
    skills = {"a1": 0.97, "a2": 0.96, "a3": 0.95, "a4": 0.92, "a5": 0.90}
    return tuple(Annotator(id=name, skill=skill) for name, skill in skills.items())


class Params(_Options):
    """Options of `vendor: {plugin: simulated, ...}`."""

    seed: int = 7
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    price_micros: Prices = Prices()
    annotators: tuple[Annotator, ...] = Field(default_factory=_staff, min_length=1)
    latency: Latency = Latency()
    hours_per_poll: float = Field(24.0, gt=0)  # simulated time that passes at the vendor between two polls
    max_batch: int = Field(500, ge=1)
    page_size: int = Field(1000, ge=1)
    idempotency: Idempotency = "NATIVE"
    cancel: Literal["ANY", "NONE"] = "ANY"  # whether labeling tasks without an answer can be taken back
    faults: tuple[Fault, ...] = ()

    @field_validator("annotators")
    @classmethod
    def _distinct(cls, annotators: tuple[Annotator, ...]) -> tuple[Annotator, ...]:
        ids = [a.id for a in annotators]
        if len(set(ids)) != len(ids):
            raise ValueError(f"annotator ids must be distinct; found {', '.join(ids)}")
        return annotators

    @field_validator("idempotency")
    @classmethod
    def _offered(cls, value: Idempotency) -> Idempotency:
        if value == "NATIVE_TTL":
            raise ValueError("the simulated vendor offers NATIVE, EMULATED and NONE")
        return value

    @property
    def poll(self) -> timedelta:
        """Simulated time between two polls."""
        return timedelta(hours=self.hours_per_poll)

    def armed(self, name: str) -> tuple[Fault, ...]:
        """The armed faults of a name."""
        return tuple(f for f in self.faults if f.name == name)
