"""What annotators look at: texts and small images inside the task, other images by an address for their browser."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from tailfirst.errors import ConfigError, TailfirstError
from tailfirst.items import Items, load_items, read_media
from tailfirst.paths import Workspace
from tailfirst.port import SubmissionKey, TaskSpec
from tailfirst.task import Task
from tailfirst.vendors._label_studio_params import Params

# The first bytes of the formats that browsers show.
_KINDS = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"BM", "image/bmp"))


@dataclass(frozen=True)
class Media:
    """The items of a workspace as task data."""

    ws: Workspace
    task: Task
    params: Params

    @cached_property
    def items(self) -> Items:
        """items.parquet, read when first needed."""
        return load_items(self.ws)

    def data(
        self, specs: Sequence[TaskSpec]
    ) -> tuple[dict[SubmissionKey, Mapping[str, str]], dict[SubmissionKey, str]]:
        """The data of each task that can be shown, and why for each that cannot."""
        shown: dict[SubmissionKey, Mapping[str, str]] = {}
        refused: dict[SubmissionKey, str] = {}
        for spec in specs:
            try:
                shown[spec.key] = {self.task.modality: self._value(spec)}
            except TailfirstError as error:
                refused[spec.key] = str(error)
        return shown, refused

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """local_files: the folders that hold the items' images, each below data/ and the server's document root.

        Only these are opened to annotators, never data/ itself: answers of the holdout lie there.

        Raises:
            ConfigError: An image lies in data/ itself, or data/ is not below the document root.
        """
        paths = [path for path in self.items.table["path"].to_pylist() if path is not None]
        if loose := next((path for path in paths if "/" not in path), None):
            raise ConfigError(
                f"images: local_files would show all of data/, because data/{loose} lies there itself; use inline"
            )
        names = sorted({path.split("/")[0] for path in paths})
        for name in names:
            self._below_root(self.ws.data / name)
        return tuple((self.ws.data / name).resolve() for name in names)

    def _value(self, spec: TaskSpec) -> str:
        rows = self.items.take([spec.item_id])
        if self.task.modality == "text":
            return str(read_media(self.ws, rows, "text")[0].text)
        path = rows["path"].to_pylist()[0]
        if spec.asset_url.startswith(("https://", "http://")):
            return spec.asset_url
        if self.params.images == "url":
            return str(self.params.image_url).replace("{item_id}", spec.item_id).replace("{path}", quote(path or ""))
        if self.params.images == "local_files":
            if path is None:
                raise ConfigError(
                    f"item {spec.item_id} lies in a shard, which local_files cannot show; use images: inline"
                )
            return f"/data/local-files/?d={quote(self._below_root(self.ws.data / path))}"
        return self._inline(spec.item_id, bytes(read_media(self.ws, rows, "image")[0].data or b""))

    def _inline(self, item_id: str, data: bytes) -> str:
        if len(data) > self.params.inline_max_bytes:
            raise ConfigError(
                f"item {item_id} has {len(data):,} bytes, vendor.inline_max_bytes is {self.params.inline_max_bytes:,}; "
                "raise it, or use images: local_files or url"
            )
        kind = next((kind for start, kind in _KINDS if data.startswith(start)), None)
        if kind is None and data[8:12] == b"WEBP":
            kind = "image/webp"
        if kind is None:
            raise ConfigError(
                f"item {item_id} is no PNG, JPEG, GIF, BMP or WebP; a browser shows nothing else reliably"
            )
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    def _below_root(self, path: Path) -> str:
        root = Path(str(self.params.document_root)).resolve()
        found = path.resolve()
        if not found.is_relative_to(root) or found == root:  # the server takes no storage at the root itself
            raise ConfigError(
                f"{found} is not below vendor.document_root {root}; start the server with that root, or use inline"
            )
        return found.relative_to(root).as_posix()
