"""`tailfirst approve`, `advance`, `abort`, `pause`, `resume`, `replay`: what changes the ledger by hand."""

import getpass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from tailfirst.commands import shell
from tailfirst.errors import LedgerError, UserError

if TYPE_CHECKING:
    from tailfirst.context import Context
    from tailfirst.ledger.records import RoundRow

By = Annotated[str | None, typer.Option("--by", envvar="USER", help="Who decides; default: the user's name.")]
LARGEST = Decimal(10) ** 12  # in units of the currency: what integer micros hold in 64 bits
BEFORE_APPROVAL = ("SELECTED",)


def approve(
    command: typer.Context,
    by: By = None,
    cap: Annotated[
        str | None, typer.Option(help="The most that the round may cost, e.g. 12.50; default: the quote.")
    ] = None,
) -> None:
    """Approve the quote of the round; shows it first."""
    from tailfirst.labeling import approve as act

    with shell.opened(command) as ctx:
        row = waiting_for_approval(ctx)
        amount = None if cap is None else as_micros(cap)
        shell.say(quoted(row))
        shell.say(act.approve(ctx, who(by), amount))


def advance(
    command: typer.Context,
    until_idle: Annotated[bool, typer.Option("--all", help="Go on until the round waits for somebody.")] = False,
) -> None:
    """Do the next step of the round by hand, without Prefect."""
    from tailfirst import advance as acting
    from tailfirst.intake.validate import ensure_valid
    from tailfirst.rounds import StepKind

    with shell.opened(command) as ctx:
        if acting.upcoming(ctx).kind is StepKind.PLAN:
            ensure_valid(ctx.ws)
        console = shell.notes()
        with console.status("looking at the round") as shown:

            def say(sentence: str) -> None:
                shell.say(sentence)
                shown.update("at the next act")

            outcome = acting.advance(ctx, until_idle=until_idle, say=say)
        last = acting.upcoming(ctx)
    if not outcome.done:
        shell.say("nothing to do")
    shell.say(f"next: {last.kind.value}, {last.why}")


def abort(
    command: typer.Context,
    reason: Annotated[str, typer.Argument(help="Why; kept in the ledger.")],
    by: By = None,
) -> None:
    """End the round early: what is not ordered or not answered is not bought; what was paid is kept."""
    from tailfirst.labeling import abort as act

    with shell.opened(command) as ctx:
        current(ctx, "abort")
        shell.say(act.abort(ctx, who(by), reason))


def pause(
    command: typer.Context,
    reason: Annotated[str | None, typer.Argument(help="Why; kept in the ledger.")] = None,
    kill: Annotated[bool, typer.Option("--kill", help="The kill switch: nothing of the campaign is bought.")] = False,
    by: By = None,
) -> None:
    """Pause the round with a reason, or stop all buying at once."""
    with shell.opened(command) as ctx:
        name, at = who(by), ctx.now()
        if kill:
            ctx.ledger.money.set_kill_switch(ctx.campaign, on=True, by=name, at=at)
            shell.say(f"the kill switch of {ctx.campaign} is on; `tailfirst resume` turns it off")
            return
        row = current(ctx, "pause")
        why = (reason or "").strip()
        if not why:
            raise UserError('a pause needs a reason, for example: tailfirst pause "vendor asks back"')
        ctx.ledger.rounds.pause(ctx.campaign, row.round_no, why, at, name)
        shell.say(f"round {row.round_no} is paused in {row.state}: {why}")


def resume(command: typer.Context, by: By = None) -> None:
    """Turn the kill switch off and take the pause back; the round goes on where it was."""
    with shell.opened(command) as ctx:
        row, name, at = ctx.ledger.rounds.current(ctx.campaign), who(by), ctx.now()
        killed, paused = ctx.ledger.money.kill_switch(ctx.campaign), row is not None and row.pause_reason is not None
        if not killed and not paused:
            raise UserError(
                f"campaign {ctx.campaign} is neither paused nor stopped; `tailfirst status` says what it does"
            )
        if killed:
            ctx.ledger.money.set_kill_switch(ctx.campaign, on=False, by=name, at=at)
            shell.say(f"the kill switch of {ctx.campaign} is off")
        if row is not None and paused:
            ctx.ledger.rounds.pause(ctx.campaign, row.round_no, None, at, name)
            shell.say(f"round {row.round_no} goes on in {row.state}")


def replay(
    command: typer.Context,
    round_no: Annotated[int | None, typer.Option("--round", help="Default: the current round.")] = None,
) -> None:
    """Read the stored deliveries of a round again, after a parser was fixed; buys nothing."""
    from tailfirst.labeling import replay as act

    with shell.opened(command) as ctx:
        row = current(ctx, "replay") if round_no is None else known_round(ctx, round_no)
        with shell.notes().status(f"reading the deliveries of round {row.round_no} again"):
            done = act.replay(ctx, row.round_no)
        shell.say(done)


def quoted(row: "RoundRow") -> str:
    """The quote in a sentence."""
    from tailfirst.rounds import money

    until = f", valid until {row.quote_valid_until:%Y-%m-%d %H:%M} UTC" if row.quote_valid_until else ""
    total = money(row.quote_micros or 0, row.currency)
    return f"round {row.round_no}: {row.n_tasks} items for {total} ({row.quote_basis}){until}"


def waiting_for_approval(ctx: "Context") -> "RoundRow":
    """The current round, if its quote can be approved.

    Raises:
        UserError: No round, a paused one, or one in another state.
    """
    row = current(ctx, "approve")
    if row.pause_reason:
        raise UserError(f"round {row.round_no} is paused: {row.pause_reason}; `tailfirst resume` first")
    if row.state != "QUOTED":
        how = "run `tailfirst advance` for its quote" if row.state in BEFORE_APPROVAL else "there is nothing to approve"
        raise UserError(f"round {row.round_no} is {row.state}, only a QUOTED round can be approved; {how}")
    return row


def current(ctx: "Context", what: str) -> "RoundRow":
    """The newest round.

    Raises:
        UserError: There is none yet.
    """
    row = ctx.ledger.rounds.current(ctx.campaign)
    if row is None:
        raise UserError(
            f"campaign {ctx.campaign} has no round yet, so there is nothing to {what}; `tailfirst plan` shows the "
            "first batch, `tailfirst advance` freezes it"
        )
    return row


def known_round(ctx: "Context", round_no: int) -> "RoundRow":
    """A round of the ledger.

    Raises:
        UserError: There is no such round.
    """
    try:
        return ctx.ledger.rounds.get(ctx.campaign, round_no)
    except LedgerError as error:
        raise UserError(str(error)) from error


def as_micros(amount: str) -> int:
    """An amount as people write it, in micros.

    Raises:
        UserError: Not a positive number with at most six decimals.
    """
    try:
        value = Decimal(amount)
    except InvalidOperation as error:
        raise UserError(f"--cap {amount!r} is not an amount; write a number like 12.50") from error
    if not value.is_finite() or not 0 < value < LARGEST:
        raise UserError(f"--cap {amount} must be above 0 and below {LARGEST:,}; write a number like 12.50")
    if value * 1_000_000 % 1:
        raise UserError(f"--cap {amount} has more than six decimals; the ledger counts in millionths")
    return int(value * 1_000_000)


def who(by: str | None) -> str:
    """Who decides.

    Raises:
        UserError: Nobody is named.
    """
    name = (by or _login()).strip()
    if not name:
        raise UserError("this needs a name: say who decides with --by NAME")
    return name


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user database
        return ""
