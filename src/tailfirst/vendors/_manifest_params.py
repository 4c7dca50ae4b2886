"""Options of the manifest vendor: where the store is, prices, what the other side writes."""

from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tailfirst.port import Workforce
from tailfirst.vendors._simulated_params import Prices

SECRETS = ("key", "secret", "token", "password", "credential")


class Params(BaseModel):
    """Options of `vendor: {plugin: manifest, ...}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None  # folder for everything, e.g. s3://bucket/prefix; default: state/vendor/manifest
    endpoint_url: str | None = None  # an S3-compatible server; AWS itself without it
    options: dict[str, Any] = Field(default_factory=dict)  # more for fsspec; no secrets
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    price_micros: Prices = Prices()  # per answer
    workforce: Workforce = "CONTRACTED"
    statement: bool = False  # whether the vendor writes statement*.jsonl with what it charges
    retention_days: int | None = Field(None, ge=1)
    part_size: int = Field(500, ge=1)  # tasks per committed part
    max_batch: int = Field(5000, ge=1)
    overlap_s: float = Field(120, ge=0)  # on stores without checksums: younger outputs are read again

    @field_validator("url", "endpoint_url")
    @classmethod
    def _no_login(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if parts.username or parts.password or parts.query:
            raise ValueError("credentials come from the environment only; leave user, password and query out")
        return value

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        for name in _names(self.options):
            if any(word in name.lower() for word in SECRETS):
                raise ValueError(f"options.{name} looks like a secret; secrets come from the environment only")
        return self


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [str(k) for k in value] + [name for v in value.values() for name in _names(v)]
    return []
