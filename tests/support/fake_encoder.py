"""An encoder without a network: vectors are looked up or made from the content's digest, and calls are counted."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tailfirst.contracts import Media, Vectors
from tailfirst.errors import TaskFolderError, Unavailable
from tailfirst.items import open_image
from tailfirst.vectors import unit


@dataclass
class FakeEncoder:
    """Known contents have given vectors; others get one that is drawn from their digest."""

    dim: int = 8
    fingerprint: str = "f" * 64
    logit_scale: float = 100.0
    reads: Literal["image", "text", "row"] = "image"
    has_text: bool = True
    known_items: Mapping[bytes, Sequence[float]] = field(default_factory=dict)
    known_texts: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seen_items: list[str] = field(default_factory=list)
    seen_texts: list[str] = field(default_factory=list)
    decode: bool = False  # open the bytes as an image first
    fail_after: int | None = None  # raise when more items than this were seen

    def items(self, batch: Sequence[Media]) -> Vectors:
        if self.reads == "text":
            texts = [str(media.text) for media in batch]
            self.seen_items.extend(media.item_id for media in batch)
            return self._texts(texts)
        for media in batch:
            assert media.data is not None
            if self.decode:
                try:
                    open_image(media.data)
                except TaskFolderError as error:
                    raise TaskFolderError(f"item {media.item_id}: {error}") from error
        self.seen_items.extend(media.item_id for media in batch)
        if self.fail_after is not None and len(self.seen_items) > self.fail_after:
            raise KeyboardInterrupt
        rows = [self.known_items.get(bytes(m.data or b""), self._drawn(m.data or b"")) for m in batch]
        return unit(np.array(rows, np.float32).reshape(-1, self.dim))

    def texts(self, batch: Sequence[str]) -> Vectors:
        if not self.has_text:
            raise Unavailable("no text side")
        self.seen_texts.extend(batch)
        return self._texts(batch)

    def prototypes(self, prompts: Sequence[Sequence[str]]) -> Vectors | None:
        if not self.has_text:
            return None
        return unit(np.stack([self._texts(one).mean(axis=0) for one in prompts]))

    def _texts(self, batch: Sequence[str]) -> Vectors:
        rows = [self.known_texts.get(text, self._drawn(text.encode())) for text in batch]
        return unit(np.array(rows, np.float32).reshape(-1, self.dim))

    def _drawn(self, content: bytes) -> Sequence[float]:
        seed = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
        drawn: list[float] = np.random.default_rng(seed).normal(size=self.dim).tolist()
        return drawn
