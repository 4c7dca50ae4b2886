"""A model whose features are its own: a map of the vectors, or a tuned network, below a linear head."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from tailfirst import artifacts, plugins
from tailfirst.adaptation._linear import LinearModel, load_linear
from tailfirst.adaptation._loop import Point
from tailfirst.config import Settings
from tailfirst.contracts import Encoder, Floats, Head, MediaOf, Vectors
from tailfirst.encoders._tunable import Tunable, write_network
from tailfirst.errors import Unavailable
from tailfirst.paths import Workspace
from tailfirst.vectors import unit

ADAPTER, NETWORK, CARD, CURVE = "adapter.safetensors", "network", "network.json", "curve.json"
CHUNK = 512  # items in memory at a time


class Encoding(Protocol):
    """How features come from a base vector or from the item itself."""

    def features(self, vectors: Vectors, media: MediaOf | None) -> Vectors:
        """(N, D) unit features."""

    def save(self, folder: Path) -> None:
        """Write it."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """z' = norm(z + A z)."""

    matrix: Vectors  # (D, D)

    def features(self, vectors: Vectors, media: MediaOf | None) -> Vectors:  # noqa: ARG002
        """Features of base vectors."""
        units = unit(vectors)
        return unit(units + units @ self.matrix.T)

    def save(self, folder: Path) -> None:
        """Write adapter.safetensors."""
        from safetensors.numpy import save

        artifacts.write_bytes(folder / ADAPTER, save({"items": np.ascontiguousarray(self.matrix, np.float32)}))


@dataclass(frozen=True, slots=True)
class Reencoded:
    """A tuned encoder that sees the item again."""

    tuned: Callable[[Settings], Encoder]
    write: Callable[[Path], None]  # the network's folder and its card

    def features(self, vectors: Vectors, media: MediaOf | None) -> Vectors:
        """Vectors of the tuned encoder.

        Raises:
            Unavailable: There are no media.
        """
        if media is None:
            raise Unavailable("this model encodes items with its own network, and only vectors are there")
        return encoded(self.tuned(Settings()), media, len(vectors))

    def save(self, folder: Path) -> None:
        """Write network/ and network.json."""
        self.write(folder)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A linear head over features of its own; `encoding` None: over the base vectors."""

    linear: LinearModel
    encoding: Encoding | None
    curve: Sequence[Point] = field(default=())

    @property
    def encoder(self) -> str:
        """Fingerprint of the base encoder."""
        return self.linear.encoder

    @property
    def class_ids(self) -> tuple[str, ...]:
        """The classes."""
        return self.linear.class_ids

    @property
    def head(self) -> Head:
        """Weights and scale."""
        return self.linear.head

    @property
    def tuned(self) -> Callable[[Settings], Encoder] | None:
        """The encoder that makes the features; None where they are made of base vectors."""
        return self.encoding.tuned if isinstance(self.encoding, Reencoded) else None

    def features(self, vectors: Vectors, media: MediaOf | None) -> Vectors:
        """(N, D) unit features.

        Raises:
            Unavailable: The model encodes anew and there are no media.
        """
        return vectors if self.encoding is None else self.encoding.features(vectors, media)

    def probs(self, features: Vectors) -> Floats:
        """(N, C) class probabilities."""
        return self.linear.probs(features)

    def save(self, folder: Path) -> None:
        """Write head, encoding and learning curve."""
        self.linear.save(folder)
        if self.encoding is not None:
            self.encoding.save(folder)
        artifacts.write_json(folder / CURVE, [asdict(point) for point in self.curve])


def load_tuned(folder: Path) -> Tuned:
    """The model that `Tuned.save` wrote; a network is read when it is first needed.

    Raises:
        TaskFolderError: A file is missing, or weights and classes do not fit.
    """
    from safetensors.numpy import load

    curve = folder / CURVE
    points = json.loads(curve.read_text(encoding="utf-8")) if curve.exists() else []
    encoding: Encoding | None = None
    if (folder / ADAPTER).exists():
        encoding = Mapped(load((folder / ADAPTER).read_bytes())["items"])
    elif (folder / CARD).exists():
        encoding = Reencoded(_reader(folder), lambda target: _copy(folder, target))
    return Tuned(load_linear(folder), encoding, [Point(**one) for one in points])


def encoded(encoder: Encoder, media: MediaOf, count: int) -> Vectors:
    """(count, D) vectors of items, some at a time."""
    out = np.empty((count, encoder.dim), np.float32)
    for first in range(0, count, CHUNK):
        rows = np.arange(first, min(first + CHUNK, count))
        out[rows] = encoder.items(media(rows))
    return out


def of_network(encoder: Tunable) -> Reencoded:
    """The encoding of an encoder whose network was tuned here."""

    def write(folder: Path) -> None:
        write_network(encoder.network, encoder.folder, folder / NETWORK)
        card = {"plugin": encoder.card.plugin, "options": dict(encoder.card.options)}
        artifacts.write_json(folder / CARD, card)

    return Reencoded(lambda _: encoder, write)


def _reader(folder: Path) -> Callable[[Settings], Encoder]:
    known: dict[str, Encoder] = {}

    def read(settings: Settings) -> Encoder:
        if settings.device not in known:
            card = json.loads((folder / CARD).read_text(encoding="utf-8"))
            options = plugins.params("encoders", card["plugin"], {**card["options"], "model": str(network)})
            with TemporaryDirectory() as scratch:  # a model of this one folder needs no book of digests
                module = plugins.load("encoders", card["plugin"])
                known[settings.device] = module.load(options, Workspace(Path(scratch)), settings)
        return known[settings.device]

    network = (folder / NETWORK).absolute()
    return read


def _copy(folder: Path, target: Path) -> None:
    import shutil

    shutil.copytree(folder / NETWORK, target / NETWORK, dirs_exist_ok=True)
    shutil.copyfile(folder / CARD, target / CARD)
