"""Files with their sha256, and writes that are whole or absent."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tailfirst.errors import StaleArtifact


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(folder: Path) -> str:
    """Hex sha256 over the sorted relative names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + sha256_file(path).encode() + b"\n")
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file and the sha256 of its bytes: cheap to hash, log and hand from task to task."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "Artifact":
        """The artifact for a file, or for a folder as a whole."""
        return cls(path, sha256_tree(path) if path.is_dir() else sha256_file(path))

    def checked(self) -> Path:
        """The path, after making sure that the bytes are still those recorded.

        Raises:
            StaleArtifact: The file or folder changed or is gone.
        """
        found = Artifact.of(self.path).sha256 if self.path.exists() else "nothing"
        if found != self.sha256:
            raise StaleArtifact(
                f"{self.path} changed: recorded {self.sha256[:12]}, found {found[:12]}; run the stage again"
            )
        return self.path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o644)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` (replacing it) when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    temporary.chmod(0o755)
    try:
        yield temporary
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> Artifact:
    """Write bytes whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
    return Artifact(path, sha256_bytes(data))


def write_json(path: Path, value: Any) -> Artifact:
    """Write JSON (sorted keys, indented, no NaN) whole or not at all."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return write_bytes(path, text.encode())


def write_parquet(path: Path, table: pa.Table) -> Artifact:
    """Write an arrow table whole or not at all; the same table gives the same bytes."""
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=True)
    return Artifact.of(path)


def write_array(path: Path, array: NDArray[Any]) -> Artifact:
    """Write a `.npy` matrix whole or not at all."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return Artifact.of(path)
