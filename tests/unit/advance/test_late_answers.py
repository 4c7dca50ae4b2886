"""A campaign that is over still takes in what comes late: the tick asks, a supplement round exports it."""

from pathlib import Path

import pytest

from tailfirst import advance
from tailfirst.context import Context
from tailfirst.labeling import collect
from tests.support.vendors import harness_simulated, kit
from tests.support.vendors.world import World, act, check_books, until, write_folder
from tests.support.vendors.wrapped import Killed


def world_with_a_late_item(root: Path) -> tuple[World, str, tuple[dict[str, object], ...]]:
    write_folder(root)
    world = World(root, harness_simulated.make_kit(root, hours_per_poll=6, cancel="NONE"))
    item = kit.spec(2).item_id
    world.batch(range(6))
    return world, item, ({"name": "late_label", "items": [item]},)


def test_late_answers_of_the_last_round_are_taken_in(tmp_path: Path) -> None:
    world, item, late = world_with_a_late_item(tmp_path)
    with world.context(*late) as ctx:
        assert advance.late_answers(ctx) == ""  # no round yet
        until(ctx, "REPORTED", hours=6)
        assert item not in world.labels()
        said = ""
        for _ in range(60):
            said = said or advance.late_answers(ctx)
            ctx.now.forward(hours=6)  # type: ignore[attr-defined]
        assert "late answers" in said
        until(ctx, "REPORTED", hours=6)
        assert world.labels()[item]["late_for_round"] == 1
        assert advance.late_answers(ctx) == ""
        check_books(world, ctx)


def test_a_vendor_that_is_down_is_asked_again(tmp_path: Path) -> None:
    world, _, late = world_with_a_late_item(tmp_path)
    with world.context(*late) as ctx:
        until(ctx, "REPORTED", hours=6)
    with world.context({"name": "vendor_down", "rate": 1.0}, worker="two:2") as ctx:
        assert "could not be asked" in advance.late_answers(ctx)
        assert ctx.ledger.rounds.get("kit", 1).state == "REPORTED"


def test_a_late_answer_that_the_cursor_skips_is_found_all_the_same(tmp_path: Path) -> None:
    """Its round is sealed, so no sweep at CLOSING comes any more: asking for late answers reads from the start."""
    world, item, late = world_with_a_late_item(tmp_path)
    with world.context(*late, {"name": "cursor_skip", "items": [item]}) as ctx:
        until(ctx, "REPORTED", hours=6)
        said = [advance.late_answers(ctx) for _ in range(60)]
        assert any("late answers" in sentence for sentence in said)
        until(ctx, "REPORTED", hours=6)
        assert world.labels()[item]["late_for_round"] == 1
        check_books(world, ctx)


def next_round(world: World, ctx: Context, items: range) -> None:
    world.batch(items)
    act(ctx)
    until(ctx, "REPORTED", hours=6)


def die(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("more", [(), ("payload_malformed",)])
def test_a_late_answer_that_was_stored_and_not_read_is_read_before_it_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """The worker dies between storing and reading: nobody waits for the answer any more, and the next seal has it."""
    world, item, late = world_with_a_late_item(tmp_path)
    faults = (*late, *({"name": name, "items": [item]} for name in more))
    with world.context(*faults) as ctx:
        until(ctx, "REPORTED", hours=6)
        next_round(world, ctx, range(6, 9))  # the newest round is always asked, the one before only while it is awaited
        with monkeypatch.context() as patch:
            patch.setattr(collect, "read", die)
            first = ctx.ledger.rounds.get("kit", 1)
            while not ctx.ledger.exports.late("kit", 3):
                with pytest.raises(Killed):
                    collect.poll_late(ctx, first, sweep=False)
        next_round(world, ctx, range(9, 12))
        (task,) = ctx.ledger.tasks.by_item("kit", item)
        assert task.state == ("CLOSED_UNLABELED" if more else "ACCEPTED")
        assert (item in world.labels()) == (not more)
        check_books(world, ctx)
