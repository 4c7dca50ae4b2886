"""One cell of the conformance table: a row of specs/vendor.md section 5 and a vendor under test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tailfirst.port import Capabilities
from tailfirst.vendors._simulated_params import KNOWN_FAULTS
from tests.support.vendors.kit import Kit
from tests.support.vendors.world import World

ROWS = dict(enumerate(KNOWN_FAULTS, start=1))

# Rows that no vendor has to fail for: the fault is ours, and the test makes it.
OURS = frozenset({"double_worker", "zombie_worker"})

# Where a row is absent, what the adapter's capabilities must say about it.
SAID_BY: dict[str, Callable[[Capabilities], bool]] = {
    "token_expired": lambda c: c.idempotency != "NATIVE_TTL",
    "webhook_lost": lambda c: c.push == "NONE",
    "webhook_forged": lambda c: c.push == "NONE",
    "webhook_early": lambda c: c.push == "NONE",
    "cancel_too_late": lambda c: c.cancel != "QUEUED",
    "balance_empty": lambda c: c.cost == "NONE",
    "invoice_mismatch": lambda c: c.cost == "NONE",
    "gold_leaked": lambda c: not c.gold,
    "prelabel_anchoring": lambda c: not c.prelabels,
}


@dataclass
class Row:
    """A row for a vendor: how its fault is armed, and the campaign around it."""

    number: int
    kit: Kit
    world: World
    note: Callable[[str], None]  # why it is not applicable, for the table

    @property
    def name(self) -> str:
        return ROWS[self.number]

    @property
    def armable(self) -> bool:
        return self.name in self.kit.faults

    def arm(self, **how: Any) -> tuple[dict[str, Any], ...]:
        """The row's fault, to be armed; nothing, and a note in the table, where this vendor cannot have it.

        The test goes on without the fault: the core must cope with a vendor that lacks the feature.
        """
        if self.armable:
            return ({"name": self.name, **how},)
        if self.name not in self.kit.absent:
            pytest.fail(f"row {self.number} {self.name}: neither in Kit.faults nor, with its reason, in Kit.absent")
        says = SAID_BY.get(self.name)
        offered = self.kit.vendor().capabilities()
        assert says is None or says(offered), f"{self.name} is absent, but the capabilities do not say so: {offered}"
        self.note(self.kit.absent[self.name])
        return ()
