"""Rows 29 to 32, 34 and 35: people who guess, know too much, disagree, or are machines."""

from typing import Any

from tests.support.vendors import world as campaign

TEN = range(10)


def answers(row: Any, **how: Any) -> tuple[Any, list[Any]]:
    """A round with the row's fault, its books checked; the answers in the ledger."""
    world = row.world
    world.batch(TEN, n_audit=2)
    with world.context(*row.arm(**how)) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        return ctx, ctx.ledger.deliveries.annotations("kit", 1)


def told_apart(given: list[Any]) -> None:
    """Every answer says who gave it, when, and whether a person did: what the quality rules stand on."""
    assert given
    assert all(one.annotator_id for one in given)
    assert all(one.submitted_at is not None for one in given)
    assert {one.provenance for one in given} <= {"HUMAN", "MACHINE", "UNKNOWN"}


def test_row_29_annotator_spam(row: Any) -> None:
    """Answers can be taken away from one annotator: each is kept under its giver."""
    told_apart(answers(row, rate=1.0)[1])


def test_row_30_gold_leaked(row: Any) -> None:
    """Gold looks like any other task at the vendor."""
    told_apart(answers(row, rate=1.0)[1])


def test_row_31_guideline_ambiguous(row: Any) -> None:
    """Single answers are kept, not only what they were made into."""
    told_apart(answers(row, rate=1.0)[1])


def test_row_32_relabel_correlated(row: Any) -> None:
    """A second answer to an item is a second row, under its own key or person."""
    told_apart(answers(row, rate=1.0)[1])


def test_row_34_machine_labeled(row: Any) -> None:
    """A machine's answer says so, and never becomes an AUDIT label."""
    _, given = answers(row, rate=1.0)
    told_apart(given)
    purposes = {label["purpose"] for label in row.world.labels().values()}
    if row.armable:
        assert {one.provenance for one in given} == {"MACHINE"}
        assert "AUDIT" not in purposes
    else:
        assert "AUDIT" in purposes


def test_row_35_prelabel_anchoring(row: Any) -> None:
    """AUDIT is always blind."""
    from tests.support.vendors.wrapped import Wrapped

    world = row.world
    world.batch(TEN, n_audit=3)
    with world.context(vendor=Wrapped(row.kit.vendor(*row.arm(rate=1.0)))) as ctx:
        campaign.finish(ctx)
        campaign.check_books(world, ctx)
        sent = [item for name, args in ctx.vendor.calls if name == "submit" for item in args[1]]
        assert {item.prelabel for item in sent if item.purpose == "AUDIT"} == {None}
