"""When to tell Prefect of webhooks: at once, then not more often than every few seconds. Pure: time is an argument."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tailfirst.webhooks.outcomes import Outcome

QUIET_S = 5.0  # one tick answers all hints that came before it
DEAF_S = 30.0  # after that a server that did not hear is rung again
WINDOW_S = 60.0
REFUSED_LEAST = 10  # refused calls in a window that people should hear about
REFUSED = (Outcome.FORGED, Outcome.STALE, Outcome.REPLAYED)


@dataclass(frozen=True, slots=True)
class Ring:
    """One event to send: `received` runs the round, `refused` is an alarm."""

    what: Literal["received", "refused"]
    calls: int


@dataclass(slots=True)
class Bell:
    """Counts calls until they are told."""

    hints: int = 0
    quiet_until: float = float("-inf")
    refused: list[float] = field(default_factory=list)

    def hear(self, outcome: Outcome, now_s: float) -> None:
        """A call ended so."""
        if outcome is Outcome.STORED:
            self.hints += 1
        elif outcome in REFUSED:
            self.refused = [at for at in self.refused if at > now_s - WINDOW_S] + [now_s]

    def due(self, now_s: float, *, last: bool = False) -> Iterator[Ring]:
        """What is to be told now; `last`: there is no later."""
        if self.hints and (last or now_s >= self.quiet_until):
            yield Ring("received", self.hints)
        if len(self.refused) >= REFUSED_LEAST:
            yield Ring("refused", len(self.refused))

    def rung(self, ring: Ring, now_s: float, *, heard: bool) -> None:
        """It was told; what nobody heard of is told again later."""
        if ring.what == "refused":
            self.refused = []
            return
        self.quiet_until = now_s + (QUIET_S if heard else DEAF_S)
        self.hints = self.hints - ring.calls if heard else self.hints
