"""The ledger's tables. Guards are constraints: keys, foreign keys, checks on states and on money.

`events`, `cost_lines` and `approvals` tell history; they are append-only and no code updates or deletes their rows, but
for the mark of the seal that exported a cost line.

What an answer writes is indexed by round first: keys are hashes, so an index that begins with one gets each entry on a
page of its own, out of all the pages of all rounds, and an answer would cost more the more is held.
"""

from tailfirst.ledger.tables.answers import PROVENANCES, AnnotationRecord, Delivery
from tailfirst.ledger.tables.around import HINT_STATES, AlarmRecord, Check, Hint, HintTask, Lease, Outage, VendorCall
from tailfirst.ledger.tables.money import CHARGES, COST_KINDS, WHOLE, Approval, Budget, Cost, Month
from tailfirst.ledger.tables.rounds import PURPOSES, Event, Round, Task

__all__ = [
    "CHARGES",
    "COST_KINDS",
    "HINT_STATES",
    "PROVENANCES",
    "PURPOSES",
    "WHOLE",
    "AlarmRecord",
    "AnnotationRecord",
    "Approval",
    "Budget",
    "Check",
    "Cost",
    "Delivery",
    "Event",
    "Hint",
    "HintTask",
    "Lease",
    "Month",
    "Outage",
    "Round",
    "Task",
    "VendorCall",
]
