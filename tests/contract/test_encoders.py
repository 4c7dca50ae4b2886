"""Every encoder keeps the contract: unit rows that depend on their own item only, and a fingerprint that tells."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from tailfirst import plugins
from tailfirst.config import Settings
from tailfirst.contracts import Encoder, Media
from tailfirst.errors import TaskFolderError, Unavailable, UserError
from tailfirst.paths import Workspace
from tests.support.pictures import picture
from tests.support.tiny_clip import make_tiny_clip, make_tiny_siglip

NAMES = plugins.names("encoders")
PROMPTS = [["a photo of a cat.", "a cat"], ["a photo of a dog."], ["ice cream"]]


@dataclass(frozen=True)
class Case:
    """How a plugin is loaded in a workspace, and in another way that must change its fingerprint."""

    name: str
    prepare: Callable[[Path], None]
    options: dict[str, Any]
    other: dict[str, Any]


def brought(root: Path) -> None:
    (root / "data").mkdir()
    rng = np.random.default_rng(0)
    np.save(root / "data" / "vectors.npy", rng.normal(size=(70, 12)).astype(np.float32))
    np.save(root / "data" / "prototypes.npy", rng.normal(size=(3, 12)).astype(np.float32))


CASES = {
    "clip": Case(
        "clip", lambda root: void(make_tiny_clip(root / "m")), {"model": "m"}, {"model": "m", "dtype": "bfloat16"}
    ),
    "clip-siglip": Case(
        "clip", lambda root: void(make_tiny_siglip(root / "m")), {"model": "m"}, {"model": "m", "batch": 7}
    ),
    "text": Case("text", lambda root: None, {}, {"longest": 32}),
    "precomputed": Case("precomputed", brought, {}, {"logit_scale": 10.0}),
}
CASES |= {name: Case(name, lambda root: None, {}, {}) for name in NAMES if name not in CASES}


def void(_: object) -> None:
    return None


@dataclass(frozen=True)
class Loaded:
    case: Case
    ws: Workspace
    encoder: Encoder

    def params(self, options: dict[str, Any]) -> BaseModel:
        return plugins.params("encoders", self.case.name, options)

    def load(self, options: dict[str, Any]) -> Encoder:
        return plugins.load("encoders", self.case.name).load(self.params(options), self.ws, Settings(device="cpu"))

    def media(self, count: int) -> list[Media]:
        if self.encoder.reads == "image":
            return [Media(f"i{k}", data=picture(k, 30 + k % 9, 30 + k % 5)) for k in range(count)]
        if self.encoder.reads == "text":
            words = [
                "where",
                "is",
                "my",
                "new",
                "card",
                "it",
                "has",
                "not",
                "come",
                "yet",
                "and",
                "the",
                "money",
                "left",
                "my",
                "account",
                "twice",
                "this",
                "week",
            ]
            return [Media(f"i{k}", text=" ".join(words[k % 7 : k % 7 + 1 + k % 18])) for k in range(count)]
        return [Media(f"i{k}", vector_row=k) for k in range(count)]


@pytest.fixture(scope="module", params=sorted(CASES))
def loaded(request, tmp_path_factory) -> Loaded:
    case = CASES[request.param]
    root = tmp_path_factory.mktemp(request.param)
    case.prepare(root)
    bare = Loaded(case, Workspace(root), None)  # type: ignore[arg-type]
    return Loaded(case, bare.ws, bare.load(case.options))


def test_every_plugin_has_params_and_a_case(loaded):
    assert {case.name for case in CASES.values()} == set(NAMES)
    assert issubclass(plugins.load("encoders", loaded.case.name).Params, BaseModel)
    with pytest.raises(UserError, match="known keys"):
        loaded.params({"no_such_option": 1})


def test_items_are_float32_unit_rows(loaded):
    vectors = loaded.encoder.items(loaded.media(45))
    assert vectors.shape == (45, loaded.encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_an_items_vector_does_not_depend_on_its_neighbors(loaded):
    """Bit for bit after the rounding of the cache: alone, among others, in another order, at another place."""
    media = loaded.media(45)
    together = loaded.encoder.items(media).astype(np.float16)
    for row in (0, 1, 31, 32, 44):
        alone = loaded.encoder.items([media[row]]).astype(np.float16)
        np.testing.assert_array_equal(alone[0], together[row])
    order = np.random.default_rng(1).permutation(45)
    shuffled = loaded.encoder.items([media[row] for row in order]).astype(np.float16)
    np.testing.assert_array_equal(shuffled, together[order])


def test_no_items_give_no_rows(loaded):
    assert loaded.encoder.items([]).shape == (0, loaded.encoder.dim)


def test_an_item_without_the_media_is_named(loaded):
    with pytest.raises(TaskFolderError, match="lost-one"):
        loaded.encoder.items([*loaded.media(3), Media("lost-one")])


def test_texts_are_unit_rows_that_do_not_depend_on_their_neighbors(loaded):
    encoder = loaded.encoder
    texts = ["a cat", "a photo of an old table in the snow with two small birds sitting", "fire truck"] * 15
    if not encoder.has_text:
        with pytest.raises(Unavailable):
            encoder.texts(texts)
        return
    together = encoder.texts(texts)
    assert together.shape == (45, encoder.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row in (0, 1, 2):
        np.testing.assert_array_equal(encoder.texts([texts[row]])[0].astype("f2"), together[row].astype("f2"))
    np.testing.assert_array_equal(together[:3], together[42:])
    assert encoder.texts([]).shape == (0, encoder.dim)


def test_prototypes_are_one_unit_row_per_class(loaded):
    found = loaded.encoder.prototypes(PROMPTS)
    if found is None:
        assert not loaded.encoder.has_text
        return
    assert found.shape == (3, loaded.encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    if loaded.encoder.has_text:
        both = loaded.encoder.texts(PROMPTS[0]).astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(found[0], both / np.linalg.norm(both), atol=1e-6)


def test_the_fingerprint_is_stable_and_tells_a_change(loaded):
    assert len(loaded.encoder.fingerprint) == 64
    assert int(loaded.encoder.fingerprint, 16) >= 0
    assert loaded.load(loaded.case.options).fingerprint == loaded.encoder.fingerprint
    if loaded.case.other:
        assert loaded.load(loaded.case.other).fingerprint != loaded.encoder.fingerprint
    assert loaded.encoder.logit_scale > 0
