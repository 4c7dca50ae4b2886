"""Migrations in a campaign: rounds before and after a change, through the ledger, the seal and the fold."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from tailfirst import schemas
from tailfirst.artifacts import sha256_tree, write_parquet
from tailfirst.errors import OntologyError
from tailfirst.labeling import gold as naming
from tailfirst.labeling.fold import fold, newest
from tailfirst.ontology import acts
from tailfirst.ontology.fallen import closed
from tailfirst.ontology.tables import common, read_known
from tailfirst.ontology.versions import Versions
from tailfirst.quality.batch import not_new
from tailfirst.quality.gold import read_gold
from tailfirst.quality.history import History
from tailfirst.task import load_task

EXPERTS = [{"id": "e1", "skill": 1.0}, {"id": "e2", "skill": 1.0}]
MERGE = {"merge": {"classes": ["bicycle", "umbrella"], "into": "thing"}}
SPLIT = {"split": {"class": "umbrella", "into": ["umbrella", "parasol"]}}
RETIRE = {"retire": {"class": "umbrella"}}
RENAME = {"rename": {"class": "heron", "to": "grey_heron"}}


@pytest.fixture
def world(world: Any) -> Any:
    world.vendor["annotators"] = EXPERTS
    return world


def write(world: Any, *steps: Any, origin: str = "1", to: str = "2", name: str = "0002-change.yaml") -> Path:
    path: Path = world.root / name
    path.write_text(yaml.safe_dump({"from": origin, "to": to, "steps": list(steps)}))
    return path


def apply(world: Any, path: Path) -> str:
    with world.context() as ctx:
        return acts.apply(ctx, path)


def revert(world: Any) -> str:
    with world.context() as ctx:
        return acts.revert(ctx)


def a_round(world: Any, runner: Any, items: list[str], n_audit: int = 0) -> None:
    world.batch(items, n_audit=n_audit)
    with world.context() as ctx:
        runner(ctx)


def classes(world: Any) -> dict[str, str]:
    return {row["item_id"]: row["class_id"] for row in world.labels()}


def test_a_merge_between_two_rounds(world: Any, runner: Any) -> None:
    pool = world.pool()
    a_round(world, runner, pool[:5])
    assert [classes(world)[i] for i in pool[:5]] == ["bicycle", "heron", "umbrella", "bicycle", "heron"]
    sealed = sha256_tree(world.ws.sealed(1))
    assert "version 2 is in force: 2 classes" in apply(world, write(world, MERGE))
    assert [classes(world)[i] for i in pool[:5]] == ["thing", "heron", "thing", "thing", "heron"]
    a_round(world, runner, pool[5:9])
    assert [classes(world)[i] for i in pool[:9]] == [
        "thing", "heron", "thing", "thing", "heron", "thing", "thing", "heron", "thing",
    ]  # fmt: skip
    assert [row["ontology_version"] for row in world.labels()] == ["1"] * 5 + ["2"] * 4
    assert sha256_tree(world.ws.sealed(1)) == sealed
    given = [set(pa.parquet.read_table(world.ws.sealed(n) / "annotations.parquet")["ontology_version"].to_pylist())
             for n in (1, 2)]  # fmt: skip
    assert given == [{"1"}, {"2"}]


def test_five_labels_per_step(world: Any, runner: Any) -> None:
    pool = world.pool()
    a_round(world, runner, pool[:5])
    wanted = {
        "rename": (RENAME, ["bicycle", "grey_heron", "umbrella", "bicycle", "grey_heron"]),
        "merge": (MERGE, ["thing", "heron", "thing", "thing", "heron"]),
        "split": (SPLIT, ["bicycle", "heron", None, "bicycle", "heron"]),
        "retire": (RETIRE, ["bicycle", "heron", None, "bicycle", "heron"]),
        "add": ({"add": {"class": "kite"}}, ["bicycle", "heron", "umbrella", "bicycle", "heron"]),
    }
    task, labels = world.ws.task.read_bytes(), world.ws.labels.read_bytes()
    for step, now in wanted.values():
        apply(world, write(world, step))
        assert [classes(world).get(i) for i in pool[:5]] == now
        revert(world)
        assert (world.ws.task.read_bytes(), world.ws.labels.read_bytes()) == (task, labels)


def test_items_of_a_split_class_are_bought_again(world: Any, runner: Any) -> None:
    pool = world.pool()
    a_round(world, runner, pool[:5])
    split = pool[2]
    apply(world, write(world, SPLIT))
    assert closed(newest(world.ws), Versions.of(world.ws)) == frozenset()
    rows = schemas.read(world.ws.oracle, schemas.LABELED).to_pylist()
    known = [r | {"ontology_version": "2" if r["item_id"] == split else "1"} for r in rows]
    known = [r | ({"class_id": "parasol"} if r["item_id"] == split else {}) for r in known]
    write_parquet(world.ws.oracle, pa.Table.from_pylist(known))
    a_round(world, runner, [split, pool[6]])
    assert classes(world)[split] == "parasol"
    (row,) = [r for r in world.labels() if r["item_id"] == split]
    assert (row["round_no"], row["n_annotations"], row["ontology_version"]) == (2, 1, "2")
    with world.context() as ctx:
        assert [t.attempt for t in ctx.ledger.tasks.by_item("tiny", split)] == [1, 2]
        assert ctx.ledger.rounds.counts("tiny", 2) == {"ACCEPTED": 2}
    with pytest.raises(OntologyError, match=r"2 label\(s\) or gold answers were given under version '2'"):
        revert(world)


def test_items_of_a_retired_class_and_audits_of_a_split_one_stay_out(world: Any, runner: Any) -> None:
    pool = world.pool()
    a_round(world, runner, pool[:6], n_audit=3)
    audit, train = pool[2], pool[5]  # both umbrellas
    apply(world, write(world, SPLIT))
    assert closed(newest(world.ws), Versions.of(world.ws)) == {audit}
    revert(world)
    apply(world, write(world, RETIRE))
    assert closed(newest(world.ws), Versions.of(world.ws)) == {audit, train}
    assert not_new(world.ws) == {audit, train}


def test_preview_counts_and_changes_nothing(world: Any, runner: Any) -> None:
    pool = world.pool()
    a_round(world, runner, pool[:5])
    holdout = [{"item_id": f"h{n}", "class_id": c} for n, c in enumerate(("heron", "umbrella", "umbrella"))]
    write_parquet(world.ws.holdout, pa.Table.from_pylist(holdout, schema=schemas.LABELED))
    path = write(world, RENAME, SPLIT)
    before = sha256_tree(world.root)
    found = acts.preview(world.ws, path)
    assert sha256_tree(world.root) == before
    assert (found.kept, found.moved, found.again, found.closed) == (2, 2, 1, 0)
    assert found.holdout == (1, 2)
    assert found.ways == (("heron", "becomes grey_heron", 2), ("umbrella", "ends (split)", 1))
    assert found.after == ("bicycle", "grey_heron", "umbrella", "parasol")
    assert "heron: heron -> none" in found.names


def test_known_answers_are_read_in_the_classes_of_today(world: Any) -> None:
    pool = world.pool()
    with world.context() as ctx:
        naming.name(ctx, {pool[0]: "bicycle", pool[2]: "umbrella"}, "expert:ada", [])
    apply(world, write(world, SPLIT, {"rename": {"class": "bicycle", "to": "bike"}}))
    assert read_gold(world.ws) == {pool[0]: "bike"}
    with world.context() as ctx:
        done = naming.name(ctx, {pool[2]: "umbrella"}, "expert:ada", [])  # of version 2, and it stays
    assert (done.added, done.changed, done.total) == (0, 1, 2)
    assert read_gold(world.ws) == {pool[0]: "bike", pool[2]: "umbrella"}
    truth = world.truth()
    assert truth[pool[0]] == "bike"
    assert pool[2] not in truth
    assert read_known(world.ws, world.ws.oracle, schemas.LABELED).num_rows == 16


def test_sealed_answers_are_read_in_the_classes_of_today(world: Any, runner: Any) -> None:
    pool = world.pool()
    a_round(world, runner, pool[:3])
    apply(world, write(world, RENAME, RETIRE, {"add": {"class": "kite"}}))
    told = History.of([world.ws.sealed(1)], Versions.of(world.ws)).answers
    assert [[one.answer for one in told[i]] for i in pool[:3]] == [["bicycle"], ["grey_heron"], []]


def test_old_names_of_the_vendor(world: Any, runner: Any) -> None:
    """The vendor's people still say `heron` and `umbrella`; the first was renamed, the second retired (row 17)."""
    pool = world.pool()
    apply(world, write(world, RENAME, RETIRE, {"add": {"class": "kite"}}))
    rows = schemas.read(world.ws.oracle, schemas.LABELED).to_pylist()
    known = [r | {"ontology_version": "not ours"} for r in rows]
    write_parquet(world.ws.oracle, pa.Table.from_pylist(known))
    shutil.move(world.ws.oracle, world.root / "oracle.parquet")
    truth = {r["item_id"]: r["class_id"] for r in rows}
    world.batch(pool[:3], n_audit=0)
    with world.context(vendor=vendor_of(world, truth)) as ctx:
        runner(ctx)
        assert ctx.ledger.rounds.counts("tiny", 1) == {"ACCEPTED": 2, "CLOSED_UNLABELED": 1}
        (held,) = [d for d in ctx.ledger.deliveries.raw("tiny", 1) if d.quarantine_reason]
    assert held.quarantine_reason == "not in ontology 2: umbrella (retire of class umbrella in migration 0002-change)"
    assert classes(world) == {pool[0]: "bicycle", pool[1]: "grey_heron"}


