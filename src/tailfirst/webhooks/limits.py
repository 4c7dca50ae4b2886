"""How much one caller may ask: a token bucket per client and path. Pure: the time is an argument."""

from collections import OrderedDict
from dataclasses import dataclass

KEPT = 10_000  # buckets; the longest unused one goes first, so that many callers cannot fill the memory

Caller = tuple[str, str]  # client, path


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """`rate` calls a second on average, `burst` at once; not for several threads."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._buckets: OrderedDict[Caller, _Bucket] = OrderedDict()

    def wait_s(self, caller: Caller, now_s: float) -> float:
        """0 = the call may pass, and takes a token; otherwise the seconds until the next token."""
        bucket = self._buckets.setdefault(caller, _Bucket(float(self.burst), now_s))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self.burst, bucket.tokens + max(now_s - bucket.at, 0) * self.rate)
        bucket.at = now_s
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self.rate
        bucket.tokens -= 1
        return 0.0
