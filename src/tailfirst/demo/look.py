"""How hard the pictures of a source are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How hard a source's pictures are.

    Attributes:
        turn: largest rotation of upright things, degrees; free things turn three times as far.
        smallest: smallest half-size of the thing, share of the picture's side.
        largest: largest half-size.
        clutter: most small marks around the thing.
        occluded: share of pictures with a bar or patch in front.
        drawn: share of line drawings.
        neighbor: share of pictures with a small stranger beside the thing.
        grain: share of pictures with noise.
        blurred: share of pictures slightly out of focus.
        night: share of pictures on dark ground.
    """

    turn: int
    smallest: float
    largest: float
    clutter: int
    occluded: float
    drawn: float
    neighbor: float
    grain: float
    blurred: float
    night: float


ALBUM = Look(
    turn=12,
    smallest=0.30,
    largest=0.46,
    clutter=3,
    occluded=0.12,
    drawn=0.10,
    neighbor=0.10,
    grain=0.2,
    blurred=0.10,
    night=0.12,
)
"""Pictures that people post with a caption: the open corpus."""

FIELD = Look(
    turn=16,
    smallest=0.27,
    largest=0.46,
    clutter=5,
    occluded=0.22,
    drawn=0.13,
    neighbor=0.15,
    grain=0.3,
    blurred=0.18,
    night=0.16,
)
"""Pictures as they come in: the pool and the holdout."""
