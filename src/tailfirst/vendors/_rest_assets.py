"""What an annotator at a REST vendor gets to see of an item: its text, its bytes, or an address."""

import base64
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from tailfirst.errors import StaleArtifact, TaskFolderError
from tailfirst.items import Items, load_items, read_media
from tailfirst.paths import Workspace
from tailfirst.port import TaskSpec

Attachment = dict[str, str]


def attachments(
    ws: Workspace, specs: Sequence[TaskSpec], base_url: str | None
) -> tuple[Mapping[str, Attachment], Mapping[str, str]]:
    """What is sent along with each labeling task.

    Args:
        ws: Where the items are.
        specs: What is asked.
        base_url: Where images can be loaded, the item id is appended; None = they are sent along as bytes.

    Returns:
        By submission key the attachment, and by submission key why there is none: one bad item stops no other.
    """
    ready: dict[str, Attachment] = {}
    bad: dict[str, str] = {}
    items = load_items(ws)
    for spec in specs:
        try:
            ready[spec.key] = _attachment(ws, items, spec, base_url)
        except (TaskFolderError, StaleArtifact) as error:
            bad[spec.key] = str(error)
    return ready, bad


def _attachment(ws: Workspace, items: Items, spec: TaskSpec, base_url: str | None) -> Attachment:
    if not spec.asset_url.startswith("item:"):
        return {"type": "url", "content": spec.asset_url}
    row = items.take([spec.asset_url.removeprefix("item:")])
    text = row["text"].to_pylist()[0]
    if text is not None:
        return {"type": "text", "content": str(text)}
    if row["path"].to_pylist()[0] is None and row["shard"].to_pylist()[0] is None:
        return {"type": "none", "content": ""}  # vectors only: the vendor knows the item by its id
    if base_url is not None:
        return {"type": "url", "content": f"{base_url.rstrip('/')}/{quote(spec.item_id, safe='')}"}
    (media,) = read_media(ws, row, "image")
    return {"type": "base64", "content": base64.b64encode(media.data or b"").decode()}
