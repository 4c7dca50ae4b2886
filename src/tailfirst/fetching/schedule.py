"""Who is asked when: few visits per host at a time, repeats after a pause, the other hosts meanwhile."""

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx

from tailfirst.errors import UrlRetry

WINDOW = 20_000  # URLs waiting for their host; beyond, the reading of the corpus waits too


@dataclass(slots=True)
class Visit:
    """One URL on its way; `host` is whose place it takes now."""

    url: str
    tries: int = 0  # finished ones
    host: str | None = None


@dataclass(order=True, slots=True)
class _Later:
    due: float
    number: int
    visit: Visit = field(compare=False)


class Schedule:
    """Hands visits to worker threads."""

    def __init__(self, urls: Iterator[str], per_host: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._urls: Iterator[str] | None = urls
        self._per_host, self._clock = per_host, clock
        self._changed = threading.Condition()
        self._busy: Counter[str] = Counter()
        self._waiting: dict[str, deque[Visit]] = {}
        self._n_waiting = self._running = self._number = 0
        self._later: list[_Later] = []
        self._stopped = False

    def take(self) -> Visit | None:
        """The next visit, as soon as its host has a free place; None when all is done, or after `stop`."""
        with self._changed:
            while not self._stopped:
                visit = self._next()
                if visit is not None:
                    self._running += 1
                    return visit
                if not (self._running or self._n_waiting or self._later or self._urls is not None):
                    self._changed.notify_all()
                    return None
                self._changed.wait(max(0.0, self._later[0].due - self._clock()) if self._later else None)
            return None

    def done(self, visit: Visit) -> None:
        """The visit ended for good."""
        with self._changed:
            self._end(visit)

    def again(self, visit: Visit, pause_s: float) -> None:
        """The visit is to be repeated after a pause, in which its host's place is free."""
        with self._changed:
            self._number += 1
            heapq.heappush(self._later, _Later(self._clock() + pause_s, self._number, visit))
            self._end(visit)

    def enter(self, visit: Visit, host: str, until: float) -> None:
        """Take a place at another host (a redirect) in place of the present one.

        Raises:
            UrlRetry: None came free in time.
        """
        with self._changed:
            if visit.host == host:
                return
            self._leave(visit)
            while self._busy[host] >= self._per_host:
                left = until - self._clock()
                if left <= 0 or self._stopped:
                    raise UrlRetry("too many visits to its host at a time")
                self._changed.wait(left)
            self._take_place(visit, host)

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _end(self, visit: Visit) -> None:
        self._leave(visit)
        self._running -= 1
        self._changed.notify_all()

    def _leave(self, visit: Visit) -> None:
        if visit.host is not None:
            self._busy[visit.host] -= 1
            if not self._busy[visit.host]:
                del self._busy[visit.host]
            visit.host = None
            self._changed.notify_all()

    def _take_place(self, visit: Visit, host: str) -> Visit:
        visit.host = host
        self._busy[host] += 1
        return visit

    def _next(self) -> Visit | None:
        while self._later and self._later[0].due <= self._clock():
            self._wait_for_host(heapq.heappop(self._later).visit)
        # Full hosts are at most workers / per_host, so this ends after a few steps.
        for host, queue in self._waiting.items():
            if self._busy[host] < self._per_host:
                visit = queue.popleft()
                self._n_waiting -= 1
                if not queue:
                    del self._waiting[host]
                return self._take_place(visit, host)
        while self._urls is not None and self._n_waiting < WINDOW:
            url = next(self._urls, None)
            if url is None:
                self._urls = None
                return None
            visit, host = Visit(url), host_key(url)
            if self._busy[host] < self._per_host:
                return self._take_place(visit, host)
            self._wait_for_host(visit)
        return None

    def _wait_for_host(self, visit: Visit) -> None:
        self._waiting.setdefault(host_key(visit.url), deque()).append(visit)
        self._n_waiting += 1


def host_key(url: str) -> str:
    """The host of a URL as a key; what is no URL shares one."""
    try:
        return httpx.URL(url.strip()).raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError, TypeError):
        return ""


def pause(url: str, tries: int, base_s: float) -> float:
    """Seconds before the next try: doubled each time, spread by the URL so that repeats do not come in one wave."""
    spread = int.from_bytes(url.encode(errors="replace")[-2:], "big") % 100 / 100
    return base_s * 2.0 ** (tries - 1) * (1 + spread)
