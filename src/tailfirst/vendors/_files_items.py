"""What annotators see of an item: its text or image, read from the workspace and checked against its digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tailfirst.artifacts import sha256_bytes
from tailfirst.errors import StaleArtifact, TaskFolderError, Unavailable
from tailfirst.items import Items, Reads, load_items, read_media, sha256_text
from tailfirst.ontology.versions import task_at
from tailfirst.paths import Workspace
from tailfirst.port import TaskSpec
from tailfirst.task import Task, load_task

SUFFIXES = {
    b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"RIFF": ".webp", b"BM": ".bmp", b"II*\0": ".tif",
    b"MM\0*": ".tif",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """Exactly one of text, data and url."""

    text: str | None = None
    data: bytes | None = None
    url: str | None = None

    @property
    def name(self) -> str:
        """A file name for the image: its content's hash, because equal names of different images must not collide."""
        data = self.data or b""
        suffix = next((end for head, end in SUFFIXES.items() if data.startswith(head)), ".img")
        return f"{sha256_bytes(data)[:32]}{suffix}"


class Shelf:
    """The items of a workspace, read when first needed."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws

    @cached_property
    def task(self) -> Task:
        """Classes and modality.

        Raises:
            Unavailable: The items are bare vectors: there is nothing to show to a person.
        """
        task = load_task(self._ws.task)
        if task.modality == "vector":
            raise Unavailable(f"the items of task {task.name!r} are bare vectors; people need texts or images")
        return task

    def task_at(self, version: str) -> Task:
        """The task of an ontology version: a round asks in the classes that it was planned under.

        Raises:
            Unavailable: The items are bare vectors.
            OntologyError: No such version.
        """
        return self.task if version == self.task.ontology_version else task_at(self._ws, version)

    @cached_property
    def _items(self) -> Items:
        return load_items(self._ws)

    def show(self, spec: TaskSpec) -> Shown | str:
        """What to show for an item, or why that is not possible."""
        if "://" in spec.asset_url:
            return Shown(url=spec.asset_url)
        reads: Reads = "image" if self.task.modality == "image" else "text"
        try:
            (media,) = read_media(self._ws, self._items.take([spec.item_id]), reads)
        except (TaskFolderError, StaleArtifact) as error:
            return str(error)
        found = sha256_bytes(media.data) if media.data is not None else sha256_text(media.text or "")
        if found != spec.item_digest:
            return (
                f"item {spec.item_id} changed since it was chosen: {spec.item_digest[:12]} ordered, {found[:12]} here"
            )
        return Shown(text=media.text, data=media.data)

    def show_all(self, specs: Sequence[TaskSpec]) -> dict[str, Shown | str]:
        """`show` for several, by submission key; one bad item never stops the others."""
        return {spec.key: self.show(spec) for spec in specs}
