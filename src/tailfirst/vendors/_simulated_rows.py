"""What the simulated vendor remembers: its tables and their rows."""

from dataclasses import dataclass

from tailfirst.port import Purpose

VERSION = 2
TABLES = """
CREATE TABLE IF NOT EXISTS projects (vendor_id TEXT PRIMARY KEY, ontology_digest TEXT, ontology_version TEXT);
CREATE TABLE IF NOT EXISTS batches (
    vendor_id TEXT PRIMARY KEY, batch_key TEXT UNIQUE, project TEXT, round_no INTEGER, overlap INTEGER,
    polls INTEGER DEFAULT 0, finalized INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS tasks (
    vendor_id TEXT PRIMARY KEY, batch TEXT, key TEXT, item_id TEXT, item_digest TEXT, purpose TEXT,
    payload_sha256 TEXT, due_s INTEGER, canceled INTEGER DEFAULT 0);
CREATE INDEX IF NOT EXISTS tasks_key ON tasks (key);
CREATE INDEX IF NOT EXISTS tasks_batch ON tasks (batch, due_s);
CREATE TABLE IF NOT EXISTS results (
    vendor_id TEXT, revision TEXT, body BLOB, updated_at TEXT, PRIMARY KEY (vendor_id, revision));
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, batch TEXT, vendor_id TEXT, key TEXT, kind TEXT, revision TEXT, at TEXT,
    copies INTEGER DEFAULT 1, hidden INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS charges (
    line_id TEXT PRIMARY KEY, batch TEXT, key TEXT, amount_micros INTEGER, currency TEXT, at TEXT);
CREATE TABLE IF NOT EXISTS calls (operation TEXT PRIMARY KEY, n INTEGER);
"""
# A book that an earlier release wrote gets these on top; a new one gets both at once.
SECOND = """
ALTER TABLE batches ADD COLUMN jumped_s REAL DEFAULT 0;
ALTER TABLE batches ADD COLUMN percent INTEGER DEFAULT 100;
ALTER TABLE tasks ADD COLUMN people TEXT DEFAULT '';
ALTER TABLE tasks ADD COLUMN prelabel TEXT;
ALTER TABLE tasks ADD COLUMN price_micros INTEGER DEFAULT 0;
ALTER TABLE tasks ADD COLUMN first TEXT;
ALTER TABLE tasks ADD COLUMN created_at TEXT DEFAULT '';
ALTER TABLE tasks ADD COLUMN asset_url TEXT DEFAULT '';
ALTER TABLE tasks ADD COLUMN done INTEGER DEFAULT 0;
ALTER TABLE events ADD COLUMN listed_at TEXT DEFAULT '';
ALTER TABLE charges ADD COLUMN kind TEXT DEFAULT 'ACCRUED';
CREATE INDEX tasks_item ON tasks (item_id);
CREATE INDEX tasks_done ON tasks (batch, done, due_s);
CREATE INDEX events_batch ON events (batch, listed_at, seq);
CREATE INDEX charges_batch ON charges (batch);
CREATE TABLE reviews (
    key TEXT PRIMARY KEY, vendor_id TEXT, verdict TEXT, reason TEXT, at_s REAL, done INTEGER DEFAULT 0);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT);
UPDATE tasks SET done = 1 WHERE vendor_id IN (SELECT vendor_id FROM results);
"""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """An order as the vendor knows it; percent = what it costs against the price list, in hundredths."""

    vendor_id: str
    batch_key: str
    project: str
    round_no: int
    overlap: int
    polls: int
    finalized: bool
    jumped_s: float = 0.0
    percent: int = 100
    ontology_version: str | None = None  # in whose classes its people answer


@dataclass(frozen=True, slots=True)
class Job:
    """One labeling task as the vendor knows it; due_s = seconds after the round's start."""

    vendor_id: str
    batch: str
    key: str
    item_id: str
    item_digest: str
    purpose: Purpose
    payload_sha256: str
    due_s: int = 0
    people: tuple[str, ...] = ()  # who answers, fixed when it is created
    prelabel: str | None = None
    price_micros: int = 0  # of all its answers together
    first: str | None = None  # RELABEL: what was first answered about the item
    created_at: str = ""  # the vendor's clock, ISO 8601 in UTC
    asset_url: str = ""
    canceled: bool = False


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line of the vendor's change list; `at` is told to us, `listed_at` is what the vendor sorts by."""

    seq: int
    vendor_id: str
    key: str
    kind: str
    revision: str
    at: str
    copies: int
    listed_at: str = ""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Bytes that a fetch returns."""

    vendor_id: str
    key: str
    revision: str
    body: bytes
    updated_at: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of the vendor's own money book."""

    line_id: str
    key: str
    amount_micros: int
    currency: str
    at: str
    kind: str = "ACCRUED"


@dataclass(frozen=True, slots=True)
class Review:
    """A verdict of ours on a labeling task; at_s = seconds after the round's start."""

    key: str
    vendor_id: str
    verdict: str
    reason: str
    at_s: float