def vendor_of(world: Any, truth: dict[str, str]) -> Any:
    from tailfirst.vendors import simulated

    options = simulated.Params.model_validate(world.vendor)
    return simulated.SimulatedVendor(options, world.book, lambda: truth)


def test_a_late_answer_is_read_in_its_own_version_and_moves(world: Any, runner: Any, stepper: Any) -> None:
    from tailfirst.labeling.late import collect_late_labels

    pool = world.pool()
    late = [pool[1], pool[2]]  # a heron, an umbrella
    world.vendor["faults"] = [{"name": "late_label", "items": late}]
    world.vendor["cancel"] = "NONE"
    world.round["sla_hours"] = 1
    world.batch(pool[:5], n_audit=0)
    truth = world.truth()
    with world.context(vendor=vendor_of(world, truth)) as ctx:
        runner(ctx, hours=1)
    assert set(late) & classes(world).keys() == set()
    apply(world, write(world, RENAME, SPLIT))
    with world.context(vendor=vendor_of(world, truth)) as ctx:
        for _ in range(30):
            world.clock.forward(days=1)
            said = collect_late_labels(ctx)
            if "2 tasks" in said:
                break
        assert "2 tasks of sealed rounds have late answers" in said
        for _ in range(8):
            if ctx.ledger.rounds.current("tiny").state == "REPORTED":
                break
            stepper(ctx)
        assert not ctx.ledger.tasks.in_flight("tiny")
    assert classes(world)[late[0]] == "grey_heron"
    assert late[1] not in classes(world)


