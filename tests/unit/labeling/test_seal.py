import json
import shutil
from typing import Any

import pyarrow as pa
import pytest

from tailfirst import schemas
from tailfirst.artifacts import sha256_tree, write_parquet
from tailfirst.errors import CheckFailed, InvalidDelivery, StaleArtifact
from tailfirst.labeling import _export, fold, plan, seal
from tailfirst.labeling import replay as again
from tailfirst.labeling.late import collect_late_labels
from tailfirst.ledger.records import EventRow


def until(ctx: Any, stepper: Any, state: str) -> None:
    stepper(ctx)
    while ctx.ledger.rounds.current("tiny").state != state:
        stepper(ctx)


def test_tie_gives_no_label_and_the_item_can_be_asked_again(world: Any, runner: Any) -> None:
    world.round["overlap"] = 2
    world.vendor["annotators"] = [{"id": "a", "skill": 1.0}, {"id": "b", "skill": 0.0}]
    world.batch(world.pool()[:3])
    with world.context() as ctx:
        runner(ctx)
        assert ctx.ledger.rounds.counts("tiny", 1) == {"CLOSED_UNLABELED": 3}
        assert all(t.reason.startswith("tie between ") for t in ctx.ledger.tasks.list("tiny", 1))
        assert world.labels() == []
        world.batch(world.pool()[:3])
        assert plan.freeze(ctx) == "round 2 planned: 1 AUDIT, 2 TRAIN items"
    summary = json.loads((world.ws.sealed(1) / "round.json").read_text())
    assert summary["n_labels"] == 0
    assert len(summary["unlabeled"]) == 3


def test_killed_after_the_rename(world: Any, ctx: Any, stepper: Any) -> None:
    """The folder is there, SEALED is not committed: the rerun compares and commits."""
    world.batch(world.pool()[:4])
    until(ctx, stepper, "SEALED")
    want = sha256_tree(world.ws.sealed(1))
    copy = world.root / "copy"
    shutil.copytree(world.ws.sealed(1), copy)
    with world.context() as other:
        unseal(other)
        assert "sealed as" in seal.seal(other)
        assert other.ledger.rounds.get("tiny", 1).sealed_sha256 == want == sha256_tree(copy)


def unseal(ctx: Any) -> None:
    """Put the round back to where a kill before the last commit would have left it."""
    with ctx.ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE rounds SET state = 'CLOSING', sealed_sha256 = NULL")
        connection.exec_driver_sql("DELETE FROM events WHERE to_state = 'SEALED'")
    unmark(ctx)


def unmark(ctx: Any) -> None:
    """A ledger that does not know what stands in the folders, as before it kept that."""
    with ctx.ledger.database.write() as connection:
        for table in ("deliveries", "cost_lines"):
            connection.exec_driver_sql(f"UPDATE {table} SET sealed_in = NULL")


def marks(ctx: Any, table: str) -> dict[tuple[int, int | None], int]:
    """Number of rows by round that ordered and round whose folder holds them."""
    with ctx.ledger.database.read() as connection:
        found = connection.exec_driver_sql(
            f"SELECT round_no, sealed_in, count(*) FROM {table} GROUP BY round_no, sealed_in"
        )
        return {(no, holder): n for no, holder, n in found}


def test_everything_stands_in_one_folder_and_the_ledger_knows_in_which(world: Any, ctx: Any, runner: Any) -> None:
    for start in (0, 4):
        world.batch(world.pool()[start : start + 4])
        runner(ctx)
    assert marks(ctx, "deliveries") == marks(ctx, "cost_lines") == {(1, 1): 4, (2, 2): 4}


