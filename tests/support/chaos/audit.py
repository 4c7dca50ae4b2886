"""What the vendor's own book, the ledger and the sealed folders say together, each read from where it lies."""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tailfirst import schemas
from tailfirst.artifacts import sha256_tree
from tailfirst.context import Context
from tailfirst.labeling.fold import folded, sealed_folders
from tailfirst.reconcile.match import match
from tailfirst.reconcile.run import gather, of_vendor, reconcile
from tailfirst.vendors._simulated_params import Params

FINAL = frozenset(
    {"ACCEPTED", "CLOSED_UNLABELED", "DROPPED", "CANCELED", "REFUSED", "OVER_BUDGET", "REWORK", "RESUBMIT",
     "SUPERSEDED", "EXPERT_QUEUE"}
)  # fmt: skip
Line = tuple[str, str, int]  # key, kind, micros


@dataclass
class Audit:
    """The figures, and what is wrong by kind."""

    items: int = 0
    theirs: int = 0
    ours: int = 0
    invoiced: int = 0
    disputes: int = 0
    states: Counter[str] = field(default_factory=Counter)
    unaccounted: list[str] = field(default_factory=list)  # items without an end, purchases the ledger does not know
    lost: list[str] = field(default_factory=list)  # answers of the vendor that no sealed folder holds
    twice: list[str] = field(default_factory=list)  # keys or purchases that were charged more than once
    apart: list[str] = field(default_factory=list)  # charges, invoices and ledger that differ
    broken: list[str] = field(default_factory=list)  # sealed folders that changed, labels that are not their fold

    @property
    def wrong(self) -> dict[str, list[str]]:
        kinds = ("unaccounted", "lost", "twice", "apart", "broken")
        return {name: getattr(self, name) for name in kinds}

    @property
    def clean(self) -> bool:
        return not any(self.wrong.values()) and self.theirs == self.ours == self.invoiced


def audit(ctx: Context, book: Path) -> Audit:
    """Hold the three against each other; the vendor must be without faults here.

    The vendor's answers and charges come from its database and not through the adapter, so that an adapter that leaves
    something out is found too; the invoice comes through it, as `tailfirst reconcile` gets it.
    """
    found = Audit()
    with closing(sqlite3.connect(book, timeout=30)) as db:
        _tasks(ctx, db, found)
        _answers(ctx, db, found)
        _money(ctx, db, found)
    _folders(ctx, found)
    _invoice(ctx, found)
    return found


