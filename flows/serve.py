"""Take webhooks like `tailfirst serve`, and tell Prefect of each new hint, so that an automation runs the round.

PREFECT_API_URL=http://127.0.0.1:4200/api python -m flows.serve --root . --port 8008
"""

import argparse
import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

from flows.bell import Bell, Ring
from tailfirst.errors import ConfigError, TailfirstError, UserError
from tailfirst.webhooks.outcomes import Outcome

LOG = logging.getLogger("tailfirst.serve")
LOOK_EVERY_S = 0.5
STOP_WITHIN_S = 10.0


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8008)
    parser.add_argument("--proxy", action="append", default=[], help="address whose X-Forwarded-For is believed")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        return _serve(arguments.root, arguments.host, arguments.port, arguments.proxy)
    except TailfirstError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UserError) else 1


def _serve(root: Path, host: str, port: int, proxies: list[str]) -> int:
    from tailfirst.webhooks.app import make_app
    from tailfirst.webhooks.receiver import Receiver
    from tailfirst.webhooks.run import run

    if not os.environ.get("PREFECT_API_URL"):
        raise ConfigError("PREFECT_API_URL is not set, so nobody could be told; without Prefect run `tailfirst serve`")
    receiver = Receiver.open(root)
    teller = Teller(receiver.campaign)
    teller.start()
    try:
        run(make_app(receiver, teller.hear), host, port, proxies)
    finally:
        teller.stop()
    return 0


class Teller:
    """Sends events from a thread of its own: no webhook waits for Prefect."""

    def __init__(self, campaign: str) -> None:
        self.campaign = campaign
        self._heard: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hear(self, outcome: Outcome) -> None:
        """A call ended so; comes back at once."""
        self._heard.put(outcome)

    def stop(self) -> None:
        """Send what is left and end."""
        self._heard.put(None)
        self._thread.join(STOP_WITHIN_S)

    def _run(self) -> None:
        bell, running = Bell(), True
        while running:
            try:
                outcome = self._heard.get(timeout=LOOK_EVERY_S)
                running = outcome is not None
                if outcome is not None:
                    bell.hear(outcome, time.monotonic())
            except queue.Empty:
                pass
            for ring in bell.due(time.monotonic(), last=not running):
                bell.rung(ring, time.monotonic(), heard=send(self.campaign, ring))


def send(campaign: str, ring: Ring) -> bool:
    """Post one event; whether Prefect took it.

    Not by `emit_event`: its connection gives up for good after ten tries, and this process outlives many a server.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.events import Event, Resource
    from prefect.types._datetime import now

    event = Event(
        event=f"tailfirst.webhook.{ring.what}",
        resource=Resource({"prefect.resource.id": f"tailfirst.{campaign}.inbox", "prefect.resource.name": campaign}),
        payload={"campaign": campaign, "calls": ring.calls},
        occurred=now("UTC"),
    )
    body: list[dict[str, Any]] = [event.model_dump(mode="json")]
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=body).raise_for_status()
    except httpx.HTTPError as error:
        LOG.warning("Prefect does not hear of %d webhooks (%s); the scheduled poll finds them", ring.calls, error)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
