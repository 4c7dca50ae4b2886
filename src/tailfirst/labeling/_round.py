"""Small reads that every act starts with."""

from datetime import timedelta

from tailfirst.config import Params
from tailfirst.context import Context
from tailfirst.errors import UserError, VendorConflict
from tailfirst.labeling._capabilities import check_people
from tailfirst.labeling.keys import batch_key
from tailfirst.ledger.records import RoundRow
from tailfirst.port import BatchRef, BatchSpec, Money, ProjectRef, ProjectSpec, Purpose

ORDER_PURPOSE: Purpose = "TRAIN"  # one order holds a round's TRAIN and AUDIT items, so that AUDIT looks like the rest


def current(ctx: Context) -> RoundRow:
    """The newest round.

    Raises:
        UserError: There is none yet.
    """
    row = ctx.ledger.rounds.current(ctx.campaign)
    if row is None:
        raise UserError(f"campaign {ctx.campaign!r} has no round yet; `tailfirst plan` freezes the first batch")
    return row


def refresh(ctx: Context, row: RoundRow) -> RoundRow:
    """The same round, read again."""
    return ctx.ledger.rounds.get(ctx.campaign, row.round_no)


def idle(row: RoundRow, what: str, *states: str) -> str | None:
    """Why there is nothing to do, or None when the round is in one of the states."""
    if row.pause_reason:
        return f"round {row.round_no} is paused: {row.pause_reason}"
    return None if row.state in states else f"round {row.round_no} is {row.state}: nothing to {what}"


def project(ctx: Context) -> ProjectRef:
    """Find or create our project at the vendor, and make sure that it holds the classes of this ontology version.

    Raises:
        UserError: The items must not be seen by this vendor's people.
        VendorConflict: The vendor holds other classes.
    """
    digest, data_class = ctx.task.digest, ctx.params.campaign.data_class
    check_people(ctx.vendor.name, ctx.vendor.capabilities(), data_class)
    made = ctx.vendor.ensure_project(ProjectSpec(ctx.campaign, ctx.task.ontology_version, digest, digest, data_class))
    if made.ontology_digest != digest:
        raise VendorConflict(
            f"vendor {ctx.vendor.name} holds other classes for project {made.vendor_id}: digest "
            f"{made.ontology_digest[:12]}, ours {digest[:12]} (ontology version {ctx.task.ontology_version}); "
            "the round stays on its version"
        )
    return made


def slots(ctx: Context) -> range:
    """Overlap slots of an item: one where the vendor makes the overlap, one per answer where it gives only one.

    A vendor that makes overlap, but less than is asked for, has no more people: that is refused in QUOTE. Whether the
    slots of an item go to different people is up to the vendor: what one person answered twice is one opinion, and the
    seal says so (`same_person` in quality.json).
    """
    return range(ctx.params.round.overlap if ctx.vendor.capabilities().overlap_max == 1 else 1)


def order_spec(
    ctx: Context, row: RoundRow, made: ProjectRef, n_tasks: int, purpose: Purpose | None = None
) -> BatchSpec:
    """What is ordered in a round; with a purpose: that part of it, to be priced."""
    cap = row.cap_micros if row.cap_micros is not None else _cap_round(ctx.params)
    return BatchSpec(
        key=batch_key(ctx.campaign, row.round_no, ORDER_PURPOSE),
        project=made,
        round_no=row.round_no,
        purpose=purpose or ORDER_PURPOSE,
        n_tasks=n_tasks,
        overlap=1 if len(slots(ctx)) > 1 else ctx.params.round.overlap,
        sla_at=ctx.now() + timedelta(hours=ctx.params.round.sla_hours),
        max_price=Money(cap, ctx.params.money.currency),
    )


def order_ref(ctx: Context, row: RoundRow) -> BatchRef | None:
    """The round's order at the vendor; None before it was opened."""
    if row.vendor_batch_id is None:
        return None
    return BatchRef(batch_key(ctx.campaign, row.round_no, ORDER_PURPOSE), row.vendor_batch_id)


def in_units(amount: int, currency: str) -> str:
    """Micros for people."""
    return f"{amount / 1_000_000:.2f} {currency}"


def _cap_round(params: Params) -> int:
    return int(params.money.cap_round * 1_000_000)
