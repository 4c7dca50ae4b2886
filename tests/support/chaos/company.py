"""How a chaos campaign reaches its vendor: over HTTP in a process of its own, or in process."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import yaml

from tailfirst import plugins
from tailfirst.config import Settings
from tailfirst.paths import Workspace
from tailfirst.port import LabelVendor
from tailfirst.vendors import simulated
from tailfirst.vendors._simulated_book import Book
from tailfirst.vendors._simulated_company import Company as Simulation
from tailfirst.vendors._simulated_params import PUSH_FAULTS

KEY, SECRET = "a key for the chaos run", "a secret for callbacks of the chaos run"
PATIENCE_S = 60.0
COMMAND = "from tailfirst.cli import main; main()"


class Company(Protocol):
    """The vendor's side: what the campaign talks to, and the strings that only a test can pull."""

    name: str
    absent: Mapping[str, str]  # fault -> why it cannot happen here

    @property
    def book(self) -> Path: ...
    def vendor(self) -> LabelVendor: ...
    def plugin(self) -> dict[str, Any]: ...
    def arm(self, faults: Sequence[Mapping[str, Any]]) -> None: ...
    def jump(self, hours: float) -> None: ...
    def prices(self, percent: int) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class InProcess:
    """The simulated vendor: the same company, without a network between."""

    root: Path
    options: dict[str, Any]
    name: str = "simulated"
    absent: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(PUSH_FAULTS, "in process nothing is pushed")
    )
    faults: tuple[Mapping[str, Any], ...] = ()

    @property
    def book(self) -> Path:
        return Workspace(self.root).vendor / "simulated.db"

    def plugin(self) -> dict[str, Any]:
        return {"plugin": self.name, **self.options}

    def vendor(self) -> LabelVendor:
        params = simulated.Params.model_validate({**self.options, "faults": self.faults})
        return simulated.load(params, Workspace(self.root), Settings(_env_file=None))

    def arm(self, faults: Sequence[Mapping[str, Any]]) -> None:
        self.faults = tuple(faults)

    def jump(self, hours: float) -> None:
        params = simulated.Params.model_validate({**self.options, "faults": self.faults})
        truth = lambda: simulated.read_truth(Workspace(self.root))  # noqa: E731
        Simulation(params, Book(self.book), truth).jump(timedelta(hours=hours))

    def prices(self, percent: int) -> None:
        with Book(self.book).session() as session:
            session.write_note("percent", str(percent))

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""


@dataclass
class Served:
    """`tailfirst fake-vendor` and `tailfirst serve` as people start them; both outlive the campaign's workers."""

    root: Path
    options: dict[str, Any]  # of the company
    offered: dict[str, Any]  # of the adapter
    name: str = "rest"
    absent: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    taken: Counter[str] = field(default_factory=Counter)  # what receivers counted that were killed
    deaths: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def hooks(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def book(self) -> Path:
        return Workspace(self.root).vendor / "fake.db"

    def plugin(self) -> dict[str, Any]:
        return {"plugin": self.name, "base_url": self.url, "simulated_clock": True, **self.offered}

    def vendor(self) -> LabelVendor:
        made = plugins.load("vendors", self.name)
        options = {key: value for key, value in self.plugin().items() if key != "plugin"}
        settings = Settings(_env_file=None, rest_api_key=KEY, webhook_secrets=SECRET)
        found: LabelVendor = made.load(made.Params.model_validate(options), Workspace(self.root), settings)
        return found

    def arm(self, faults: Sequence[Mapping[str, Any]]) -> None:
        self._admin("faults", {"faults": list(faults)})

    def jump(self, hours: float) -> None:
        self._admin("clock", {"hours": hours})

    def prices(self, percent: int) -> None:
        self._admin("prices", {"percent": percent})

    def start(self) -> None:
        """Both processes; the receiver needs params.yaml in the workspace."""
        config = self.root / "fake-vendor.yaml"
        config.write_text(yaml.safe_dump(self.options), encoding="utf-8")
        self._run("vendor", "fake-vendor", "--port", self.ports[0], "--config", config,
                  "--callback-url", f"{self.hooks}/webhooks/kit")  # fmt: skip
        self._run("receiver", "serve", "--port", self.ports[1])
        self._up("vendor", f"{self.url}/v1/health")
        self._up("receiver", f"{self.hooks}/healthz")

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    def kill_receiver(self) -> None:
        """kill -9 of the endpoint, and a new one in its place: what it had acknowledged must be in the inbox."""
        self.taken += self.counted()
        process = self.running["receiver"]
        process.kill()
        process.wait()
        self.deaths += 1
        self._run("receiver", "serve", "--port", self.ports[1])
        self._up("receiver", f"{self.hooks}/healthz")

    def counted(self) -> Counter[str]:
        """The counters of the receiver that runs now."""
        text = httpx.get(f"{self.hooks}/metrics", trust_env=False, timeout=PATIENCE_S).text
        lines = (line.partition(" ") for line in text.splitlines() if line.startswith("tailfirst_webhook_"))
        values = {name[len("tailfirst_webhook_") :]: value for name, _, value in lines}
        return Counter({k.removesuffix("_total"): int(v) for k, v in values.items() if k.endswith("_total")})

    def _admin(self, what: str, body: dict[str, Any]) -> None:
        reply = httpx.post(f"{self.url}/admin/{what}", json=body, auth=(KEY, ""), trust_env=False, timeout=PATIENCE_S)
        reply.raise_for_status()

    def _run(self, name: str, *command: Any) -> None:
        known = {"TAILFIRST_REST_API_KEY": KEY, "TAILFIRST_WEBHOOK_SECRETS": SECRET}
        with (self.root / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-c", COMMAND, "--root", str(self.root), *map(str, command)],
                cwd=self.root, env={**os.environ, **known}, stdout=log, stderr=log, preexec_fn=_die_together,  # noqa: PLW1509  (one system call)
            )  # fmt: skip

    def _up(self, name: str, url: str) -> None:
        end = time.monotonic() + PATIENCE_S
        with httpx.Client(trust_env=False, auth=(KEY, ""), timeout=5) as client:
            while time.monotonic() < end and self.running[name].poll() is None:
                try:
                    if client.get(url).is_success:
                        return
                except httpx.TransportError:
                    time.sleep(0.1)
        raise RuntimeError(f"{url} did not come up:\n{(self.root / f'{name}.log').read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_together() -> None:
    """Let Linux end the process when the run is killed (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
