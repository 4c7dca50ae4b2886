"""A change of the classes while a round is open: the round stays on its version, the fold reads it in the new one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tailfirst import schemas, status
from tailfirst.artifacts import write_parquet
from tailfirst.errors import OntologyError, UserError
from tailfirst.labeling import abort, plan, quote, replay
from tailfirst.labeling._lease import holding
from tailfirst.labeling._versions import ASKED
from tailfirst.ontology import acts
from tailfirst.ontology.tables import read_known
from tailfirst.ontology.versions import Versions
from tailfirst.quality.gold import read_gold
from tailfirst.task import load_task

CHANGES = {
    "rename": {"rename": {"class": "heron", "to": "grey_heron"}},
    "merge": {"merge": {"classes": ["bicycle", "umbrella"], "into": "thing"}},
    "split": {"split": {"class": "umbrella", "into": ["umbrella", "parasol"]}},
    "retire": {"retire": {"class": "umbrella"}},
    "add": {"add": {"class": "kite"}},
}
LAST = 5  # acts from CLOSING to REPORTED


def write(world: Any, *names: str) -> Path:
    path: Path = world.root / "0002-change.yaml"
    path.write_text(yaml.safe_dump({"from": "1", "to": "2", "steps": [CHANGES[name] for name in names]}))
    return path


def apply(world: Any, path: Path) -> str:
    with world.context() as ctx:
        return acts.apply(ctx, path)


def revert(world: Any) -> str:
    with world.context() as ctx:
        return acts.revert(ctx)


def state(world: Any) -> str | None:
    with world.context() as ctx:
        row = ctx.ledger.rounds.current("tiny")
    return None if row is None else str(row.state)


def steps(world: Any, stepper: Any, stop: Callable[[int], bool], first: int = 0) -> int:
    """Acts of one worker after the other, each of which reads the folder anew; how many it took in all."""
    done = first
    while not stop(done) and state(world) != "REPORTED":
        with world.context() as ctx:
            stepper(ctx)
        world.clock.forward(hours=1)
        done += 1
        assert done < 60
    return done


def until(world: Any, stepper: Any, wanted: str) -> None:
    steps(world, stepper, lambda _: state(world) == wanted)


def sealed(world: Any) -> dict[str, bytes]:
    """Everything of the sealed round but its history, whose times differ where an apply came in between."""
    kept = sorted(world.ws.sealed(1).iterdir())
    return {path.name: path.read_bytes() for path in kept if path.name != "events.jsonl"}


def start(world: Any, root: Path) -> Any:
    """The same campaign in another folder, before its first round."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(world.root, root)
    copy = replace(world, root=root, clock=type(world.clock)())
    copy.vendor = world.vendor | {"hours_per_poll": 3}  # some answers are back, others are not
    copy.batch(copy.pool()[:9], n_audit=2)
    return copy


@settings(
    max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(
    names=st.sampled_from([("merge",), ("split", "rename"), ("retire", "add"), ("add", "rename", "merge")]),
    share=st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.99]),
    kill=st.integers(0, 4),
    back=st.booleans(),
)
def test_the_labels_are_those_of_a_change_after_the_seal(
    world: Any, stepper: Any, tmp_path_factory: Any, names: tuple[str, ...], share: float, kill: int, back: bool
) -> None:
    """Whenever it comes, also killed at one of its writes and finished later, also taken back and applied again."""
    room = tmp_path_factory.getbasetemp() / "open-rounds"
    after, during = start(world, room / "after"), start(world, room / "during")
    in_all = steps(after, stepper, lambda _: False)
    apply(after, write(after, *names))

    path = write(during, *names)
    done = steps(during, stepper, lambda n: n > share * (in_all - LAST))
    assert state(during) in ASKED
    if back:
        apply(during, path)
        revert(during)
    with killed_at(kill):
        apply(during, path)
    done = steps(during, stepper, lambda n: n > done, done)
    if state(during) in ASKED:
        apply(during, path)
    steps(during, stepper, lambda _: False, done)
    apply(during, path)
    assert during.ws.labels.read_bytes() == after.ws.labels.read_bytes()
    assert sealed(during) == sealed(after)
    assert {row["ontology_version"] for row in during.labels()} == {"1"}


