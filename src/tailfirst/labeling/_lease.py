"""The lease of a round's order: one worker talks to the vendor about what is bought (specs/vendor.md section 3)."""

from collections.abc import Iterator
from contextlib import contextmanager

from tailfirst.context import Context
from tailfirst.errors import LeaseLost
from tailfirst.holders import take, who
from tailfirst.ledger.records import LeaseRow

TTL_S = 300.0  # longer than one vendor call; renewed before each


def lease_name(campaign: str, round_no: int) -> str:
    """One lease per order."""
    return f"order:{campaign}:{round_no}"


@contextmanager
def holding(ctx: Context, round_no: int) -> Iterator[LeaseRow]:
    """Hold the order's lease.

    A dead process of this machine loses it at once; elsewhere it ends after its time. When this process dies inside,
    nothing is lost: whoever comes next gets a higher token, and writes with ours are refused from then on.

    Raises:
        LeaseLost: Another worker holds it; says which.
    """
    name = lease_name(ctx.campaign, round_no)
    lease = take(ctx.ledger.leases, name, ctx.worker, TTL_S, ctx.now())
    if lease is None:
        holder = who(ctx.ledger.leases, name)
        raise LeaseLost(f"the order of round {round_no} is held by {holder}; this worker does nothing")
    try:
        yield lease
    finally:
        ctx.ledger.leases.release(lease)


def renewed(ctx: Context, lease: LeaseRow) -> LeaseRow:
    """The same lease for its whole time again, before a call to the vendor.

    Raises:
        LeaseLost: Another worker took over.
    """
    return ctx.ledger.leases.renew(lease, ctx.now())
