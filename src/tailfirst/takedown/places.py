"""Every place that can hold what goes: how to count it there and how to take it out, in the order in which to do so.

Counting reads the files anew each time, so that a take-down is believed only after it was looked for and not found.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tailfirst.paths import Workspace
from tailfirst.takedown import place_items, place_open, place_work
from tailfirst.takedown.targets import Targets


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of traces."""

    name: str
    count: Callable[[Workspace, Targets], int]
    drop: Callable[[Workspace, Targets], None]


# What only a table leads to (bytes, vectors of captions) goes before that table: after a kill the next run finds it.
PLACES = (
    Place("half-written files", place_work.count_half_written, place_work.drop_half_written),
    Place("cached answers and fits", place_work.count_passing, place_work.drop_passing),
    Place("cached vectors", place_work.count_cached, place_work.drop_cached),
    Place("fetched images", place_open.count_fetched, place_open.drop_fetched),
    Place("open corpus rows", place_open.count_rows, place_open.drop_rows),
    Place("item bytes", place_items.count_bytes, place_items.drop_bytes),
    Place("labels", place_items.count_labels, place_items.drop_labels),
    Place("retrieved rows", place_work.count_retrieved, place_work.drop_retrieved),
    Place("embeddings", place_work.count_embeddings, place_work.drop_embeddings),
    Place("batch and predictions", place_work.count_choices, place_work.drop_choices),
    Place("report pages", place_work.count_pages, place_work.drop_pages),
    Place("items", place_items.count_rows, place_items.drop_rows),
)
