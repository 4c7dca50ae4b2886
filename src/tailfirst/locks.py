"""The one lock around DVC and git, and what a killed DVC leaves behind."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

from tailfirst.paths import Workspace

TIMEOUT_S = 900  # a push of many shards is slow


@contextmanager
def locked(ws: Workspace) -> Iterator[None]:
    """The one lock around DVC and git; what a killed DVC left behind is cleared first. Reentrant in a thread."""
    ws.state.mkdir(parents=True, exist_ok=True)
    with FileLock(ws.lock, timeout=TIMEOUT_S, is_singleton=True):
        clear_stale_rwlock(ws)
        yield


def clear_stale_rwlock(ws: Workspace) -> bool:
    """Remove .dvc/tmp/rwlock when every process it names is dead; whether it was removed."""
    path = ws.root / ".dvc" / "tmp" / "rwlock"
    if not path.exists():
        return False
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # cut off by the kill itself: nobody can read it, DVC would refuse for ever
        held = {}
    owners = list(held.get("write", {}).values()) + [one for many in held.get("read", {}).values() for one in many]
    if any(_alive(int(owner["pid"])) for owner in owners):
        return False
    path.unlink(missing_ok=True)
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
