"""What cost lines do to the money, decided in memory: a book and lines in, charges and complaints out. Pure.

A key is charged once: by its ESTIMATED line (the price list is ours) or by its ACCRUED line, which replaces that.
ADJUSTED adds or takes back. INVOICED is stored for the monthly reconcile and moves no money.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tailfirst.port import CostLine

CHARGES = ("ESTIMATED", "ACCRUED")
Charge = tuple[str | None, str]  # key (None = the batch), kind


@dataclass(frozen=True, slots=True)
class Pot:
    """A cap and what is committed under it, in micros."""

    cap: int
    reserved: int
    accrued: int

    def fits(self, freed: int, charged: int) -> bool:
        """Whether this much reserved money can be freed and this much be charged."""
        reserved, accrued = self.reserved - freed, self.accrued + charged
        return reserved >= 0 and accrued >= 0 and reserved + accrued <= self.cap

    def after(self, freed: int, charged: int) -> "Pot":
        """The pot after that."""
        return Pot(self.cap, self.reserved - freed, self.accrued + charged)


@dataclass(frozen=True, slots=True)
class Book:
    """What the ledger knows about a round's money before the lines come."""

    currency: str | None
    pots: tuple[Pot, ...]  # of the campaign, of the round, of the round's month
    reserved: Mapping[str, int]  # key -> reserved micros, in buying order; every key of the round
    charged: Mapping[Charge, int]  # amount so far
    lines: Mapping[str, CostLine]  # by line id, those of the campaign that the new ones name


@dataclass(frozen=True, slots=True)
class Settled:
    """What to store, and what could not be."""

    new: tuple[CostLine, ...]
    freed: Mapping[str, int]  # key -> reserved micros that became a charge or were too many
    charged: int  # micros, all new lines together
    over_cap: tuple[str, ...]  # complaints
    refused: tuple[str, ...]  # complaints


def settle(book: Book, lines: Sequence[CostLine]) -> Settled:
    """Apply cost lines in their order; one that cannot be applied is named and changes nothing."""
    work = _Work(book)
    for line in lines:
        work.apply(line)
    return Settled(tuple(work.new), work.freed, work.total, tuple(work.over_cap), tuple(work.refused))


class _Work:
    """The book while lines are applied."""

    def __init__(self, book: Book) -> None:
        self.currency = book.currency
        self.pots = book.pots
        self.reserved = dict(book.reserved)
        self.charged = dict(book.charged)
        self.lines = dict(book.lines)
        self.new: list[CostLine] = []
        self.freed: dict[str, int] = {}
        self.total = 0
        self.over_cap: list[str] = []
        self.refused: list[str] = []

    def apply(self, line: CostLine) -> None:
        known = self.lines.get(line.line_id)
        if known is not None and same(known, line):
            return
        complaint = self._complaint(line, known)
        if complaint is not None:
            self.refused.append(f"{line.line_id}: {complaint}")
        elif not self._repeats(line):
            self._charge(line)

    def _complaint(self, line: CostLine, known: CostLine | None) -> str | None:
        amount = line.amount
        if known is not None:
            return f"stored before as {known.kind} {known.amount.micros} for {known.key}, now another"
        if self.currency not in {None, amount.currency}:
            return f"in {amount.currency}, the campaign counts in {self.currency}"
        if line.key is not None and line.key not in self.reserved:
            return f"key {line.key} is no task of this round"
        if line.kind in CHARGES and amount.micros < 0:
            return f"{line.kind} of {amount.micros} micros is negative; refunds are ADJUSTED"
        before = self.charged.get((line.key, line.kind)) if line.key is not None and line.kind in CHARGES else None
        if before is not None and before != amount.micros:
            return f"{line.key} was charged {before} micros before, now {amount.micros}: a key is never charged twice"
        return None

    def _repeats(self, line: CostLine) -> bool:
        return line.key is not None and line.kind in CHARGES and (line.key, line.kind) in self.charged

    def _charge(self, line: CostLine) -> None:
        charge = self._effect(line)
        taken = self._takes(line, charge)
        freed = sum(taken.values())
        if not all(pot.fits(freed, charge) for pot in self.pots):
            self.over_cap.append(f"{line.line_id}: {charge} micros for {line.key or 'the batch'}, {freed} reserved")
            return
        self.pots = tuple(pot.after(freed, charge) for pot in self.pots)
        for key, amount in taken.items():
            self.reserved[key] -= amount
            self.freed[key] = self.freed.get(key, 0) + amount
        self.total += charge
        place = (line.key, line.kind)
        self.charged[place] = self.charged.get(place, 0) + line.amount.micros
        self.currency = line.amount.currency
        self.lines[line.line_id] = line
        self.new.append(line)

    def _effect(self, line: CostLine) -> int:
        """By how much the accrued money grows."""
        replaced = (line.key, "ACCRUED") in self.charged
        if line.kind == "INVOICED" or (line.kind == "ESTIMATED" and replaced):
            return 0
        estimate = 0 if replaced or line.kind != "ACCRUED" else self.charged.get((line.key, "ESTIMATED"), 0)
        return line.amount.micros - estimate

    def _takes(self, line: CostLine, charge: int) -> dict[str, int]:
        """Which reservations this charge ends: the key's whole one; for a batch line, first come first served."""
        if line.kind not in CHARGES:
            return {}
        if line.key is not None:
            return {line.key: self.reserved[line.key]} if self.reserved[line.key] else {}
        taken: dict[str, int] = {}
        wanted = max(charge, 0)
        for key, amount in self.reserved.items():
            if wanted == 0:
                break
            if amount:
                taken[key] = min(amount, wanted)
                wanted -= taken[key]
        return taken


def same(one: CostLine, other: CostLine) -> bool:
    """Whether two lines of one id say the same; the time may differ."""
    return (one.key, one.kind, one.amount) == (other.key, other.kind, other.amount)
