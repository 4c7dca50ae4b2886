"""Copies that imports without keys leave on a real Label Studio server: one of each key stays."""

import pytest

from tailfirst.paths import Workspace
from tailfirst.port import BatchRef
from tests.support import label_studio
from tests.support.label_studio_desk import ids, kinds, order, specs, vendor

pytestmark = pytest.mark.label_studio


def double(batch: BatchRef, count: int = 1) -> None:
    """Somebody imports the first task again, as a call whose answer was lost does."""
    task = label_studio.tasks(int(batch.vendor_id))[0]
    again = [{"data": task["data"], "meta": task["meta"]}] * count
    with label_studio.client() as http:
        http.post(f"/api/projects/{batch.vendor_id}/import", json=again).raise_for_status()


def test_copies_are_deleted_unless_somebody_labeled_them(ws: Workspace) -> None:
    made, anna = vendor(ws), label_studio.person("anna")
    batch = order(made)
    made.submit(batch, specs(ws)[:2])
    before = ids(batch)
    double(batch, 2)
    assert len(ids(batch)) == 4
    made.finalize(batch)
    assert ids(batch) == before
    double(batch)
    copy = ids(batch)[-1]
    anna.label(before[0], "heron")
    anna.label(copy, "owl")
    made.finalize(batch)
    assert ids(batch) == [*before, copy]  # a person's work is not deleted ...
    assert kinds(made, batch)[0] == {before[0]: "RETURNED"}  # ... and counts once
    assert made.find(batch, [specs(ws)[0].key])[specs(ws)[0].key].vendor_id == f"{batch.vendor_id}-{before[0]}"
    assert len(made.costs(batch)) == 1


def test_the_labeled_copy_is_kept(ws: Workspace) -> None:
    made = vendor(ws)
    batch = order(made)
    made.submit(batch, specs(ws)[:1])
    double(batch)
    old, new = ids(batch)
    label_studio.person("anna").label(new, "owl")
    made.finalize(batch)
    assert ids(batch) == [new]
    assert old != new
