"""Options of the spreadsheet vendor."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tailfirst.port import Workforce
from tailfirst.vendors._simulated_params import Prices


class Params(BaseModel):
    """Options of `vendor: {plugin: csv, ...}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None  # where sheets lie; relative to the workspace; default: state/vendor/csv
    delimiter: Literal[",", ";", "\t"] = ","  # of the sheets we write; every one of them is read
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    price_micros: Prices = Prices()  # what an answer costs you, per purpose; your own people's time too
    workforce: Workforce = "INTERNAL"
    part_size: int = Field(500, ge=1)  # tasks per committed part
    max_batch: int = Field(2000, ge=1)
    young_s: float = Field(5, ge=0)  # a file saved less than this ago is read again at the next poll

    @field_validator("price_micros")
    @classmethod
    def _not_free(cls, prices: Prices) -> Prices:
        free = [name for name, micros in prices.model_dump().items() if micros == 0]
        if free:
            raise ValueError(f"{', '.join(free)}: a quote of nothing cannot be approved; say at least 1 micro")
        return prices
