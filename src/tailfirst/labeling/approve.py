"""APPROVE: a person, or a rule for small amounts, says how much a round may cost."""

from tailfirst.context import Context, micros
from tailfirst.errors import UserError
from tailfirst.labeling._round import current, idle, in_units
from tailfirst.ledger.records import RoundRow


def approve(ctx: Context, by: str, cap_micros: int | None = None) -> str:
    """Approve the round's quote.

    Args:
        ctx: The workspace.
        by: Who approves; kept in the ledger and in the sealed round.
        cap_micros: The most that the round may cost; default: what was quoted. A lower cap buys the best-ranked items.

    Raises:
        UserError: The quote ran out, nobody is named, or the cap is not within money.cap_round.
    """
    row = current(ctx)
    nothing = idle(row, "approve", "QUOTED")
    if nothing:
        return nothing
    quoted = _quoted(ctx, row)
    cap = quoted if cap_micros is None else cap_micros
    limit, currency = micros(ctx.params.money.cap_round), ctx.params.money.currency
    if not by.strip():
        raise UserError("an approval needs a name: who pays?")
    if not 0 < cap <= limit:
        raise UserError(
            f"the cap {in_units(cap, currency)} must be above 0 and at most money.cap_round {in_units(limit, currency)}"
            f"; the quote is {in_units(quoted, currency)}: give a lower cap, or raise money.cap_round in params.yaml"
        )
    ctx.ledger.rounds.approve(ctx.campaign, row.round_no, cap, by, ctx.now())
    states = ctx.ledger.rounds.counts(ctx.campaign, row.round_no)
    over = states.get("OVER_BUDGET", 0)
    rest = f"; {over} items lie beyond the cap and are not bought" if over else ""
    return f"{by} approved up to {in_units(cap, currency)} for {states.get('APPROVED', 0)} items{rest}"


def auto(ctx: Context) -> str:
    """Approve by rule what is within auto_approve, cap_round and the month's cap; otherwise say who is waited for.

    Raises:
        UserError: The quote ran out.
    """
    row = current(ctx)
    nothing = idle(row, "approve", "QUOTED")
    if nothing:
        return nothing
    money = ctx.params.money
    quoted, limit = _quoted(ctx, row), min(micros(money.auto_approve), micros(money.cap_round))
    if quoted > limit:
        return (
            f"waits for a person: {in_units(quoted, money.currency)} is above the automatic limit of "
            f"{in_units(limit, money.currency)}; `tailfirst approve --by NAME` approves it"
        )
    left = ctx.ledger.rounds.view(ctx.campaign, ctx.now()).month_left_micros
    if left is not None and quoted > left:
        return (
            f"waits: {in_units(quoted, money.currency)} is more than the {in_units(left, money.currency)} that this "
            "month's cap leaves; a person may approve a part, or the next month (UTC) brings the money"
        )
    return approve(ctx, by=f"rule:auto_approve<={money.auto_approve}", cap_micros=quoted)


def _quoted(ctx: Context, row: RoundRow) -> int:
    if row.quote_micros is None or row.quote_valid_until is None:
        raise UserError(f"round {row.round_no} has no quote; run `tailfirst quote`")
    if ctx.now() > row.quote_valid_until:
        raise UserError(
            f"the quote of round {row.round_no} ended on {row.quote_valid_until:%Y-%m-%d %H:%M} UTC; "
            "run `tailfirst quote` again"
        )
    return row.quote_micros