def _tasks(ctx: Context, db: sqlite3.Connection, found: Audit) -> None:
    rows = ctx.ledger.rounds.all(ctx.campaign)
    tasks = {t.key: t for row in rows for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
    found.items = len({t.item_id for t in tasks.values()})
    found.states = Counter(t.state for t in tasks.values())
    found.unaccounted += [f"{key} is {t.state}" for key, t in tasks.items() if t.state not in FINAL]
    found.unaccounted += [f"round {row.round_no} is {row.state}" for row in rows if row.state != "REPORTED"]
    theirs = db.execute("SELECT key, vendor_id, item_id FROM tasks WHERE NOT canceled").fetchall()
    found.unaccounted += [f"{vendor_id}: the ledger knows no {key}" for key, vendor_id, _ in theirs if key not in tasks]
    gone = {"CANCELED", "REFUSED", "OVER_BUDGET", "DROPPED"}
    bought = {key for key, _, _ in theirs}
    found.unaccounted += [
        f"{key} is {t.state}, and the vendor has no such task"
        for key, t in tasks.items()
        if key not in bought and t.state not in gone
    ]


def _answers(ctx: Context, db: sqlite3.Connection, found: Audit) -> None:
    exported: Counter[tuple[str, str]] = Counter()
    for folder in sealed_folders(ctx.ws):
        lines = (folder / "deliveries.jsonl").read_text(encoding="utf-8").splitlines()
        exported.update((line["vendor_id"], line["revision"]) for line in map(json.loads, lines))
    theirs = db.execute("SELECT r.vendor_id, r.revision, t.canceled FROM results r JOIN tasks t USING (vendor_id)")
    found.lost += [
        f"{vendor_id} revision {revision}"
        for vendor_id, revision, canceled in theirs
        if not canceled and (vendor_id, revision) not in exported
    ]
    taken_back = db.execute("SELECT vendor_id, revision FROM events WHERE kind = 'DELETED'").fetchall()
    held = {vendor_id for vendor_id, _ in exported}
    found.lost += [
        f"{vendor_id}: its answer was deleted, and nothing says so"
        for vendor_id, revision in taken_back
        if vendor_id in held and (vendor_id, f"deleted-{revision}") not in exported
    ]
    found.broken += [f"{place} was exported {n} times" for place, n in exported.items() if n > 1]


def _money(ctx: Context, db: sqlite3.Connection, found: Audit) -> None:
    theirs: dict[str, list[Line]] = defaultdict(list)
    for batch, key, kind, micros in db.execute("SELECT batch, key, kind, amount_micros FROM charges"):
        theirs[batch].append((key, kind, micros))
    bought: Counter[tuple[str, int, int, str]] = Counter()
    for row in ctx.ledger.rounds.all(ctx.campaign):
        tasks = {t.key: t for t in ctx.ledger.tasks.list(ctx.campaign, row.round_no)}
        lines = [c for c in ctx.ledger.money.lines(ctx.campaign, row.round_no) if c.kind in {"ACCRUED", "ADJUSTED"}]
        booked = sorted((c.key or "", c.kind, c.amount_micros) for c in lines)
        charged = sorted(theirs.pop(row.vendor_batch_id or "", []))
        if booked != charged:
            found.apart.append(f"round {row.round_no}: {_differ(booked, charged)}")
        found.ours += sum(micros for _, _, micros in booked)
        found.theirs += sum(micros for _, _, micros in charged)
        paid = Counter(key for key, kind, _ in charged if kind == "ACCRUED")
        found.twice += [f"{key} was charged {n} times" for key, n in paid.items() if n > 1]
        bought.update((t.item_id, t.attempt, t.overlap_slot, t.purpose) for key in paid if (t := tasks.get(key)))
    found.twice += [f"{what} was bought {n} times" for what, n in bought.items() if n > 1]
    found.apart += [f"order {batch} of the vendor belongs to no round" for batch in theirs]
    left = ctx.ledger.money.status(ctx.campaign)
    if left.reserved or left.accrued != found.ours:
        found.apart.append(
            f"the ledger's balance: {left.reserved} reserved, {left.accrued} accrued, {found.ours} booked"
        )


def _differ(booked: list[Line], charged: list[Line]) -> str:
    ours, theirs = Counter(booked), Counter(charged)
    return f"only here {list((ours - theirs).elements())[:3]}, only there {list((theirs - ours).elements())[:3]}"


def _folders(ctx: Context, found: Audit) -> None:
    for row in ctx.ledger.rounds.all(ctx.campaign):
        if row.sealed_sha256 and sha256_tree(ctx.ws.sealed(row.round_no)) != row.sealed_sha256:
            found.broken.append(f"the folder of round {row.round_no} is not what was sealed")
    if schemas.read(ctx.ws.labels, schemas.LABELS) != folded(ctx.ws):
        found.broken.append("data/labels.parquet is not the fold of the sealed rounds")
    found.broken += [f"left behind: {path.name}" for path in ctx.ws.rounds.glob(".*")]


def _invoice(ctx: Context, found: Audit) -> None:
    """Without faults every line of the invoice matches."""
    lines = of_vendor(ctx)
    found.invoiced = sum(line.micros for line in lines)
    matching = match(gather(ctx.ledger, ctx.campaign), lines)
    found.apart += [f"invoice: {one.what} {one.key} {one.why}" for one in matching.findings if one.what != "matched"]


def dispute(ctx: Context, params: Params, book: Path, found: Audit) -> None:
    """With `invoice_mismatch` armed: the dispute list names the lines that the vendor got wrong, and no others."""
    with closing(sqlite3.connect(book, timeout=30)) as db:
        charged = db.execute(
            "SELECT key, SUM(amount_micros), (SELECT item_id FROM tasks t WHERE t.key = c.key) FROM charges c"
            " GROUP BY key"
        ).fetchall()
    wrong = {key: net for key, net, item in charged if params.hit("invoice_mismatch", item_id=item or "", key=key)}
    spent = ctx.ledger.money.status(ctx.campaign).accrued
    matching, _ = reconcile(ctx.ledger, ctx.campaign, of_vendor(ctx), ctx.params.money.currency, ctx.now())
    named = {one.key or "" for one in matching.findings if one.what != "matched"}
    found.disputes = len(named)
    found.apart += [f"invoice: {key} is disputed and was right" for key in sorted(named - set(wrong))]
    found.apart += [
        f"invoice: {key} is wrong and not disputed" for key, net in wrong.items() if net and key not in named
    ]
    if ctx.ledger.money.status(ctx.campaign).accrued != spent:
        found.apart.append("a statement moved money")
