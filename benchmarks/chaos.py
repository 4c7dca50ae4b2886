"""Rounds against the fake vendor with every fault at random and a worker that is killed at random points.

    python benchmarks/chaos.py --rounds 200          # make chaos ROUNDS=200

The vendor (`tailfirst fake-vendor`) and the endpoint for its signed callbacks (`tailfirst serve`) are processes of
their own. Workers take turns: each is a process that goes on where the ledger stands, and most are killed (SIGKILL)
around a commit or just after an answer of the vendor. A person's part is played (resuming after keys were refused or a
top-up, approving a dearer quote, reading again what was held back), and so is an intruder's, whose webhooks must all be
refused. At the end the vendor's own book is held against the ledger and the sealed folders. The program says how often
every fault struck; the last line has the figures, and the exit code is 1 when anything was lost, paid twice, left
without an end or booked differently.
"""

import argparse
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from tailfirst import schemas
from tailfirst.artifacts import write_parquet
from tailfirst.fakevendor.config import Config
from tailfirst.rounds import money
from tests.support import postgres
from tests.support.chaos.audit import Audit, audit, dispute
from tests.support.chaos.campaign import N_GOLD, SECTIONS, Chaos, late, run
from tests.support.chaos.company import Company, InProcess, Served
from tests.support.chaos.faults import STAFF, armed, calm
from tests.support.chaos.fired import of_calls, of_items, read_bought, read_calls
from tests.support.chaos.intruder import Intruder
from tests.support.vendors import kit as kits
from tests.support.vendors.world import Clock, write_folder

FAST = Path("/dev/shm")  # kill -9 loses nothing of a file in memory, and nobody waits for a disk
VENDOR: dict[str, Any] = {"hours_per_poll": 12, "review": True, "annotators": list(STAFF), "idempotency": "NATIVE_TTL"}
# Small orders and pages, so that six items are several requests.
OFFERED: dict[str, Any] = {
    "page_size": 4, "max_batch": 4, "overlap_max": len(STAFF), "cancel": "ANY", "review": True,
    "idempotency": "NATIVE_TTL",
}  # fmt: skip