def test_a_ledger_that_does_not_know_asks_the_folders_and_learns(world: Any, ctx: Any, runner: Any) -> None:
    """Of an older version: nothing is exported twice, and after the next seal it knows."""
    world.batch(world.pool()[:4])
    runner(ctx)
    unmark(ctx)
    assert "nothing came late" in collect_late_labels(ctx)
    world.batch(world.pool()[4:8])
    runner(ctx)
    lines = (world.ws.sealed(2) / "deliveries.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert marks(ctx, "deliveries") == marks(ctx, "cost_lines") == {(1, 1): 4, (2, 2): 4}


def test_foreign_folder_is_never_overwritten(world: Any, ctx: Any, stepper: Any) -> None:
    world.batch(world.pool()[:4])
    until(ctx, stepper, "SEALED")
    (world.ws.sealed(1) / "checks.json").write_text("[1]\n")
    unseal(ctx)
    with pytest.raises(StaleArtifact, match=r"differs from the ledger in checks\.json, round\.json|in checks\.json"):
        seal.seal(ctx)
    assert (world.ws.sealed(1) / "checks.json").read_text() == "[1]\n"


def test_labels_gate_stops_the_seal(world: Any, ctx: Any, stepper: Any) -> None:
    class Strict:
        def labels(self, df: Any) -> None:
            raise CheckFailed(f"{len(df)} labels do not please")

        def deliveries(self, df: Any) -> list[str]:
            return [df["key"].iloc[0]]

    world.batch(world.pool()[:4])
    until(ctx, stepper, "OPEN")
    with world.context(gates=Strict()) as strict:
        until(strict, stepper, "CLOSING")
        assert strict.ledger.rounds.counts("tiny", 1) == {"QUARANTINED": 1, "VALIDATED": 3}
        with pytest.raises(CheckFailed, match="3 labels"):
            seal.seal(strict)
    assert not world.ws.sealed(1).exists()
    assert "3 labels" in seal.seal(ctx)


def test_replay_gives_the_same_labels(world: Any, ctx: Any, stepper: Any) -> None:
    world.batch(world.pool()[:4])
    until(ctx, stepper, "CLOSING")
    before = ctx.ledger.fingerprint("tiny")
    assert again.replay(ctx, 1) == "round 1: 4 deliveries read again, 0 quarantined"
    assert ctx.ledger.fingerprint("tiny") == before


def test_fixed_parser_releases_what_was_quarantined(world: Any, ctx: Any, stepper: Any) -> None:
    class Broken:
        def __init__(self, vendor: Any) -> None:
            self._vendor = vendor

        def __getattr__(self, name: str) -> Any:
            return getattr(self._vendor, name)

        def parse(self, raw: Any, ontology: Any) -> Any:
            raise InvalidDelivery("this parser reads nothing")

    world.batch(world.pool()[:4])
    until(ctx, stepper, "OPEN")
    charges = world.book.charges()
    with world.context(vendor=Broken(ctx.vendor)) as broken:
        until(broken, stepper, "CLOSING")
        assert broken.ledger.rounds.counts("tiny", 1) == {"QUARANTINED": 4}
    again.replay(ctx, 1)
    assert ctx.ledger.rounds.counts("tiny", 1) == {"VALIDATED": 4}
    assert "4 labels" in seal.seal(ctx)
    assert not charges
    assert len(world.book.charges()) == 4


def test_leftovers_of_a_killed_seal_are_removed(world: Any, ctx: Any, stepper: Any) -> None:
    left_over = world.ws.rounds / ".0001.abc"
    left_over.mkdir()
    (left_over / "labels.parquet").write_text("half")
    world.batch(world.pool()[:4])
    until(ctx, stepper, "SEALED")
    assert [p.name for p in world.ws.rounds.iterdir()] == ["0001"]


def row(item: str, round_no: int, class_id: str = "heron", purpose: str = "TRAIN") -> dict[str, Any]:
    return {"item_id": item, "class_id": class_id, "round_no": round_no, "purpose": purpose}


def put(world: Any, round_no: int, *rows: dict[str, Any]) -> None:
    path = world.ws.seed_labels if round_no == 0 else world.ws.sealed(round_no) / "labels.parquet"
    write_parquet(path, pa.Table.from_pylist(list(rows), schema=schemas.LABELS))


def test_fold_by_hand(world: Any) -> None:
    put(world, 0, row("b", 0, purpose="SEED"))
    put(world, 1, row("c", 1), row("a", 1, purpose="AUDIT"))
    put(world, 2, row("c", 2, "umbrella"), row("a", 2))
    (world.ws.rounds / "README.md").write_text("not a round")
    (world.ws.rounds / ".0003.tmp").mkdir()
    found = fold.folded(world.ws).to_pylist()
    assert [(r["item_id"], r["round_no"], r["class_id"], r["purpose"]) for r in found] == [
        ("b", 0, "heron", "SEED"),
        ("a", 1, "heron", "AUDIT"),
        ("c", 2, "umbrella", "TRAIN"),
    ]


def event(n: int, key: str | None, old: str, new: str) -> EventRow:
    from datetime import UTC, datetime

    return EventRow(n, "tiny", 1, key, old, new, datetime(2026, 1, 1, tzinfo=UTC), "me:1", "")


def test_history_leaves_out_detours() -> None:
    events = [
        event(1, "k", "", "PLANNED"),
        event(2, "k", "PLANNED", "OUTBOX"),
        event(3, "k", "OUTBOX", "UNKNOWN"),
        event(4, "k", "UNKNOWN", "OUTBOX"),
        event(5, "k", "OUTBOX", "UNKNOWN"),
        event(6, "k", "UNKNOWN", "SUBMITTED"),
        event(7, None, "DRAFT", "SELECTED"),
    ]
    found = [(line["key"], line["from"], line["to"]) for line in _export.history(events)]
    assert found == [
        (None, "DRAFT", "SELECTED"),
        ("k", "", "PLANNED"),
        ("k", "PLANNED", "OUTBOX"),
        ("k", "OUTBOX", "SUBMITTED"),
    ]


def test_items_not_to_be_asked_again_are_told(world: Any, runner: Any) -> None:
    unseen, late = world.pool()[1], world.pool()[2]  # what could not be loaded may be tried again
    world.round.update(sla_hours=3, quorum=0.5)
    world.vendor.update(
        hours_per_poll=60,
        faults=[{"name": "asset_unreachable", "items": [unseen]}, {"name": "late_label", "items": [late]}],
    )
    world.batch(world.pool()[:4])
    with world.context() as ctx:
        runner(ctx, hours=1)
    assert json.loads((world.ws.sealed(1) / "round.json").read_text())["ignored"] == [late]


def test_only_events_tell_our_time(world: Any, runner: Any, tmp_path_factory: Any) -> None:
    """The same campaign a year later: every file but events.jsonl is the same."""
    later = type(world)(tmp_path_factory.mktemp("later"))
    shutil.copytree(world.root, later.root, dirs_exist_ok=True)
    later.clock.forward(days=365)
    for each in (world, later):
        each.batch(each.pool()[:4])
        with each.context() as ctx:
            runner(ctx, hours=2)
    for path in world.ws.sealed(1).iterdir():
        same = path.read_bytes() == (later.ws.sealed(1) / path.name).read_bytes()
        assert same == (path.name != "events.jsonl"), path.name
