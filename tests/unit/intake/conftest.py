"""Small real inputs: pictures, folders, tables, tars, blobs."""

import csv
import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(seed: int, kind: str = "PNG", side: int = 6) -> bytes:
    pixels = np.random.default_rng([seed]).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def make_picture() -> Callable[..., bytes]:
    return picture


@pytest.fixture
def class_folders(tmp_path: Path) -> Callable[..., Path]:
    """A folder per class with n pictures each; different `start`s share no picture."""

    def make(name: str, n: int = 4, start: int = 0, classes: Sequence[str] = ("red_fox", "owl")) -> Path:
        root = tmp_path / name
        for row, one in enumerate(classes):
            (root / one).mkdir(parents=True)
            for i in range(n):
                (root / one / f"{i}.png").write_bytes(picture(start + 100 * row + i))
        return root

    return make


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    return write


@pytest.fixture
def texts(write_csv: Callable[..., Path]) -> Path:
    """Twelve texts of two classes."""
    rows = [(f"question {i} about {one}", one) for i in range(6) for one in ("lost_card", "exchange-rate")]
    return write_csv("texts.csv", ("text", "category"), rows)


@pytest.fixture
def make_tar(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, members: dict[str, bytes]) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w") as tar:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return make
