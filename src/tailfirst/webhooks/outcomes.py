"""Every way in which a webhook call can end, and what the caller is told."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a call ended; the name of its counter."""

    STORED = "stored"
    PARKED = "parked"  # names nothing that we know yet
    REPEATED = "repeated"  # an honest retry: same delivery, same bytes
    FORGED = "forged"
    STALE = "stale"
    REPLAYED = "replayed"  # a delivery id that was used before for other bytes
    MALFORMED = "malformed"
    OVERSIZED = "oversized"
    SLOW = "slow"
    LIMITED = "limited"
    NOWHERE = "nowhere"
    UNAVAILABLE = "unavailable"


STATUS: dict[Outcome, int] = {
    Outcome.STORED: 200,
    Outcome.PARKED: 202,
    Outcome.REPEATED: 200,
    Outcome.FORGED: 401,
    Outcome.STALE: 401,
    Outcome.REPLAYED: 401,
    Outcome.MALFORMED: 400,
    Outcome.OVERSIZED: 413,
    Outcome.SLOW: 408,
    Outcome.LIMITED: 429,
    Outcome.NOWHERE: 404,
    Outcome.UNAVAILABLE: 503,
}

# Whoever is refused learns that, and not how near he came.
SAID: dict[int, str] = {
    200: "stored",
    202: "parked",
    400: "malformed",
    401: "refused",
    404: "not found",
    408: "too slow",
    413: "too large",
    429: "too many",
    503: "unavailable, try again",
}
