"""One function per thing of the demo world; ``DRAWINGS`` names them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tailfirst.demo.drawings import beings, outdoors, strangers, tools, vessels
from tailfirst.demo.pen import Pen

Drawing = Callable[[Pen], None]

DRAWINGS: Mapping[str, Drawing] = MappingProxyType(
    {
        "house": outdoors.house,
        "tree": outdoors.tree,
        "fish": beings.fish,
        "sailboat": vessels.sailboat,
        "mug": vessels.mug,
        "umbrella": tools.umbrella,
        "butterfly": beings.butterfly,
        "guitar": tools.guitar,
        "snowman": beings.snowman,
        "mushroom": outdoors.mushroom,
        "key": tools.key,
        "owl": beings.owl,
        "rocket": vessels.rocket,
        "bicycle": vessels.bicycle,
        "teapot": vessels.teapot,
        "cactus": outdoors.cactus,
        "lighthouse": outdoors.lighthouse,
        "penguin": beings.penguin,
        "balloon": vessels.balloon,
        "lamp": tools.lamp,
        "anchor": tools.anchor,
        "scissors": tools.scissors,
        "violin": tools.violin,
        "canoe": vessels.canoe,
    }
)
"""Drawings of the task's classes, by key."""

STRANGERS: Mapping[str, Drawing] = MappingProxyType(
    {
        "car": strangers.car,
        "flower": strangers.flower,
        "apple": strangers.apple,
        "star": strangers.star,
        "clock": strangers.clock,
        "book": strangers.book,
        "chair": strangers.chair,
        "moon": strangers.moon,
    }
)
"""Drawings of things outside the task, by key."""
