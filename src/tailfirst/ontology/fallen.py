"""Items whose label has no class any more, and which of them must not be asked again."""

from collections.abc import Iterable, Mapping
from typing import Any

from tailfirst.ontology.versions import Versions


def fallen(labels: Iterable[Mapping[str, Any]], versions: Versions | None) -> dict[str, str]:
    """Item -> split or retire, of labels (schemas.LABELS) whose class ended."""
    if versions is None:
        return {}
    moved = [(row["item_id"], versions.move(row["class_id"], row["ontology_version"])) for row in labels]
    return {item_id: found.ended for item_id, found in moved if found.class_id is None}


def closed(labels: Iterable[Mapping[str, Any]], versions: Versions | None) -> frozenset[str]:
    """Items that stay out of the pool: of a retired class (its items would be bought in vain), and audit items.

    An audit item of a split class was chosen by chance to measure; bought again as any other it would train.
    """
    rows = list(labels)
    ended = fallen(rows, versions)
    return frozenset(
        row["item_id"]
        for row in rows
        if ended.get(row["item_id"]) == "retire" or (row["item_id"] in ended and row["purpose"] == "AUDIT")
    )