def test_a_killed_apply_is_finished_by_the_next_and_another_migration_may_come_instead(world: Any) -> None:
    path = write(world, RENAME)
    (world.ws.ontology_before).mkdir(parents=True)
    shutil.copy(path, world.ws.ontology / "0002-other.yaml")
    shutil.copy(world.ws.task, world.ws.ontology_before / "0002-other.yaml")  # killed before task.yaml was written
    assert Versions.of(world.ws).names == ("1",)
    apply(world, path)
    assert [one.name for one in Versions.of(world.ws).applied] == ["0002-change"]
    world.ws.labels.unlink()  # killed before the fold
    assert "in force already" in apply(world, path)
    assert world.labels() == []


def test_a_chain_and_its_refusals(world: Any) -> None:
    first = world.ws.task.read_bytes()
    apply(world, write(world, RENAME))
    second = world.ws.task.read_bytes()
    with pytest.raises(OntologyError, match="goes from version '1' to '3'; the task is at version '2'"):
        apply(world, write(world, SPLIT, to="3"))
    with pytest.raises(OntologyError, match="was there before: 1, 2"):
        apply(world, write(world, SPLIT, origin="2", to="1"))
    apply(world, write(world, SPLIT, origin="2", to="3", name="shades.yaml"))
    assert [one.name for one in Versions.of(world.ws).applied] == ["0002-change", "0003-shades"]
    revert(world)
    assert world.ws.task.read_bytes() == second
    revert(world)
    assert world.ws.task.read_bytes() == first
    with pytest.raises(OntologyError, match="nothing to go back to"):
        revert(world)


def test_a_class_id_changed_by_hand_is_refused(world: Any) -> None:
    apply(world, write(world, RENAME))
    world.ws.task.write_text(world.ws.task.read_text().replace("grey_heron", "gray_heron"))
    with pytest.raises(OntologyError, match=r"lacks class.*grey_heron that migration 0002-change left"):
        fold(world.ws)
    assert load_task(world.ws.task).resolve("gray heron") == "gray_heron"


def test_a_champion_of_older_classes_is_judged_in_those_of_today(world: Any) -> None:
    """Four items under version 1, three of them comparable: right, right after the merge, wrong."""
    apply(world, write(world, MERGE, {"add": {"class": "kite"}}))
    old = [("a", "heron", "heron"), ("b", "bicycle", "umbrella"), ("c", "umbrella", "heron"), ("d", "heron", "heron")]
    new = [("a", "heron", "heron"), ("b", "thing", "thing"), ("c", "thing", "thing"), ("d", "kite", "kite")]
    paths = world.root / "old.parquet", world.root / "new.parquet"
    for path, rows in zip(paths, (old, new), strict=True):
        named = [dict(zip(("item_id", "class_id", "predicted"), r, strict=True)) | {"probability": 0.5} for r in rows]
        write_parquet(path, pa.Table.from_pylist(named, schema=schemas.HOLDOUT_PREDICTIONS))
    champion, challenger = common(*paths, Versions.of(world.ws))
    assert champion["class_id"].to_pylist() == challenger["class_id"].to_pylist() == ["heron", "thing", "thing"]
    assert champion["predicted"].to_pylist() == ["heron", "thing", "heron"]
    assert common(*paths, None)[0].num_rows == 4