class killed_at:  # noqa: N801 - reads as what it does
    """The process dies at the n-th write of an apply; 0 = it lives."""

    def __init__(self, nth: int) -> None:
        self.nth, self.seen, self.patch = nth, 0, pytest.MonkeyPatch()

    def __enter__(self) -> None:
        for name in ("write_bytes", "save_task", "fold"):
            self.patch.setattr(acts, name, self._counted(getattr(acts, name)))

    def _counted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*args: Any) -> Any:
            self.seen += 1
            if self.seen == self.nth:
                raise KeyboardInterrupt
            return write(*args)

        return dying

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.patch.undo()
        assert (kind is KeyboardInterrupt) == (self.nth > 0)
        return kind is KeyboardInterrupt


def test_a_round_is_asked_in_its_version_and_the_next_one_in_the_new(world: Any, stepper: Any) -> None:
    world.vendor["annotators"] = [{"id": "e1", "skill": 1.0}]
    pool = world.pool()
    world.batch(pool[:6], n_audit=0)
    until(world, stepper, "QUOTED")
    said = apply(world, write(world, "rename", "split"))
    assert "version 2 is in force: 4 classes" in said
    assert said.endswith("; round 1 (QUOTED) stays on version 1")
    with world.context() as ctx:
        told = status._classes(ctx, ctx.ledger.rounds.current("tiny"))
    assert told == "round 1 stays on ontology version 1; task.yaml is at 2"
    steps(world, stepper, lambda _: False)
    given = schemas.read(world.ws.sealed(1) / "labels.parquet", schemas.LABELS).to_pylist()
    assert {(row["ontology_version"], row["class_id"]) for row in given} == {
        ("1", "bicycle"), ("1", "heron"), ("1", "umbrella"),
    }  # fmt: skip
    assert json.loads((world.ws.sealed(1) / "round.json").read_text())["ontology_version"] == "1"
    assert sorted(row["class_id"] for row in world.labels()) == ["bicycle"] * 2 + ["grey_heron"] * 2
    world.batch(pool[6:8], n_audit=0)
    with world.context() as ctx:
        plan.freeze(ctx)
        planned = json.loads(ctx.ledger.rounds.get("tiny", 2).plan_json)
    assert (planned["ontology_version"], planned["ontology_digest"]) == ("2", load_task(world.ws.task).digest)
    assert planned["ontology_classes"] == ["bicycle", "grey_heron", "umbrella", "parasol"]
    with pytest.raises(OntologyError, match=r"round 2 \(SELECTED\) was asked under version '2'"):
        revert(world)
    with world.context() as ctx:
        abort.abort(ctx, "test", "wrong classes")
    assert "back at version 1" in revert(world)


def test_what_was_quarantined_is_released_in_the_rounds_version(world: Any, stepper: Any) -> None:
    """A synonym may be added by hand while the round is open, and means the class of its version."""
    world.vendor["faults"] = [{"name": "label_unknown_class", "rate": 1.0}]
    world.batch(world.pool()[:3], n_audit=0)
    until(world, stepper, "CLOSING")
    text = world.ws.task.read_text()
    assert "name: heron\n" in text
    world.ws.task.write_text(text.replace("name: heron\n", "name: heron\n  synonyms: [heron (retired)]\n"))
    apply(world, write(world, "rename"))
    with world.context() as ctx:
        assert replay.replay(ctx, 1) == "round 1: 1 deliveries read again, 2 quarantined"
    steps(world, stepper, lambda _: False)
    assert [row["class_id"] for row in world.labels()] == ["grey_heron"]


@pytest.mark.parametrize("stop", ["SEALED", "TRAINED", "EVALUATED", "HELD"])
def test_not_while_models_are_judged(world: Any, stepper: Any, stop: str) -> None:
    world.batch(world.pool()[:2])
    until(world, stepper, stop)
    with pytest.raises(OntologyError, match=f"round 1 is {stop}: models are trained and judged"):
        apply(world, write(world, "rename"))


