"""Which invoice lines agree with the ledger. Pure: the ledger's rows and a statement in, findings out.

Everything that was ever invoiced for a key counts, also lines of earlier statements: so a key that is invoiced again
next month is found, and a credit note settles what was disputed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tailfirst.ledger.records import CostRow
from tailfirst.prices import cost_micros

What = Literal["matched", "missing here", "missing there", "different", "twice", "changed", "unmatched"]
WHATS: tuple[What, ...] = ("matched", "missing there", "different", "twice", "missing here", "changed", "unmatched")
FINE = ("matched", "missing there")  # what they have not invoiced yet is no dispute
PREFIX = "invoice-"  # a statement may repeat the ids of the charges; in the ledger an id is taken once

Place = tuple[int, str | None]  # round, key; None = the order as a whole


@dataclass(frozen=True, slots=True)
class Invoiced:
    """A line of a statement."""

    line_id: str
    key: str | None
    order: str | None  # the vendor's id of an order, or our batch key
    micros: int  # negative = a credit
    at: datetime

    @property
    def stored_as(self) -> str:
        """Its id in the ledger."""
        return self.line_id if self.line_id.startswith(PREFIX) else PREFIX + self.line_id


@dataclass(frozen=True, slots=True)
class Ours:
    """What the ledger knows of a campaign."""

    rounds: Mapping[str, int]  # key -> round, every task
    states: Mapping[str, str]  # key -> state
    orders: Mapping[str, int]  # name of an order -> round
    costs: Sequence[CostRow]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out for a key, an order, or a line that belongs to neither; amounts in micros."""

    what: What
    round_no: int | None
    key: str | None
    ours: int
    theirs: int
    why: str
    line_ids: tuple[str, ...]

    @property
    def difference(self) -> int:
        """Above 0: they ask for too much."""
        return self.theirs - self.ours

    @property
    def is_dispute(self) -> bool:
        """Whether the vendor must be asked."""
        return self.what not in FINE


@dataclass(frozen=True, slots=True)
class Matching:
    """The result for a statement."""

    findings: tuple[Finding, ...]  # by kind, round, key
    lines: tuple[tuple[int, Invoiced], ...]  # with their rounds: what the ledger can keep

    @property
    def disputes(self) -> tuple[Finding, ...]:
        """What the vendor must be asked."""
        return tuple(one for one in self.findings if one.is_dispute)

    def of(self, what: What) -> tuple[Finding, ...]:
        """The findings of a kind."""
        return tuple(one for one in self.findings if one.what == what)


def match(ours: Ours, statement: Sequence[Invoiced]) -> Matching:
    """Compare a statement with the ledger.

    Lines without a key are compared per order: with our charges for the order where there are any, otherwise (the
    vendor charges by key and invoices by order) everything invoiced in the round with everything charged in it.
    """
    before = {cost.line_id: cost for cost in ours.costs if cost.kind == "INVOICED"}
    findings: list[Finding] = []
    placed: list[tuple[int, Invoiced]] = []
    for line in statement:
        home = _round_of(ours, line)
        strange = _changed(line, home, before.get(line.stored_as)) or _homeless(line, home)
        if strange is not None:
            findings.append(strange)
        elif home is not None:
            placed.append((home, line))
    findings += _compared(ours, placed, before)
    order = sorted(findings, key=lambda f: (WHATS.index(f.what), f.round_no or 0, f.key or "", f.line_ids))
    return Matching(tuple(order), tuple(placed))


def _round_of(ours: Ours, line: Invoiced) -> int | None:
    return ours.orders.get(line.order or "") if line.key is None else ours.rounds.get(line.key)


def _changed(line: Invoiced, home: int | None, before: CostRow | None) -> Finding | None:
    """The same id as in an earlier statement, but it says something else."""
    if before is None or (before.round_no, before.key, before.amount_micros) == (home, line.key, line.micros):
        return None
    why = f"line {line.line_id} was another one in an earlier statement: a correction needs a line of its own"
    return Finding("changed", home, line.key, before.amount_micros, line.micros, why, (line.line_id,))


def _homeless(line: Invoiced, home: int | None) -> Finding | None:
    if home is not None:
        return None
    if line.key is not None:
        why = "no task of this campaign has this key: we never ordered it"
        return Finding("missing here", None, line.key, 0, line.micros, why, (line.line_id,))
    named = f"no order of this campaign is named {line.order}" if line.order else "it names neither a key nor an order"
    return Finding("unmatched", None, None, 0, line.micros, named, (line.line_id,))


def _compared(ours: Ours, placed: Sequence[tuple[int, Invoiced]], before: Mapping[str, CostRow]) -> Iterable[Finding]:
    mine = {line.stored_as for _, line in placed}
    earlier = [cost for cost in before.values() if cost.line_id not in mine]
    by_order = {cost.round_no for cost in ours.costs if cost.key is None and cost.kind != "INVOICED"}
    whole = {home for home, line in placed if line.key is None} | {c.round_no for c in earlier if c.key is None}
    whole -= by_order  # rounds that are charged by key and invoiced as a whole

    def place(round_no: int, key: str | None) -> Place:
        return round_no, None if round_no in whole else key

    charged: defaultdict[Place, list[CostRow]] = defaultdict(list)
    for cost in ours.costs:
        if cost.kind != "INVOICED":
            charged[place(cost.round_no, cost.key)].append(cost)
    lines: defaultdict[Place, list[Invoiced]] = defaultdict(list)
    for home, line in placed:
        lines[place(home, line.key)].append(line)
    known: defaultdict[Place, list[CostRow]] = defaultdict(list)
    for cost in earlier:
        known[place(cost.round_no, cost.key)].append(cost)
    for at, its in lines.items():
        yield _judged(ours, at, charged.get(at, []), its, known.get(at, []))
    for at in charged.keys() - lines.keys() - known.keys():
        amount = cost_micros(charged[at])
        if amount:
            yield Finding("missing there", *at, amount, 0, "charged, but not invoiced yet", ())


def _judged(
    ours: Ours, at: Place, charged: Sequence[CostRow], lines: Sequence[Invoiced], known: Sequence[CostRow]
) -> Finding:
    """One key or order: what was charged, what the statement says, what earlier statements said."""
    expected = cost_micros(charged)
    amounts = [line.micros for line in lines] + [cost.amount_micros for cost in known]
    asked = sum(amounts)
    names = tuple(line.line_id for line in lines) + tuple(cost.line_id for cost in known)
    times = sum(amount > 0 for amount in amounts)
    what: What
    if asked == expected:
        what, why = "matched", ""
    elif not charged:
        state = f"it is {ours.states[at[1]]}" if at[1] is not None else "the order has no charge"
        what, why = "missing here", f"nothing was charged for it: {state}"
    elif asked > expected and times > 1:
        again = f", {len(known)} of them in earlier statements" if known else ""
        what, why = "twice", f"invoiced {times} times{again}: {', '.join(names)}"
    else:
        what, why = "different", "they ask for more" if asked > expected else "they ask for less"
    return Finding(what, *at, expected, asked, why, names)
