"""Run a command without a network: in an empty network namespace, or with Python's sockets refusing."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

GUARD = """
import socket

def refuse(self, address, *rest):
    if self.family != socket.AF_UNIX:
        raise OSError(f"the network is blocked in this test: {address}")

socket.socket.connect = socket.socket.connect_ex = refuse
"""


@cache
def has_namespaces() -> bool:
    """Whether this machine lets us make a network namespace."""
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run(command: list[str], folder: Path, guard: Path) -> subprocess.CompletedProcess[str]:
    """The finished command; `guard` is a scratch folder outside the workspace."""
    guard.mkdir(exist_ok=True)
    (guard / "sitecustomize.py").write_text(GUARD)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(guard), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "DVC_NO_ANALYTICS": "1",
        "OMP_NUM_THREADS": "1",
    }
    prefix = ["unshare", "-rn"] if has_namespaces() else []
    return subprocess.run([*prefix, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
