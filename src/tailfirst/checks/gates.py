"""The gates of a round: build the table, run its suite, write the result into the ledger, refuse or name rows."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tailfirst import artifacts, pool, schemas
from tailfirst.acquisition._compose import sizes
from tailfirst.checks import BLOCK, CheckResult, frames, suites
from tailfirst.checks.run import run_suite
from tailfirst.context import Context
from tailfirst.errors import CheckFailed
from tailfirst.items import load_items
from tailfirst.ledger.records import CheckRow, TaskRow
from tailfirst.ledger.transitions import FINAL_ROUND_STATES
from tailfirst.quality import batch as repeated

if TYPE_CHECKING:
    import pandas as pd

PAID = ("ACCRUED", "ADJUSTED")  # an invoice repeats what was accrued
TRAINS_AS = {"RELABEL": "TRAIN"}  # a second opinion is about a label that trains
MANY_IDS = 1000  # ids kept in the ledger; the quarantine file has all
QUARANTINE = pa.schema(
    [("id", pa.string()), ("severity", pa.string()), ("expectation", pa.string()), ("why", pa.string())]
)


@dataclass(frozen=True, slots=True)
class LedgerGates:
    """Gates (see `context.Gates`) whose results go into the ledger and whose refused rows go to state/quarantine/."""

    ctx: Context

    def items(self) -> None:
        """data/items.parquet and the holdout's labels.

        Raises:
            CheckFailed: The pool may not be used.
        """
        table = frames.items(self.ctx.ws, self.ctx.task.class_ids)
        self._enforce(self._run("items", table, suites.items(), "item_id"))

    def retrieved(self) -> None:
        """work/retrieved.parquet; nothing to check where retrieval is off or only counts, or without an open corpus.

        Raises:
            CheckFailed: Rows of other classes, or rows that repeat the holdout.
        """
        ws, retrieval = self.ctx.ws, self.ctx.params.retrieval
        if not retrieval.enabled or retrieval.counts_only or not any(ws.open.glob("[!.]*.parquet")):
            return
        expected = suites.retrieved(self.ctx.task.class_ids, retrieval.licences)
        self._enforce(self._run("retrieved", frames.retrieved(ws), expected, "open_id"))

    def embeddings(self) -> None:
        """work/embeddings/.

        Raises:
            CheckFailed: Rows are missing, not finite, not of unit length, or of several encoders.
        """
        table, manifest, n_items = frames.embeddings(self.ctx.ws)
        blocks = max(1, ceil(n_items / frames.BLOCK_ROWS))
        expected = suites.embeddings(n_items, blocks, int(manifest.get("dim", 0)))
        self._enforce(self._run("embeddings", table, expected, "block"))

    def batch(self, df: "pd.DataFrame") -> None:
        """The batch to be bought (schemas.BATCH).

        Raises:
            CheckFailed: It may not be bought.
        """
        ctx = self.ctx
        labeled = set(schemas.read(ctx.ws.labels, schemas.LABELS)["item_id"].to_pylist())
        busy = {task.item_id for task in ctx.ledger.tasks.in_flight(ctx.campaign)}
        again = set(df.loc[df["purpose"].isin(suites.REPEATS), "item_id"])
        ignored = set(ctx.ledger.tasks.ignored(ctx.campaign))
        frame = frames.batch(df, ctx.ws, labeled - again, busy, ignored - again)
        self._enforce(self._run("batch", frame, self._batch_suite(labeled, len(again)), "item_id"))

    def _batch_suite(self, labeled: set[str], n_again: int) -> list[Any]:
        items, ws = load_items(self.ctx.ws), self.ctx.ws
        ignored = pool.ignored_items(ws.rounds) | repeated.not_new(ws)
        standing = pool.partition(items.item_ids, items.is_pool, labeled=labeled, ignored=ignored)
        eligible = int(standing.eligible.sum())
        size = sizes(eligible, repeated.left(self.ctx.params.acquisition, n_again))
        return suites.batch(size, eligible, self.ctx.task.class_ids, n_again)

    def deliveries(self, df: "pd.DataFrame") -> Sequence[str]:
        """Parsed answers, one row per annotation; the submission keys to quarantine, sorted.

        Raises:
            CheckFailed: The table as a whole cannot be read (a column is missing).
        """
        ctx = self.ctx
        if df.empty:
            return ()  # a poll that brought nothing is no failure
        round_no = self._round_no()
        sent = {task.key: task.sent_at for task in ctx.ledger.tasks.list(ctx.campaign, round_no)}
        frame = frames.deliveries(df, sent, ctx.task.class_ids, ctx.now())
        result = self._run("deliveries", frame, suites.deliveries(), "key")
        self._enforce(result)
        return result.quarantined

    def labels(self, df: "pd.DataFrame") -> None:
        """The labels of a round before they are sealed (schemas.LABELS).

        Raises:
            CheckFailed: They may not be sealed.
        """
        ctx, round_no = self.ctx, self._round_no()
        ordered = {task.item_id: TRAINS_AS.get(task.purpose, task.purpose) for task in self._tasks(round_no)}
        held = schemas.read(ctx.ws.items, schemas.ITEMS)
        holdout = {row["item_id"] for row in held.select(["item_id", "role"]).to_pylist() if row["role"] == "holdout"}
        frame = frames.labels(df, ordered, holdout, under_cap=self._under_cap(round_no))
        agreement = ctx.params.round.min_agreement
        expected = suites.labels(ctx.task.class_ids, ctx.task.ontology_version, round_no, agreement)
        self._enforce(self._run("labels", frame, expected, "item_id"))

    def _tasks(self, round_no: int) -> list[TaskRow]:
        return self.ctx.ledger.tasks.list(self.ctx.campaign, round_no)

    def _under_cap(self, round_no: int) -> bool:
        money = self.ctx.ledger.money.status(self.ctx.campaign)
        row = self.ctx.ledger.rounds.get(self.ctx.campaign, round_no)
        lines = self.ctx.ledger.money.lines(self.ctx.campaign, round_no)
        spent = sum(line.amount_micros for line in lines if line.kind in PAID)
        cap = row.cap_micros if row is not None else None
        return money.left >= 0 and (cap is None or spent <= cap)

    def _round_no(self) -> int:
        last = self.ctx.ledger.rounds.current(self.ctx.campaign)
        if last is None:
            return 1
        return int(last.round_no) + (last.state in FINAL_ROUND_STATES)

    def _run(
        self, suite: str, table: "pa.Table | pd.DataFrame", expected: Sequence[Any], id_column: str
    ) -> CheckResult:
        result = run_suite(suite, table, expected, id_column, self.ctx.now())
        round_no = self._round_no()
        self._quarantine(result, round_no)
        ids = tuple(sorted({row.id for row in result.failed if row.id}))[:MANY_IDS]
        self.ctx.ledger.checks.record(
            CheckRow(
                campaign=self.ctx.campaign,
                round_no=round_no,
                suite=suite,
                success=result.success,
                evaluated=result.evaluated,
                rows=result.rows,
                failed=result.failed_expectations,
                failed_ids=ids,
                details_json=_details(result),
                at=result.at,
            )
        )
        return result

    def _quarantine(self, result: CheckResult, round_no: int) -> None:
        path = self.ctx.ws.quarantine / f"{result.suite}-{round_no:04d}.parquet"
        if not result.failed:
            path.unlink(missing_ok=True)
            return
        rows = [{"id": r.id, "severity": r.severity, "expectation": r.expectation, "why": r.why} for r in result.failed]
        artifacts.write_parquet(path, pa.Table.from_pylist(rows, schema=QUARANTINE))

    def _enforce(self, result: CheckResult) -> None:
        if not result.of(BLOCK):
            return
        path = self.ctx.ws.quarantine / f"{result.suite}-{self._round_no():04d}.parquet"
        raise CheckFailed(
            f"check {result.suite}: {len(result.of(BLOCK))} failures in {result.rows} rows: {result.explain(BLOCK)}; "
            f"all of them with ids: {path}"
        )


def _details(result: CheckResult) -> str:
    counted = Counter((row.expectation, row.why.partition("; found")[0], row.severity) for row in result.failed)
    found = [{"expectation": e, "why": why, "severity": s, "failed": n} for (e, why, s), n in sorted(counted.items())]
    return json.dumps(found, ensure_ascii=False)
