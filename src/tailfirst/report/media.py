"""What one sees of an item on a page: a small picture as a data URI, a text, or words where there is nothing to see."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tailfirst.errors import StaleArtifact, TaskFolderError
from tailfirst.items import Items, open_image, read_media
from tailfirst.paths import Workspace

SIDE = 128  # pixels of the longer side
TEXT = 280  # characters
QUALITY = 82


@dataclass(frozen=True, slots=True)
class Look:
    """One of image (a data URI), text, or `missing`: why there is nothing to see."""

    image: str | None = None
    text: str | None = None
    missing: str | None = None


def looks(ws: Workspace, items: Items, item_ids: Sequence[str]) -> Mapping[str, Look]:
    """How each item looks; an unreadable item is shown as such and never breaks the page."""
    known = set(items.item_ids.tolist())
    return {
        item: _look(ws, items, item) if item in known else Look(missing="not in items.parquet") for item in item_ids
    }


def _look(ws: Workspace, items: Items, item: str) -> Look:
    row = items.take([item])
    text = row["text"][0].as_py()
    if text is not None:
        return Look(text=text if len(text) <= TEXT else text[: TEXT - 1] + "…")
    if row["path"][0].as_py() is None and row["shard"][0].as_py() is None:
        return Look(missing=f"vector {row['vector_row'][0].as_py()}")
    try:
        data = read_media(ws, row, "image")[0].data
        return Look(image=thumbnail(data or b""))
    except (TaskFolderError, StaleArtifact) as error:
        return Look(missing=str(error))


def thumbnail(data: bytes) -> str:
    """A small JPEG of image bytes as a data URI.

    Raises:
        TaskFolderError: Not an image.
    """
    image = open_image(data)
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
