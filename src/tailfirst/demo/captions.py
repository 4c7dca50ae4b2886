"""What people write under the open corpus's pictures: honest, silent and misleading captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailfirst.demo.classes import CLASSES
from tailfirst.demo.names import STRANGER_NAMES

_MANNERS = (
    "small",
    "old",
    "funny",
    "lovely",
    "tiny",
    "quick",
    "simple",
    "cheerful",
    "lonely",
    "bright",
    "colourful",
    "plain",
)
_PLACES = (
    "on checked paper",
    "in the garden",
    "by the window",
    "on a grey day",
    "at night",
    "in soft light",
    "on squared paper",
    "in front of a wall",
    "near the sea",
    "on the kitchen table",
    "on stripes",
    "in the distance",
)
_ENDS = (
    *("",) * 4,
    " #dailydrawing",
    " - free clip art",
    ", 2nd try",
    ", finally finished",
    " (sketchbook page)",
    " for the kids",
)

_NAMED = (
    "{c} {manner} {name}",
    "{a} {name} {place}",
    "a picture of {a} {name}.",
    "a drawing of {a} {name}.",
    "{name}",
    "my {manner} {name} {place}",
    "hand drawn {name}",
    "{name} sticker",
    "{manner} {name} clip art",
    "the {name} we saw last summer",
    "{name} {place}",
    "another {name} from my sketchbook",
    "learning to draw {a} {name}",
    "{name} icon, {manner} style",
)
_SILENT = (
    "untitled no. {number}",
    "day {number} of the drawing challenge",
    "{c} {manner} page from my sketchbook",
    "something {manner} {place}",
    "what do you think?",
    "colour study {number}",
    "drawn {place}",
    "for my sister's birthday",
    "work in progress, {manner} version",
    "guess what this is",
)
_VAGUE = (
    "{c} {manner} {name}",
    "{a} {name} {place}",
    "some {name}, {manner}",
    "not sure what this {name} is called",
    "{name} {place}",
    "{name} clip art",
    "my {manner} {name}",
    "learning to draw {a} {name}",
)
_MISLEADING = (
    "sign of the {name} shop on the corner",
    "{name}-shaped box, not the real thing",
    "drawn in the cafe on {name} street",
    "stood next to {a} {name}, did not draw it",
    "the {name} was taken, so here is this instead",
    "wrapping paper for {a} {name}",
    "no {name} today, only this",
    "song of the week: {name} nights",
    "sorry, still not {a} {name}",
    "seen from the {name} museum",
)
_PAIRS = (
    "{a} {name} next to {b} {other}",
    "{name} and {other}",
    "{name} with {b} {other} {place}",
    "the {name} and the {other}",
)


def class_name(position: int, rng: np.random.Generator) -> str:
    """Draw one of a class's names as captions use them."""
    chosen = CLASSES[position]
    shares = np.cumsum(chosen.shares)
    return chosen.names[int(np.searchsorted(shares, rng.integers(shares[-1]), side="right"))]


def stranger_name(thing: str, rng: np.random.Generator) -> str:
    """Draw one of the names of a thing outside the task."""
    return _one(STRANGER_NAMES[thing], rng)


def named(name: str, rng: np.random.Generator) -> str:
    """Write a caption that says what is shown."""
    return _finish(_filled(_one(_NAMED, rng), name, "", rng) + _one(_ENDS, rng), rng)


def vague(position: int, rng: np.random.Generator) -> str:
    """Write a caption that knows only the kind of thing, as people do who do not know the word."""
    return _finish(_filled(_one(_VAGUE, rng), _one(CLASSES[position].kinds, rng), "", rng) + _one(_ENDS, rng), rng)


def silent(rng: np.random.Generator) -> str:
    """Write a caption that names nothing."""
    return _finish(_filled(_one(_SILENT, rng), "", "", rng), rng)


def misleading(absent: str, rng: np.random.Generator) -> str:
    """Write a caption that mentions something that is not shown."""
    return _finish(_filled(_one(_MISLEADING, rng), absent, "", rng), rng)


def paired(name: str, other: str, rng: np.random.Generator) -> str:
    """Write a caption that names the thing and the small one beside it."""
    return _finish(_filled(_one(_PAIRS, rng), name, other, rng), rng)


def _one(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _filled(pattern: str, name: str, other: str, rng: np.random.Generator) -> str:
    manner = _one(_MANNERS, rng)
    return pattern.format(
        name=name,
        other=other,
        a=_article(name),
        b=_article(other),
        c=_article(manner),
        manner=manner,
        place=_one(_PLACES, rng),
        number=int(rng.integers(1, 400)),
    )


def _article(name: str) -> str:
    return "an" if name[:1] in "aeiou" and name else "a"


def _finish(caption: str, rng: np.random.Generator) -> str:
    """Vary the case as people do."""
    kind = int(rng.integers(20))
    if kind == 0:
        return caption.upper()
    return caption[:1].upper() + caption[1:] if kind < 6 else caption
