"""Options of the spreadsheet vendor."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tailfirst.port import Workforce
from tailfirst.vendors._simulated_params import Prices

FREE = Prices(TRAIN=0, GOLD=0, AUDIT=0, RELABEL=0, CALIBRATION=0)


class Params(BaseModel):
    """Options of `vendor: {plugin: csv, ...}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None  # where sheets lie; relative to the workspace; default: state/vendor/csv
    delimiter: Literal[",", ";", "\t"] = ","  # of the sheets we write; every one of them is read
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    price_micros: Prices = FREE  # per answer; colleagues cost nothing by default
    workforce: Workforce = "INTERNAL"
    part_size: int = Field(500, ge=1)  # tasks per committed part
    max_batch: int = Field(2000, ge=1)
    young_s: float = Field(5, ge=0)  # a file saved less than this ago is read again at the next poll
