"""How fast a webhook is acknowledged while another process takes answers into the same ledger.

A real uvicorn server on loopback, signed calls at a steady rate, latency counted from the moment at which a call was
due (so a call that waits behind a slow one counts its wait). Every tenth call is forged and must be refused.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tailfirst.ledger import Ledger
from tests.support import postgres
from tests.support.ledgers import AT, answer, parsed, raw, submitted
from tests.support.webhooks import Pushing, call

TASKS = 4_000
PAGE = 500  # answers in a transaction, as a poll stores them
BOUND_MS = 50.0


def ingest(url: str) -> None:
    """Take in answers, page by page, until told to stop; say how many and how long."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    with Ledger.open(url) as ledger:
        keys = [task.key for task in ledger.tasks.list("c", 1)]
        start, done = time.perf_counter(), 0
        print("ready", flush=True)
        while not stop:
            start_at, revision = done % len(keys), str(1 + done // len(keys))
            page = keys[start_at : start_at + PAGE]
            ledger.deliveries.store_many("c", 1, [raw(key, revision) for key in page])
            ledger.deliveries.record_many([parsed(key, revision, answer()) for key in page], AT)
            done += len(page)
        print(json.dumps({"answers": done, "seconds": time.perf_counter() - start}))


def serve(url: str, port: int) -> None:
    from tailfirst.webhooks.app import make_app
    from tailfirst.webhooks.receiver import BUSY_MS, Receiver, spool_of
    from tailfirst.webhooks.run import run

    ledger = Ledger.open(url, BUSY_MS, eager=True)
    receiver = Receiver("c", Pushing(), ledger, spool=spool_of(ledger))
    run(make_app(receiver, rate=1e6, burst=10**6), "127.0.0.1", port)


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


async def calls(port: int, number: int, rate: float) -> tuple[list[float], Counter[int]]:
    """Latencies of the valid calls in ms, and the statuses of all."""
    took: list[float] = []
    statuses: Counter[int] = Counter()
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=50)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits, timeout=30
    ) as client:
        start = time.perf_counter() + 0.1

        async def one(n: int) -> None:
            due, forged = start + n / rate, n % 10 == 9
            name = f"{os.getpid()}-{int(start * 1e6)}-{n}"
            headers, body = call(f"v-tf-c-1-{n % TASKS}", at=datetime.now(UTC), delivery_id=name)
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            answered = await client.post("/webhooks/c", headers=headers, content=body + b" " * forged)
            statuses[answered.status_code] += 1
            if not forged:
                took.append((time.perf_counter() - due) * 1e3)

        await asyncio.gather(*(one(n) for n in range(number)))
    return took, statuses


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < end:
            try:
                if client.get(f"http://127.0.0.1:{port}/healthz").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
    raise SystemExit("the server did not start")


def show(name: str, took: list[float], statuses: Counter[int], beside: str) -> None:
    p50, p95, p99 = np.percentile(took, [50, 95, 99])
    verdict = "under" if p95 < BOUND_MS else "ABOVE"
    print(
        f"{name:<11} {beside:<42} p50 {p50:6.1f}  p95 {p95:6.1f}  p99 {p99:6.1f}  max {max(took):6.1f} ms "
        f"({verdict} {BOUND_MS:.0f} ms)  taken {statuses[200]}, refused {statuses[401]}, other "
        f"{sum(statuses.values()) - statuses[200] - statuses[401]}",
        flush=True,
    )


def measure(name: str, url: str, number: int, rate: float) -> None:
    with Ledger.open(url) as ledger:
        submitted(ledger, TASKS, price=1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with child("serve", url, str(port)):
        wait_for(port)
        asyncio.run(calls(port, 20, 50))  # connections and caches
        show(name, *asyncio.run(calls(port, number, rate)), f"alone, {rate:.0f} calls/s")
        with child("ingest", url) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            took, statuses = asyncio.run(calls(port, number, rate))
            worker.terminate()
            told = json.loads(worker.stdout.read())
        show(name, took, statuses, f"beside {told['answers'] / told['seconds']:.0f} answers/s, {rate:.0f} calls/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rate", type=float, default=40, help="calls a second")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        measure("SQLite", f"sqlite:///{folder}/ledger.db", options.calls, options.rate)
        found = postgres.binaries()
        if found is None:
            print("PostgreSQL  not measured: no server binaries")
            return
        url = stack.enter_context(postgres.running(found)).create("bench")
        measure("PostgreSQL", url, options.calls, options.rate)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["ingest"]:
        ingest(sys.argv[2])
    else:
        main()
