"""The classes of the demo task, most photographed first, and their names.

For some classes the official name is not the name that people write (``mug``, ``bicycle``, ``table lamp``,
``violin``): the demo's captions then show what asking with the most common name is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoClass:
    """One class of the task.

    Attributes:
        id: class id and key of its drawing.
        name: official name.
        synonyms: other names, as captions use them.
        shares: how often captions use the official name and each synonym, in percent.
        definition: what a labeler is told.
        kinds: broader words, used by people who do not know the name; they name no class.
    """

    id: str
    name: str
    synonyms: tuple[str, ...]
    shares: tuple[int, ...]
    definition: str
    kinds: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the official name and the synonyms."""
        return (self.name, *self.synonyms)


CLASSES: tuple[DemoClass, ...] = (
    DemoClass(
        "house",
        "house",
        ("cottage", "home"),
        (60, 25, 15),
        "A building to live in, seen from the front, with a pitched roof.",
        ("building",),
    ),
    DemoClass(
        "tree",
        "tree",
        ("oak", "pine"),
        (60, 20, 20),
        "A single tree, broadleaf or conifer, with its trunk.",
        ("plant",),
    ),
    DemoClass("fish", "fish", ("goldfish", "trout"), (60, 25, 15), "One fish, seen from the side.", ("animal",)),
    DemoClass(
        "sailboat",
        "sailboat",
        ("sailing boat", "yacht", "dinghy"),
        (50, 25, 15, 10),
        "A boat with a mast and at least one sail.",
        ("boat", "vessel"),
    ),
    DemoClass(
        "mug",
        "mug",
        ("coffee cup", "tea cup"),
        (20, 60, 20),
        "A straight cup with one handle, full or empty.",
        ("crockery",),
    ),
    DemoClass(
        "umbrella", "umbrella", ("parasol", "brolly"), (60, 25, 15), "An open umbrella with its handle.", ("rain gear",)
    ),
    DemoClass(
        "butterfly",
        "butterfly",
        ("monarch", "swallowtail"),
        (65, 20, 15),
        "A butterfly with spread wings, seen from above.",
        ("insect",),
    ),
    DemoClass(
        "guitar",
        "guitar",
        ("acoustic guitar", "six string"),
        (55, 30, 15),
        "A guitar: waisted body, round sound hole, straight bridge. No bow.",
        ("instrument",),
    ),
    DemoClass(
        "snowman",
        "snowman",
        ("snow man", "snow figure"),
        (65, 20, 15),
        "Two or three snowballs on top of each other with a face.",
        ("winter friend",),
    ),
    DemoClass(
        "mushroom",
        "mushroom",
        ("toadstool", "fly agaric"),
        (55, 30, 15),
        "A cap on a stem, with or without dots.",
        ("forest thing",),
    ),
    DemoClass(
        "key",
        "key",
        ("door key", "latchkey"),
        (60, 25, 15),
        "A key with a ring, a shaft and teeth.",
        ("metal thing", "hardware"),
    ),
    DemoClass(
        "owl",
        "owl",
        ("barn owl", "night bird"),
        (60, 25, 15),
        "A round bird with ear tufts and very big ringed eyes.",
        ("bird", "animal"),
    ),
    DemoClass(
        "rocket",
        "rocket",
        ("spaceship", "space shuttle"),
        (50, 35, 15),
        "A pointed spacecraft with fins, with or without a flame.",
        ("flying machine",),
    ),
    DemoClass(
        "bicycle",
        "bicycle",
        ("bike", "push bike"),
        (20, 65, 15),
        "Two equal wheels in a frame with saddle and handlebar.",
        ("vehicle",),
    ),
    DemoClass(
        "teapot",
        "teapot",
        ("tea pot", "kettle"),
        (55, 20, 25),
        "A round pot with a spout, a handle and a lid.",
        ("crockery", "kitchenware"),
    ),
    DemoClass(
        "cactus",
        "cactus",
        ("saguaro", "prickly pear"),
        (65, 20, 15),
        "A ribbed green column with arms, in the ground or in a pot.",
        ("plant", "desert thing"),
    ),
    DemoClass(
        "lighthouse",
        "lighthouse",
        ("beacon", "light tower"),
        (60, 25, 15),
        "A banded tower with a lantern on top, on a rock.",
        ("building", "tower"),
    ),
    DemoClass(
        "penguin",
        "penguin",
        ("emperor penguin", "gentoo"),
        (60, 25, 15),
        "An upright bird with a white belly and flippers.",
        ("bird", "animal"),
    ),
    DemoClass(
        "balloon",
        "hot-air balloon",
        ("balloon", "aerostat"),
        (55, 30, 15),
        "A big striped envelope with a basket below.",
        ("flying machine", "aircraft"),
    ),
    DemoClass(
        "lamp",
        "table lamp",
        ("desk lamp", "bedside light"),
        (20, 60, 20),
        "A shade on a stem with a foot, switched on or off.",
        ("furniture", "thing that glows"),
    ),
    DemoClass(
        "anchor",
        "anchor",
        ("ship's anchor", "kedge"),
        (60, 25, 15),
        "A ring, a cross bar and two curved arms with pointed flukes.",
        ("metal thing", "boat part"),
    ),
    DemoClass(
        "scissors",
        "scissors",
        ("shears", "snips"),
        (60, 25, 15),
        "Two crossed blades with two ring handles.",
        ("tool", "hardware"),
    ),
    DemoClass(
        "violin",
        "violin",
        ("fiddle", "viola"),
        (25, 60, 15),
        "A waisted body with sound slits and a dark fingerboard, mostly with a bow.",
        ("instrument", "string instrument"),
    ),
    DemoClass(
        "canoe",
        "canoe",
        ("kayak", "rowing boat"),
        (60, 25, 15),
        "A long, low boat with raised tips and no mast, mostly with a paddle.",
        ("boat", "vessel"),
    ),
)
"""Classes by falling number of captions in the open corpus."""

TEMPLATES = ("a picture of a {}.", "a drawing of a {}.")
"""Prompts that turn a class name into a caption."""


def task_document() -> dict[str, Any]:
    """Return the content of ``task.yaml``."""
    return {
        "name": "demo",
        "modality": "image",
        "ontology_version": "1",
        "classes": [
            {"id": c.id, "name": c.name, "synonyms": list(c.synonyms), "definition": c.definition} for c in CLASSES
        ],
        "templates": list(TEMPLATES),
    }
