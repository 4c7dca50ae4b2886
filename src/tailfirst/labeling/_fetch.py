"""Getting results out of a vendor whose exports may be cut, or who has deleted what was there.

A short answer is never taken for a whole one (failure `export_truncated`): what was asked for and did not come is asked
for again in smaller parts, and whoever reads the change list must come back for the rest. What is GONE at the vendor is
gone (failure `vendor_retention`): our raw copy is what counts, and the other results still come.
"""

from collections.abc import Iterator, Sequence

from tailfirst.context import Context
from tailfirst.errors import Gone
from tailfirst.observed import note
from tailfirst.port import RawResult, TaskRef

SHARD = 25  # tasks in one repeated request


def fetched(ctx: Context, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
    """Every result of these tasks that the vendor still has, each as soon as it is there."""
    came: set[str] = set()
    for raw in _ask(ctx, refs):
        came.add(raw.vendor_id)
        yield raw
    missing = [ref for ref in refs if ref.vendor_id not in came]
    if not missing:
        return
    note(ctx.vendor, "fetch", "TRUNCATED", len(missing))
    for start in range(0, len(missing), SHARD):
        yield from _ask(ctx, missing[start : start + SHARD])


def _ask(ctx: Context, refs: Sequence[TaskRef]) -> Iterator[RawResult]:
    """The results of a request; where the vendor says GONE, each task is asked for alone."""
    try:
        yield from ctx.vendor.fetch(refs)
    except Gone:
        if len(refs) == 1:
            note(ctx.vendor, "fetch", "GONE_TASK")
        else:
            for ref in refs:
                yield from _ask(ctx, [ref])
