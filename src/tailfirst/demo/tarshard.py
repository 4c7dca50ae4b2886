"""Uncompressed tar shards with known payload offsets and headers that hold no time and no user."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_HEADER = 512
"""A ustar member with a short name has exactly one header block."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one payload lies in its shard.

    Attributes:
        sha256: of the payload.
        offset: of the payload's first byte in the shard.
        length: of the payload, bytes.
    """

    sha256: str
    offset: int
    length: int


def write_tar(path: Path, payloads: Iterable[bytes]) -> list[Entry]:
    """Write PNG payloads as a deterministic tar and say where each lies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
        for payload in payloads:
            digest = hashlib.sha256(payload).hexdigest()
            header = tarfile.TarInfo(f"{digest[:20]}.png")
            header.size = len(payload)
            entries.append(Entry(digest, shard.offset + _HEADER, len(payload)))
            shard.addfile(header, io.BytesIO(payload))
    return entries
