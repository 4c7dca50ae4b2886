"""Options of the Label Studio adapter: which server, which prices, how items are shown."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Params(BaseModel):
    """Options of `vendor: {plugin: label_studio, ...}`.

    The token is no option: TAILFIRST_LABEL_STUDIO_TOKEN holds it. TAILFIRST_LABEL_STUDIO_URL wins over `base_url`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field("http://127.0.0.1:8080", pattern=r"^https?://[^\s]+$")
    title: str = Field("tailfirst", min_length=3, max_length=20)  # project titles begin with it
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    price_micros: int = Field(40_000, ge=0)  # of one answer, whatever it is for: the server knows no money
    images: Literal["inline", "local_files", "url"] = "inline"
    document_root: Path | None = None  # local_files: the server's LOCAL_FILES_DOCUMENT_ROOT, as this machine sees it
    image_url: str | None = None  # url: an address with {item_id} or {path} in it
    inline_max_bytes: int = Field(300_000, ge=1)  # inline: of one image; it travels with every listing of its task
    instructions: str = ""  # shown to annotators above the class definitions; a few HTML tags are kept
    overlap_max: int = Field(9, ge=1)  # how many people there are to answer the same item
    max_batch: int = Field(200, ge=1)  # items per import call
    page_size: int = Field(100, ge=1, le=1000)  # tasks per listing call
    overlap_s: float = Field(60.0, ge=0)  # how far back each poll looks beyond the last one
    timeout_s: float = Field(30.0, gt=0)
    webhook_url: str | None = None  # where the server posts its hints; needs TAILFIRST_WEBHOOK_SECRETS

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.images == "local_files" and self.document_root is None:
            raise ValueError("images: local_files needs document_root, the folder below which the server shows files")
        if self.images == "url" and not (
            self.image_url and ("{item_id}" in self.image_url or "{path}" in self.image_url)
        ):
            raise ValueError("images: url needs image_url with {item_id} or {path} in it")
        return self