def main() -> int:
    given = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with ExitStack() as stack:
        base = FAST if given.root is None and FAST.is_dir() else given.root
        root = Path(tempfile.mkdtemp(prefix="chaos-", dir=base))
        stack.callback(shutil.rmtree, root) if not given.keep else print(f"the workspace stays in {root}")
        url = "" if given.ledger == "sqlite" else server(stack)
        company = vendor_of(root, given, url)
        chaos = campaign_of(root, company, given)
        chaos.url = url
        faults = armed(tuple(company.absent))
        stack.callback(company.stop)
        company.start()
        company.arm(faults)
        started = time.perf_counter()
        rng, intruder = random.Random(given.seed), Intruder(company)
        chaos.warm = stack.enter_context(chaos.open())
        run(chaos, rng, intruder)
        middle = read_calls(company.book)
        company.arm(calm(faults))
        late(chaos, rng)
        took = time.perf_counter() - started
        wild, tame = (
            Config.model_validate({**VENDOR, "seed": given.seed, "faults": f}) for f in (faults, calm(faults))
        )
        struck = of_calls(wild, {}, middle)
        struck.update(of_calls(tame, middle, read_calls(company.book)))
        return report(chaos, intruder, wild, struck, took)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--items", type=int, default=6, help="items of a round")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--vendor", choices=("rest", "simulated"), default="rest", help="over HTTP, or in process")
    parser.add_argument("--ledger", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--root", type=Path, help="where the workspace is made; default: in memory (/dev/shm)")
    parser.add_argument("--keep", action="store_true", help="leave the workspace where it is")
    return parser.parse_args()


def vendor_of(root: Path, given: argparse.Namespace, url: str) -> Company:
    options = {**VENDOR, "seed": given.seed}
    return InProcess(root, options) if given.vendor == "simulated" else Served(root, options, OFFERED, ledger_url=url)


def campaign_of(root: Path, company: Company, given: argparse.Namespace) -> Chaos:
    """The workspace: items, gold, known answers for the vendor, params.yaml for the endpoint."""
    pool = given.rounds * given.items + N_GOLD
    write_folder(root, pool)
    kit = kits.Kit(lambda _: company.vendor(), frozenset())
    sections = {**SECTIONS, "vendor": company.plugin()}
    chaos = Chaos(root, kit, Clock(), sections, rounds=given.rounds, items=given.items, company=company)
    chaos.say = partial(print, flush=True)
    rows = [{"item_id": item, "class_id": name} for item, name in kits.truth(pool).items()]
    write_parquet(chaos.ws.oracle, pa.Table.from_pylist(rows, schema=schemas.LABELED))
    chaos.write_gold()
    params = chaos.params.model_dump(mode="json")
    chaos.ws.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return chaos


def server(stack: ExitStack) -> str:
    found = postgres.binaries()
    if found is None:
        raise SystemExit("--ledger postgres needs the PostgreSQL server binaries (apt-get install postgresql)")
    return stack.enter_context(postgres.running(found)).create("chaos")


def report(chaos: Chaos, intruder: Intruder, params: Config, struck: Counter[str], took: float) -> int:
    company = chaos.company
    assert company is not None
    truth = kits.truth(chaos.rounds * chaos.items + N_GOLD)
    struck.update(of_items(params, read_bought(company.book, params.hours_per_poll), truth))
    company.arm([])
    with chaos.open() as ctx:
        found = audit(ctx, company.book)
    company.arm([fault.model_dump(exclude_defaults=True) for fault in params.faults])
    with chaos.open() as ctx:
        dispute(ctx, params, company.book, found)
        inbox = ctx.ledger.inbox.status(ctx.campaign)
    tell_faults(struck, company)
    refused = True
    if isinstance(company, Served):
        refused = tell_webhooks(company, intruder)
        print(f"inbox: {inbox.waiting} hints wait, {inbox.parked} parked, {inbox.repeats} came again")
    tell(found)
    last_line(chaos, found, took)
    return 0 if found.clean and refused else 1


def tell_faults(struck: Counter[str], company: Company) -> None:
    """How often each armed fault struck; what never did, and what cannot, stands apart."""
    print("faults that struck: " + ", ".join(f"{name} {n}" for name, n in sorted(struck.items()) if n))
    never = [name for name, n in sorted(struck.items()) if not n]
    print(f"armed, and not seen to strike: {', '.join(f'{name}{_why(name)}' for name in never) or 'none'}")
    for name, why in sorted(company.absent.items()):
        print(f"cannot happen here: {name} ({why})")


def _why(name: str) -> str:
    """What stands for the fault where it leaves no trace among answered tasks."""
    return {
        "token_expired": " (no key was sent again without looking first)",
        "sla_partial": " (its tasks are taken back when the round closes: they are among the CANCELED)",
    }.get(name, "")


def tell_webhooks(company: Served, intruder: Intruder) -> bool:
    """What was sent and what became of it; whether all that was not genuine was refused."""
    counted = company.counted() + company.taken
    with closing(sqlite3.connect(company.book, timeout=30)) as db:
        sent = Counter(
            {f"{'forged' if forged else 'genuine'} {state}": n for forged, state, n in db.execute(
                "SELECT forged, state, COUNT(*) FROM callbacks GROUP BY forged, state")}
        )  # fmt: skip
        through = db.execute("SELECT COUNT(*) FROM callbacks WHERE forged AND state = 'DONE'").fetchone()[0]
    print(f"webhooks sent: {_said(sent)}; the intruder's by answer: {_said(intruder.answers) or 'none'}")
    print(f"webhooks received: {_said(+counted)}; the receiver was killed {company.deaths} times")
    taken = [what for what in intruder.answers if not what.endswith(" 401")]
    for what in taken:
        print(f"NOT REFUSED: {what}")
    return not taken and not through


def tell(found: Audit) -> None:
    print(f"tasks by their end: {_said(found.states)}")
    print(f"disputes: {found.disputes} keys that the vendor's faulty statement gets wrong, each one named")
    for kind, those in found.wrong.items():
        for one in those[:10]:
            print(f"{kind}: {one}")


def last_line(chaos: Chaos, found: Audit, took: float) -> None:
    assert chaos.company is not None
    ledger = "postgres" if chaos.url else "sqlite"
    sums = {"vendor": found.theirs, "ledger": found.ours, "invoice": found.invoiced}
    print(
        f"{chaos.rounds} rounds, {found.items} items, {chaos.kills} of {chaos.turns} workers killed, {took:.0f} s, "
        f"{chaos.company.name}, {ledger}: unaccounted {len(found.unaccounted)}, lost {len(found.lost)}, "
        f"paid twice {len(found.twice)}, booked apart {len(found.apart)}, broken {len(found.broken)}, "
        + ", ".join(f"{name} {money(micros, 'USD')}" for name, micros in sums.items())
    )


def _said(counted: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counted.items()))


if __name__ == "__main__":
    sys.exit(main())
