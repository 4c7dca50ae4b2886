"""The lease of a round's order: one worker talks to the vendor about what is bought (specs/vendor.md section 3)."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tailfirst.context import Context
from tailfirst.errors import LeaseLost
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
    lease = ctx.ledger.leases.acquire(name, ctx.worker, TTL_S, ctx.now())
    if lease is None:
        held = ctx.ledger.leases.get(name)
        if held is not None and _is_gone(held.holder):
            ctx.ledger.leases.release(held)
            lease = ctx.ledger.leases.acquire(name, ctx.worker, TTL_S, ctx.now())
        if lease is None:
            who = f"{held.holder} until {held.expires_at:%H:%M:%S} UTC" if held else "another worker"
            raise LeaseLost(f"the order of round {round_no} is held by {who}; this worker does nothing")
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


def _is_gone(holder: str) -> bool:
    """Whether the holder was a process of this machine that has ended (kill -9, reboot)."""
    host, _, pid = holder.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
