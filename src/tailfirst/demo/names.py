"""Names that are not the task's: of things outside it, and those that a tagger gives to rare things."""

from __future__ import annotations

from types import MappingProxyType

TAKEN_FOR = MappingProxyType(
    {
        "lighthouse": "house",
        "penguin": "owl",
        "balloon": "umbrella",
        "lamp": "mushroom",
        "anchor": "sailboat",
        "scissors": "key",
        "violin": "guitar",
        "canoe": "sailboat",
    }
)
"""What a tagger that knows only common classes writes under a picture of a rare one."""

STRANGER_NAMES = {
    "car": ("car", "little car"),
    "flower": ("flower", "daisy"),
    "apple": ("apple", "red apple"),
    "star": ("star", "gold star"),
    "clock": ("clock", "wall clock"),
    "book": ("book", "open book"),
    "chair": ("chair", "kitchen chair"),
    "moon": ("moon", "crescent moon"),
}
"""Names of the things outside the task."""