def test_not_beside_a_worker_who_seals(world: Any, stepper: Any) -> None:
    """Two folds at once would leave the labels of one of two versions."""
    world.batch(world.pool()[:2])
    until(world, stepper, "CLOSING")
    path = write(world, "rename")
    refused = pytest.raises(OntologyError, match=r"held by other host:1.*applied when the other worker is done")
    with world.context(worker="other host:1") as other, holding(other, 1), refused:
        apply(world, path)
    assert "version 2" in apply(world, path)


def test_a_worker_who_read_the_old_classes_plans_nothing(world: Any) -> None:
    """A change may come while the stages choose a batch: no round is open, and nothing holds it up."""
    world.batch(world.pool()[:2])
    with world.context() as ctx:
        apply(world, write(world, "rename"))
        with pytest.raises(UserError, match=r"changed since this process read it .version '1' then, '2' now"):
            plan.freeze(ctx)
    with world.context() as ctx:
        assert "round 1 planned" in plan.freeze(ctx)


@pytest.mark.parametrize("what", ["a class", "the version"])
def test_classes_changed_by_hand_stop_the_round(world: Any, stepper: Any, what: str) -> None:
    world.batch(world.pool()[:2])
    until(world, stepper, "OPEN")
    before = world.ws.task.read_text()
    by_hand = ("heron", "stork") if what == "a class" else ("ontology_version: '1'", "ontology_version: '7'")
    world.ws.task.write_text(before.replace(*by_hand))
    match = "asks for the classes bicycle, heron, umbrella.*changed by hand" if what == "a class" else "not by hand"
    with pytest.raises(OntologyError, match=match), world.context() as ctx:
        stepper(ctx)
    world.ws.task.write_text(before)
    steps(world, stepper, lambda _: False)
    assert len(world.labels()) == 2


def test_a_killed_revert_is_finished_and_goes_back_once(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(world, write(world, "rename"))
    third = world.root / "0003-more.yaml"
    third.write_text(yaml.safe_dump({"from": "2", "to": "3", "steps": [CHANGES["add"]]}))
    second = world.ws.task.read_bytes()
    apply(world, third)
    with monkeypatch.context() as patch:
        patch.setattr(acts, "fold", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            revert(world)
    assert world.ws.task.read_bytes() == second
    assert "back at version 2" in revert(world)
    assert world.ws.task.read_bytes() == second
    assert [p.name for p in world.ws.ontology_before.iterdir()] == ["0002-change.yaml"]


def test_a_file_that_a_kill_left_half_written_is_no_version(world: Any) -> None:
    world.ws.ontology_before.mkdir(parents=True)
    (world.ws.ontology_before / ".0002-change.yaml.k2j4.yaml").write_bytes(b"")
    assert "version 2 is in force" in apply(world, write(world, "rename"))
    assert [one.name for one in Versions.of(world.ws).applied] == ["0002-change"]
    assert "back at version 1" in revert(world)


def test_known_answers_in_the_classes_of_an_open_round(world: Any) -> None:
    pool = world.pool()
    rows = [
        {"item_id": pool[0], "class_id": "heron", "source": "seed", "ontology_version": "1"},
        {"item_id": pool[1], "class_id": "grey_heron", "source": "seed", "ontology_version": "2"},
    ]
    apply(world, write(world, "rename"))
    write_parquet(world.ws.gold, pa.Table.from_pylist(rows))
    assert read_gold(world.ws) == {pool[0]: "grey_heron", pool[1]: "grey_heron"}
    assert read_gold(world.ws, "1") == {pool[0]: "heron"}  # what was named later is no answer to what was asked
    assert read_known(world.ws, world.ws.oracle, schemas.LABELED, "1").num_rows == 24


def test_the_price_is_asked_in_the_words_of_the_round(world: Any, stepper: Any) -> None:
    world.batch(world.pool()[:2])
    until(world, stepper, "QUOTED")
    digest = load_task(world.ws.task).digest
    apply(world, write(world, "rename"))
    asked: list[Any] = []
    with world.context() as ctx:
        make = ctx.vendor.ensure_project
        ctx.vendor.ensure_project = lambda spec: asked.append(spec) or make(spec)
        world.clock.forward(days=60)  # the quote ran out
        quote.quote(ctx)
    assert {(spec.ontology_version, spec.ontology_digest) for spec in asked} == {("1", digest)}
