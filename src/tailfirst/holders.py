"""Who holds a lease: a process of this machine that has ended loses it at once, any other keeps it for its time."""

import os
import socket
from datetime import datetime

from tailfirst.ledger.leases import Leases
from tailfirst.ledger.records import LeaseRow


def take(leases: Leases, name: str, holder: str, ttl_s: float, at: datetime) -> LeaseRow | None:
    """The lease for `ttl_s` seconds, also from a dead process of this machine; None = somebody else holds it."""
    lease = leases.acquire(name, holder, ttl_s, at)
    if lease is None:
        held = leases.get(name)
        if held is not None and _is_gone(held.holder):
            leases.release(held)
            lease = leases.acquire(name, holder, ttl_s, at)
    return lease


def who(leases: Leases, name: str) -> str:
    """The holder and until when, for a message."""
    held = leases.get(name)
    return f"{held.holder} until {held.expires_at:%H:%M:%S} UTC" if held else "another process"


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
