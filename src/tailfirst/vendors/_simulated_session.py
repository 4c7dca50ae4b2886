"""The queries of the simulated vendor's memory; each belongs to one transaction."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from tailfirst.vendors._simulated_rows import BatchRow, Charge, EventRow, Job, ResultRow, Review

_JOB = (
    "vendor_id, batch, key, item_id, item_digest, purpose, payload_sha256, due_s, people, prelabel, price_micros,"
    " first, created_at, asset_url, canceled"
)


class Session:
    """The queries of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.db = connection

    def count_call(self, operation: str) -> int:
        """The 1-based number of this call of an operation."""
        self.db.execute("INSERT OR IGNORE INTO calls VALUES (?, 0)", (operation,))
        self.db.execute("UPDATE calls SET n = n + 1 WHERE operation = ?", (operation,))
        (n,) = self.db.execute("SELECT n FROM calls WHERE operation = ?", (operation,)).fetchone()
        return int(n)

    def note(self, name: str) -> str | None:
        """A value that was written down."""
        row = self.db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def write_note(self, name: str, value: str) -> None:
        """Write a value down, over an earlier one."""
        self.db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def add_project(self, vendor_id: str, digest: str, version: str) -> None:
        """Find or create."""
        self.db.execute("INSERT OR IGNORE INTO projects VALUES (?, ?, ?)", (vendor_id, digest, version))

    def add_batch(
        self, vendor_id: str, batch_key: str, project: str, round_no: int, overlap: int, percent: int = 100
    ) -> None:
        """Find or create."""
        self.db.execute(
            "INSERT OR IGNORE INTO batches (vendor_id, batch_key, project, round_no, overlap, percent)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (vendor_id, batch_key, project, round_no, overlap, percent),
        )

    def batch(self, vendor_id: str) -> BatchRow | None:
        """An order."""
        return next(iter(self._batches("vendor_id = ?", vendor_id)), None)

    def open_batches(self) -> tuple[BatchRow, ...]:
        """Every order that people work on."""
        return self._batches("finalized ORDER BY rowid")

    def finalize(self, vendor_id: str) -> None:
        """Let the people start."""
        self.db.execute("UPDATE batches SET finalized = 1 WHERE vendor_id = ?", (vendor_id,))

    def poll(self, vendor_id: str) -> None:
        """Let the time between two polls pass on an order."""
        self.db.execute("UPDATE batches SET polls = polls + 1 WHERE vendor_id = ?", (vendor_id,))

    def jump(self, seconds: float) -> None:
        """Let time pass on every order that people work on."""
        self.db.execute("UPDATE batches SET jumped_s = jumped_s + ? WHERE finalized", (seconds,))

    def add_job(self, job: Job) -> None:
        """Create a labeling task; nothing here stops a second one with the same key."""
        values = (
            job.vendor_id, job.batch, job.key, job.item_id, job.item_digest, job.purpose, job.payload_sha256, job.due_s,
            ",".join(job.people), job.prelabel, job.price_micros, job.first, job.created_at, job.asset_url,
            job.canceled,
        )  # fmt: skip
        self.db.execute(f"INSERT INTO tasks ({_JOB}) VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608

    def jobs(self, key: str, *, canceled: bool = False) -> tuple[Job, ...]:
        """All labeling tasks with a key, oldest first; those taken back only where asked."""
        return self._jobs("key = ? AND canceled <= ? ORDER BY rowid", key, canceled)

    def jobs_of_item(self, item_id: str) -> tuple[Job, ...]:
        """All labeling tasks about an item, oldest first."""
        return self._jobs("item_id = ? AND NOT canceled ORDER BY rowid", item_id)

    def jobs_of_batch(self, batch: str, after: str = "", limit: int = -1, *, canceled: bool = False) -> tuple[Job, ...]:
        """Labeling tasks of an order, by id; those taken back only where asked."""
        where = "batch = ? AND canceled <= ? AND vendor_id > ? ORDER BY vendor_id LIMIT ?"
        return self._jobs(where, batch, canceled, after, limit)

    def job(self, vendor_id: str) -> Job | None:
        """One labeling task."""
        return next(iter(self._jobs("vendor_id = ? AND NOT canceled", vendor_id)), None)

    def due(self, batch: str, elapsed_s: float, *, done: int = 0) -> tuple[Job, ...]:
        """Labeling tasks whose answers are in by now, in the order they came in; done 1 = those handed out before."""
        where = "batch = ? AND done = ? AND NOT canceled AND due_s <= ? ORDER BY due_s, vendor_id"
        return self._jobs(where, batch, done, elapsed_s)

    def cancel(self, vendor_id: str) -> None:
        """Take a labeling task back."""
        self.db.execute("UPDATE tasks SET canceled = 1 WHERE vendor_id = ?", (vendor_id,))

    def set_done(self, vendor_ids: Iterable[str]) -> None:
        """The answers of these labeling tasks are handed out."""
        self.db.executemany("UPDATE tasks SET done = 1 WHERE vendor_id = ?", [(v,) for v in vendor_ids])

    def add_result(self, result: ResultRow) -> bool:
        """Store what a fetch will return; False where it is there already."""
        done = self.db.execute(
            "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)",
            (result.vendor_id, result.revision, result.body, result.updated_at),
        )
        return done.rowcount == 1

    def results(self, vendor_id: str) -> tuple[ResultRow, ...]:
        """Every revision of a labeling task's result, oldest first."""
        rows = self.db.execute(
            "SELECT r.vendor_id, t.key, r.revision, r.body, r.updated_at FROM results r JOIN tasks t"
            " ON t.vendor_id = r.vendor_id WHERE r.vendor_id = ? ORDER BY CAST(r.revision AS INTEGER)",
            (vendor_id,),
        )
        return tuple(ResultRow(*row) for row in rows)

    def drop_results(self, vendor_id: str) -> None:
        """Forget what was answered: taken back, or deleted after the retention time."""
        self.db.execute("DELETE FROM results WHERE vendor_id = ?", (vendor_id,))

    def add_event(self, batch: str, event: EventRow, *, hidden: bool) -> None:
        """Append to the change list; `hidden` = the next reader's cursor will skip it."""
        self.db.execute(
            "INSERT INTO events (batch, vendor_id, key, kind, revision, at, copies, hidden, listed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (batch, event.vendor_id, event.key, event.kind, event.revision, event.at, event.copies, int(hidden),
             event.listed_at),
        )  # fmt: skip

    def events(self, batch: str, after: int, limit: int) -> tuple[EventRow, ...]:
        """The change list after a sequence number."""
        return self._events("batch = ? AND seq > ? AND NOT hidden ORDER BY seq LIMIT ?", batch, after, limit)

    def events_since(self, batch: str, since: str, after: int, limit: int) -> tuple[EventRow, ...]:
        """The change list by the vendor's update time, after (time, sequence number)."""
        where = "batch = ? AND (listed_at, seq) > (?, ?) AND NOT hidden ORDER BY listed_at, seq LIMIT ?"
        return self._events(where, batch, since, after, limit)

    def last_seq(self, batch: str) -> int:
        """The sequence number of the newest event, hidden ones too."""
        (seq,) = self.db.execute("SELECT COALESCE(MAX(seq), 0) FROM events WHERE batch = ?", (batch,)).fetchone()
        return int(seq)

    def last_listed(self, batch: str) -> str:
        """The update time of the newest event, hidden ones too; empty where there is none."""
        found = self.db.execute("SELECT COALESCE(MAX(listed_at), '') FROM events WHERE batch = ?", (batch,))
        return str(found.fetchone()[0])

    def unhide(self, batch: str) -> None:
        """Make skipped events visible to whoever reads the list from the start."""
        self.db.execute("UPDATE events SET hidden = 0 WHERE batch = ? AND hidden", (batch,))

    def add_review(self, review: Review) -> bool:
        """Write a verdict down; False where this one (by its key) was told before."""
        done = self.db.execute(
            "INSERT OR IGNORE INTO reviews (key, vendor_id, verdict, reason, at_s) VALUES (?, ?, ?, ?, ?)",
            (review.key, review.vendor_id, review.verdict, review.reason, review.at_s),
        )
        return done.rowcount == 1

    def reworks(self, batch: str, by_s: float) -> tuple[Review, ...]:
        """Verdicts of an order that sent an answer back at or before this second and are not worked on yet."""
        rows = self.db.execute(
            "SELECT r.key, r.vendor_id, r.verdict, r.reason, r.at_s FROM reviews r JOIN tasks t"
            " ON t.vendor_id = r.vendor_id WHERE t.batch = ? AND r.verdict = 'REWORK' AND NOT r.done AND r.at_s <= ?"
            " ORDER BY r.at_s, r.key",
            (batch, by_s),
        )
        return tuple(Review(*row) for row in rows)

    def finish_review(self, key: str) -> None:
        """An answer that was sent back was given anew."""
        self.db.execute("UPDATE reviews SET done = 1 WHERE key = ?", (key,))

    def charge(self, batch: str, charge: Charge) -> None:
        """Book a charge once."""
        self.db.execute(
            "INSERT OR IGNORE INTO charges (line_id, batch, key, amount_micros, currency, at, kind)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (charge.line_id, batch, charge.key, charge.amount_micros, charge.currency, charge.at, charge.kind),
        )

    def charges(self, batch: str | None = None) -> tuple[Charge, ...]:
        """The money book, of one order or of all."""
        where, values = ("WHERE batch = ?", (batch,)) if batch is not None else ("", ())
        rows = self.db.execute(
            f"SELECT line_id, key, amount_micros, currency, at, kind FROM charges {where} ORDER BY line_id",  # noqa: S608
            values,
        )
        return tuple(Charge(*row) for row in rows)

    def committed(self) -> int:
        """Micros of everything bought and not taken back, less what was credited."""
        (bought,) = self.db.execute("SELECT COALESCE(SUM(price_micros), 0) FROM tasks WHERE NOT canceled").fetchone()
        back = "SELECT COALESCE(SUM(amount_micros), 0) FROM charges WHERE kind = 'ADJUSTED'"
        return int(bought) + int(self.db.execute(back).fetchone()[0])

    def _batches(self, where: str, *values: object) -> tuple[BatchRow, ...]:
        columns = "vendor_id, batch_key, project, round_no, overlap, polls, finalized, jumped_s, percent"
        version = "(SELECT ontology_version FROM projects p WHERE p.vendor_id = batches.project)"
        rows = self.db.execute(f"SELECT {columns}, {version} FROM batches WHERE {where}", values)  # noqa: S608 - constants
        return tuple(
            BatchRow(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]), row[7], row[8], row[9])
            for row in rows
        )

    def _events(self, where: str, *values: object) -> tuple[EventRow, ...]:
        columns = "seq, vendor_id, key, kind, revision, at, copies, listed_at"
        rows = self.db.execute(f"SELECT {columns} FROM events WHERE {where}", values)  # noqa: S608 - constants
        return tuple(EventRow(*row) for row in rows)

    def _jobs(self, where: str, *values: object) -> tuple[Job, ...]:
        rows = self.db.execute(f"SELECT {_JOB} FROM tasks WHERE {where}", values)  # noqa: S608 - constants
        return tuple(_job(*row) for row in rows)


def _job(*row: Any) -> Job:
    """A row in the order of `_JOB`."""
    *first, due_s, people, prelabel, price, answered, created_at, asset_url, canceled = row
    vendor_id, batch, key, item_id, item_digest, purpose, payload = first
    chosen = tuple(people.split(",")) if people else ()
    return Job(
        vendor_id, batch, key, item_id, item_digest, purpose, payload, due_s, chosen, prelabel, price, answered,
        created_at, asset_url, bool(canceled),
    )  # fmt: skip
