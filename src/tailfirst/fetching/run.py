"""`tailfirst fetch`: workers ask, one thread keeps what they bring, and a second run asks only for what is missing."""

import queue
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from filelock import FileLock, Timeout
from PIL import Image

from tailfirst import config
from tailfirst.artifacts import sha256_bytes
from tailfirst.embedding._progress import progress
from tailfirst.errors import FetchError, UrlGone, UrlRefused, UrlRetry, UserError
from tailfirst.fetching.client import Client
from tailfirst.fetching.schedule import Schedule, Visit, pause
from tailfirst.fetching.spool import Outcome, Spool
from tailfirst.fetching.wanted import has_urls, matching_rows, wanted_urls
from tailfirst.paths import Workspace
from tailfirst.retrieval import corpus
from tailfirst.retrieval.columns import ACCEPTED
from tailfirst.retrieval.fetched import Fetched
from tailfirst.takedowns import Takedowns
from tailfirst.task import load_task

LISTED = 2_000_000  # URLs in memory, so that the bar knows its end; beyond that they are read as they are asked


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for, and how hard."""

    only_matching: bool = False  # only rows that the retrieval would look at
    limit: int | None = None  # URLs
    workers: int = 16
    per_host: int = 2  # visits at a time
    tries: int = 3  # of one URL in this run
    backoff_s: float = 2.0  # before the first repeat; doubled after


@dataclass(slots=True)
class Report:
    """What a run did."""

    asked: int = 0
    done: int = 0
    refused: int = 0
    failed: int = 0
    retryable: int = 0  # of the failed: the next run asks again
    image_bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: Outcome) -> None:
        """Add one outcome."""
        self.asked += 1
        self.done += outcome.status == "done"
        self.refused += outcome.status == "refused"
        self.failed += outcome.status == "failed"
        self.retryable += outcome.retryable
        self.image_bytes += len(outcome.image or b"")
        if outcome.reason is not None:
            self.reasons[outcome.reason] += 1


@contextmanager
def alone(ws: Workspace) -> Iterator[None]:
    """Hold the corpus: one fetch or take-down at a time.

    Raises:
        UserError: Another one runs.
    """
    ws.state.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(ws.fetch_lock, timeout=0):
            for folder in (ws.open, ws.fetched):
                for half in folder.glob(".*.parquet"):  # of a process that was killed while it wrote
                    half.unlink()
            yield
    except Timeout as error:
        raise UserError(f"another fetch or take-down works on {ws.root}; run this again when it has ended") from error


def fetch(ws: Workspace, plan: Plan, client: Client | None = None) -> Report:
    """Ask for the images that the open corpus names by URL and does not hold.

    Args:
        ws: The workspace.
        plan: What to ask for.
        client: Asks; a test brings one that may talk to its own server.

    Returns:
        Counts. What became of each URL stands below data/open/fetched.

    Raises:
        UserError: There is no open corpus, no column of URLs, a task of texts, or something unreadable.
    """
    params = config.load(ws.params)
    if load_task(ws.task).modality == "text":
        raise UserError("this task reads texts: its open corpus needs captions only, there is no image to fetch")
    known = corpus.shards(ws)
    if not known:
        raise UserError(
            f"{ws.open} holds no parquet shards; `tailfirst init --open` or a copy of yours puts them there"
        )
    if not has_urls(known):
        names = ", ".join(ACCEPTED["url"])
        raise UserError(f"no shard in {ws.open} has a column of URLs ({names}); there is nothing to fetch")
    with alone(ws):
        spool = Spool(ws)
        try:
            spool.pack()  # what a killed run had got
            banned = Takedowns.of(ws)
            rows = matching_rows(ws, params, known) if plan.only_matching else None
            wanted = wanted_urls(ws, known, rows, Fetched.of(ws), banned)
            total, urls = _counted(islice(wanted, plan.limit))
            return _Run(plan, client or Client(), banned, spool).all(urls, total)
        finally:
            spool.close()


def _counted(urls: Iterator[str]) -> tuple[int | None, Iterator[str]]:
    """How many there are, where they fit in memory."""
    first = list(islice(urls, LISTED))
    if len(first) < LISTED:
        return len(first), iter(first)

    def both() -> Iterator[str]:
        yield from first
        yield from urls

    return None, both()


@dataclass(frozen=True, slots=True)
class _Run:
    plan: Plan
    client: Client
    banned: Takedowns
    spool: Spool

    def all(self, urls: Iterator[str], total: int | None) -> Report:
        """Ask for all of them, and keep each outcome as it comes."""
        report = Report()
        schedule = Schedule(urls, self.plan.per_host)
        results: queue.Queue[Outcome | None] = queue.Queue(self.plan.workers)
        with warnings.catch_warnings(), ThreadPoolExecutor(self.plan.workers, "fetch") as pool:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the pixel cap decides
            workers = [pool.submit(self._work, schedule, results) for _ in range(self.plan.workers)]
            try:
                with progress("fetching images", total) as advance:
                    self._keep(results, len(workers), report, advance)
            except BaseException:
                schedule.stop()
                self._keep_rest(results, workers, report)
                raise
        for worker in workers:
            worker.result()  # a mistake of ours in a worker is raised here
        return report

    def _keep(
        self, results: "queue.Queue[Outcome | None]", workers: int, report: Report, advance: Callable[[int], None]
    ) -> None:
        while workers:
            outcome = results.get()
            if outcome is None:
                workers -= 1
                continue
            self.spool.add(outcome)
            report.count(outcome)
            advance(1)

    def _keep_rest(self, results: "queue.Queue[Outcome | None]", workers: "list[Future[None]]", report: Report) -> None:
        """After an interruption: what the workers still bring is kept, and nobody waits for a full queue."""
        while not all(worker.done() for worker in workers) or not results.empty():
            try:
                outcome = results.get(timeout=0.1)
            except queue.Empty:
                continue
            if outcome is not None:
                self.spool.add(outcome)
                report.count(outcome)

    def _work(self, schedule: Schedule, results: "queue.Queue[Outcome | None]") -> None:
        try:
            while (visit := schedule.take()) is not None:
                outcome = self._ask(schedule, visit)
                if outcome is not None:
                    schedule.done(visit)
                    results.put(outcome)
        except BaseException:
            schedule.stop()
            raise
        finally:
            results.put(None)

    def _ask(self, schedule: Schedule, visit: Visit) -> Outcome | None:
        """One try; None when another one will follow."""
        visit.tries += 1
        try:
            image = self.client.image(visit.url, lambda host, until: schedule.enter(visit, host, until))
        except UrlRefused as error:
            return _outcome(visit, "refused", error)
        except UrlGone as error:
            return _outcome(visit, "failed", error)
        except UrlRetry as error:
            if visit.tries >= self.plan.tries:
                return _outcome(visit, "failed", error)
            schedule.again(visit, max(pause(visit.url, visit.tries, self.plan.backoff_s), error.retry_after_s or 0.0))
            return None
        digest = sha256_bytes(image)
        if digest in self.banned.shas:
            return _outcome(visit, "refused", UrlRefused("taken down"))
        return Outcome(
            visit.url, "done", None, retryable=False, http_status=200, tries=visit.tries, at=datetime.now(UTC),
            sha256=digest, image=image,
        )  # fmt: skip


def _outcome(visit: Visit, status: Literal["refused", "failed"], error: FetchError) -> Outcome:
    retryable = isinstance(error, UrlRetry)
    return Outcome(visit.url, status, error.reason, retryable, error.http_status, visit.tries, datetime.now(UTC))
