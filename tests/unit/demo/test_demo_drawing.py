"""The drawn world: same bytes everywhere, every class its own picture."""

import hashlib

import numpy as np
import pytest

from tailfirst.demo.classes import CLASSES, STRANGER_NAMES
from tailfirst.demo.drawings import DRAWINGS, STRANGERS
from tailfirst.demo.look import ALBUM, FIELD
from tailfirst.demo.palette import SIDE
from tailfirst.demo.pixels import decode
from tailfirst.demo.world import encode, picture

KNOWN = {
    ("house", 0): "8ba9c6de6b53675f",
    ("owl", 1): "d99c662f1b464d27",
    ("violin", 2): "ecde594360f8daa9",
    ("bicycle", 3): "f7fb21f93f8c994f",
    ("canoe", 4): "6763962fc2f2741b",
    ("lighthouse", 5): "61f90df59eeb1bfe",
    ("flower", 6): "e1e5af910630ecac",
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
