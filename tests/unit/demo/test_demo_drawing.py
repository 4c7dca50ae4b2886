"""The drawn world: same bytes everywhere, every class its own picture."""

import hashlib

import numpy as np
import pytest

from tailfirst.demo.classes import CLASSES
from tailfirst.demo.drawings import DRAWINGS, STRANGERS
from tailfirst.demo.look import ALBUM, FIELD
from tailfirst.demo.names import STRANGER_NAMES
from tailfirst.demo.palette import SIDE
from tailfirst.demo.pixels import decode
from tailfirst.demo.world import encode, picture

KNOWN = {
    ("house", 0): "6b27af0cea7e13b2",
    ("owl", 1): "b0dcd145575e4561",
    ("violin", 2): "780c87465679e72a",
    ("bicycle", 3): "9a1a4fd9c55a6ff3",
    ("canoe", 4): "ed8ad12e3ab3c0c8",
    ("lighthouse", 5): "ae8c318ffc000904",
    ("flower", 6): "9a6da6b4537ddf8b",
}


def digest(thing, look, number):
    return hashlib.sha256(encode(picture(thing, look, np.random.default_rng([1, number])))).hexdigest()[:16]


@pytest.mark.parametrize(("thing", "number"), sorted(KNOWN))
def test_the_bytes_of_a_picture_never_change(thing, number):
    assert digest(thing, FIELD, number) == KNOWN[thing, number]


def test_every_class_and_every_stranger_has_a_drawing():
    assert tuple(DRAWINGS) == tuple(c.id for c in CLASSES)
    assert tuple(STRANGERS) == tuple(STRANGER_NAMES)


@pytest.mark.parametrize("thing", [*DRAWINGS, *STRANGERS])
def test_a_picture_is_square_opaque_and_not_empty(thing):
    for number in range(4):
        image = picture(thing, ALBUM, np.random.default_rng([2, number]))
        assert image.size == (SIDE, SIDE)
        assert image.mode == "RGB"
        assert len(image.getcolors(SIDE * SIDE)) > 5


def test_a_picture_survives_the_png():
    image = picture("house", FIELD, np.random.default_rng(3))
    assert (decode(encode(image)) == np.asarray(image)).all()


def test_pictures_of_one_class_differ():
    pictures = {digest("owl", ALBUM, number) for number in range(40)}
    assert len(pictures) == 40


def test_the_thing_decides_what_is_seen():
    """With the same seed, two classes share the ground but not the object."""
    one, two = (np.asarray(picture(t, ALBUM, np.random.default_rng([4, 1])), dtype=int) for t in ("mug", "teapot"))
    changed = np.abs(one - two).sum(2) > 60
    assert 0.03 < changed.mean() < 0.9


def test_a_second_thing_can_be_drawn_beside():
    alone, accompanied = (
        np.asarray(picture("house", ALBUM, np.random.default_rng([5, 2]), beside=b), dtype=int) for b in (None, "star")
    )
    assert (alone != accompanied).any()
