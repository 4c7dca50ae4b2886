"""Options of the simulated vendor: prices, people, speed and armed faults."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tailfirst.port import Idempotency
from tailfirst.vendors._simulated_faults import (
    CALL_FAULTS,
    IMPLEMENTED,
    ITEM_FAULTS,
    KNOWN_FAULTS,
    PUSH_FAULTS,
    SERVICE_FAULTS,
    STAFF_FAULTS,
    Fault,
    fires,
)

__all__ = [
    "CALL_FAULTS", "IMPLEMENTED", "ITEM_FAULTS", "KNOWN_FAULTS", "PUSH_FAULTS", "SERVICE_FAULTS", "STAFF_FAULTS",
    "Annotator", "Fault", "Latency", "Params", "Prices",
]  # fmt: skip


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prices(_Options):
    """Micros per answer and purpose."""

    TRAIN: int = Field(40_000, ge=0)
    GOLD: int = Field(40_000, ge=0)
    AUDIT: int = Field(80_000, ge=0)
    RELABEL: int = Field(60_000, ge=0)
    CALIBRATION: int = Field(40_000, ge=0)

    def of(self, purpose: str) -> int:
        """Micros of one answer."""
        return int(getattr(self, purpose))


class Annotator(_Options):
    """A simulated person: `skill` is the chance of a right answer, `confuse` says what a wrong one looks like."""

    id: str = Field(min_length=1)
    skill: float = Field(0.95, ge=0, le=1)
    skill_of: dict[str, float] = Field(default_factory=dict)  # truth -> skill, where it differs from `skill`
    confuse: dict[str, str] = Field(default_factory=dict)  # truth -> the class it is taken for
    fatigue: float = Field(0.0, ge=0, le=0.1)  # share of the skill that each hour of an eight-hour shift takes
    spam: float = Field(0.0, ge=0, le=1)  # share of answers given blindly
    skip: float = Field(0.0, ge=0, le=1)  # share of items handed back without an answer


class Latency(_Options):
    """Seconds until an answer: lognormal through these two quantiles, cut at three times the second."""

    median_s: float = Field(7_200, gt=0)
    p95_s: float = Field(57_600, gt=0)
    hard_item_factor: float = Field(1.0, ge=1)  # hard items take so many times longer, so they come back last

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p95_s < self.median_s:
            raise ValueError(f"p95_s ({self.p95_s}) must not be below median_s ({self.median_s})")
        return self


def _staff() -> tuple[Annotator, ...]:
    skills = {"a1": 0.97, "a2": 0.96, "a3": 0.95, "a4": 0.92, "a5": 0.90}
    return tuple(Annotator(id=name, skill=skill) for name, skill in skills.items())


class Params(_Options):
    """Options of `vendor: {plugin: simulated, ...}`."""

    seed: int = 7
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    price_micros: Prices = Prices()
    balance_micros: int | None = Field(None, ge=0)  # what we have paid in; null = the vendor sends a bill
    annotators: tuple[Annotator, ...] = Field(default_factory=_staff, min_length=1)
    hard_share: float = Field(0.1, ge=0, le=1)  # share of the items that are hard for everybody
    hard_skill_loss: float = Field(0.0, ge=0, le=1)  # how much skill a hard item takes
    latency: Latency = Latency()
    hours_per_poll: float = Field(24.0, ge=0)  # simulated time that passes at the vendor between two polls
    max_batch: int = Field(500, ge=1)
    page_size: int = Field(1000, ge=1)
    idempotency: Idempotency = "NATIVE"
    idempotency_ttl_s: int = Field(86_400, ge=1)  # NATIVE_TTL: after so long a repeated key is a new purchase
    cancel: Literal["ANY", "NONE"] = "ANY"  # whether labeling tasks without an answer can be taken back
    review: bool = False  # whether answers can be accepted and rejected; a rejected one is not paid
    rework: bool = False  # whether a review can send an answer back to other people, at the vendor's cost
    prelabels: bool = True
    gold: bool = True
    retention_days: int | None = Field(None, ge=1)  # after so many simulated days an answer is deleted
    faults: tuple[Fault, ...] = ()

    @field_validator("annotators")
    @classmethod
    def _distinct(cls, annotators: tuple[Annotator, ...]) -> tuple[Annotator, ...]:
        ids = [a.id for a in annotators]
        if len(set(ids)) != len(ids):
            raise ValueError(f"annotator ids must be distinct; found {', '.join(ids)}")
        return annotators

    @property
    def poll(self) -> timedelta:
        """Simulated time between two polls."""
        return timedelta(hours=self.hours_per_poll)

    def armed(self, name: str) -> tuple[Fault, ...]:
        """The armed faults of a name."""
        return tuple(f for f in self.faults if f.name == name)

    def hit(self, name: str, *, item_id: str = "", key: str = "", call: int = 0) -> Fault | None:
        """The armed fault of a name that hits this call, labeling task or person; None = it does not strike."""
        found = (f for f in self.armed(name) if fires(f, self.seed, item_id=item_id, key=key, call=call))
        return next(found, None)
