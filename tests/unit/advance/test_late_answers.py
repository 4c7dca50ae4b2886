"""A campaign that is over still takes in what comes late: the tick asks, a supplement round exports it."""

from pathlib import Path

from tailfirst import advance
from tests.support.vendors import harness_simulated, kit
from tests.support.vendors.world import World, check_books, until, write_folder


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
