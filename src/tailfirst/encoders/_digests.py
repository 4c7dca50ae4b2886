"""Fingerprints: a hash of everything that a vector depends on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tailfirst import artifacts

CODE_VERSION = 1
"""Raise it when a change here changes a vector: every cache and every model then knows."""

MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def fingerprint(parts: Mapping[str, object]) -> str:
    """Hex sha256 of named parts and the code version."""
    return artifacts.sha256_bytes(artifacts.canonical_json({**parts, "code": CODE_VERSION}).encode())


def model_digest(folder: Path, book: Path) -> str:
    """Hex sha256 over the names and bytes of a model folder's files."""
    found = sorted({path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.is_file()})
    digest = hashlib.sha256()
    for path, sha in zip(found, file_digests(found, book), strict=True):
        digest.update(f"{path.name}\0{sha}\n".encode())
    return digest.hexdigest()


def file_digests(paths: Iterable[Path], book: Path) -> list[str]:
    """Hex sha256 of files; `book` remembers them by path, size and time of change, so large files are read once.

    A missing or damaged book only costs time.
    """
    known = _read(book)
    result, news = [], False
    for path in paths:
        state = path.stat()
        key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
        if key not in known:
            known[key], news = artifacts.sha256_file(path), True
        result.append(known[key])
    if news:
        artifacts.write_json(book, known)
    return result


def _read(book: Path) -> dict[str, str]:
    try:
        value = json.loads(book.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}
