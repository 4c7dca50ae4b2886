"""What callers send to the fake vendor, checked where it comes in."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tailfirst.port import BatchKey, BatchSpec, Money, ProjectRef, Purpose, SubmissionKey, TaskSpec

Short = Field(min_length=1, max_length=256)
IDS_MAX = 5_000  # ids in one request


class Shape(BaseModel):
    """Unknown fields are refused, like a vendor with a versioned API does."""

    model_config = ConfigDict(extra="forbid")


class ProjectIn(Shape):
    """A project, named by its caller."""

    name: str = Short
    ontology_digest: str = Short
    ontology_version: str = Short


class QuoteIn(Shape):
    """What is to be priced."""

    purpose: Purpose
    n_tasks: int = Field(ge=0)
    overlap: int = Field(ge=1)
    sla_at: datetime


class BatchIn(Shape):
    """An order, named by its caller; empty until tasks are added, worked on from its finalization."""

    name: str = Short
    project: str = Short
    round_no: int = Field(ge=0)
    purpose: Purpose
    n_tasks: int = Field(ge=0)
    overlap: int = Field(ge=1)
    sla_at: datetime
    max_price_micros: int = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")

    def spec(self) -> BatchSpec:
        """As the port has it."""
        project = ProjectRef("rest", self.project, "")
        price = Money(self.max_price_micros, self.currency)
        return BatchSpec(
            BatchKey(self.name), project, self.round_no, self.purpose, self.n_tasks, self.overlap, self.sla_at, price
        )


class Metadata(Shape):
    """What is echoed in every result."""

    item_id: str = Short
    item_digest: str = Short


class Attachment(Shape):
    """What the annotator sees: a text, an address, or bytes in base64."""

    type: Literal["text", "url", "base64", "none"]
    content: str = Field("", max_length=30_000_000)


class TaskIn(Shape):
    """A labeling task; `unique_id` is ours, for good and over all projects."""

    unique_id: str = Short
    metadata: Metadata
    purpose: Purpose
    attempt: int = Field(ge=1)
    overlap_slot: int = Field(ge=0)
    payload_sha256: str = Short
    attachment: Attachment
    prelabel: str | None = Field(None, max_length=256)

    def spec(self) -> TaskSpec:
        """As the port has it."""
        return TaskSpec(
            key=SubmissionKey(self.unique_id),
            item_id=self.metadata.item_id,
            item_digest=self.metadata.item_digest,
            asset_url=self.attachment.content if self.attachment.type == "url" else "",
            asset_expires_at=datetime.max.replace(tzinfo=UTC),
            purpose=self.purpose,
            attempt=self.attempt,
            overlap_slot=self.overlap_slot,
            payload_sha256=self.payload_sha256,
            prelabel=self.prelabel,
        )


class TasksIn(Shape):
    """Many at once."""

    tasks: list[TaskIn] = Field(min_length=1, max_length=IDS_MAX)


class UniqueIds(Shape):
    """Keys to look for."""

    unique_ids: list[str] = Field(max_length=IDS_MAX)


class TaskIds(Shape):
    """The vendor's own ids."""

    task_ids: list[str] = Field(max_length=IDS_MAX)
    key: str = Field("", max_length=256)


class ReviewIn(Shape):
    """A verdict; the same key twice is one verdict."""

    verdict: Literal["ACCEPT", "REJECT", "REWORK"]
    reason: str = Field("", max_length=2_000)
    key: str = Short


class FaultsIn(Shape):
    """Admin: faults to arm instead of those before."""

    faults: list[dict[str, object]]


class JumpIn(Shape):
    """Admin: how much simulated time passes at once."""

    hours: float = Field(gt=0, le=100_000)


class BalanceIn(Shape):
    """Admin: what has been paid in, in all."""

    balance_micros: int = Field(ge=0)


class PricesIn(Shape):
    """Admin: what everything costs from now on, in hundredths of the price list."""

    percent: int = Field(ge=1, le=10_000)
