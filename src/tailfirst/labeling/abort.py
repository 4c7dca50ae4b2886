"""Ending a round early: nothing of it is bought any more, and nothing that was paid is lost (specs/vendor.md 4.2)."""

from tailfirst.context import Context
from tailfirst.errors import UserError
from tailfirst.labeling._round import current

UNBOUGHT = ("DRAFT", "SELECTED", "QUOTED", "APPROVED")
AT_VENDOR = ("OPEN", "COLLECTING")


def abort(ctx: Context, by: str, reason: str) -> str:
    """End the current round early.

    Before anything was ordered the round becomes ABORTED and its items are free again. Afterwards it goes to CLOSING:
    the seal takes back at the vendor what is not answered, keeps and books what is, and the campaign learns from that.

    Raises:
        UserError: There is no reason, no round, an order that is half sent, or nothing left to end.
    """
    if not reason.strip():
        raise UserError('ending a round early needs a reason, for example: tailfirst abort "wrong class list"')
    row = current(ctx)
    begun = row.state == "SUBMITTING" or ctx.ledger.tasks.list(ctx.campaign, row.round_no, ("OUTBOX", "UNKNOWN"))
    if row.state in UNBOUGHT and not begun:
        ctx.ledger.rounds.move(ctx.campaign, row.round_no, row.state, "ABORTED", ctx.now(), by, reason)
        return f"round {row.round_no} is ABORTED, nothing of it was ordered; its {row.n_tasks} items are free again"
    if row.state in AT_VENDOR:
        if row.state == "OPEN":
            ctx.ledger.rounds.move(ctx.campaign, row.round_no, "OPEN", "COLLECTING", ctx.now(), by, reason)
        ctx.ledger.rounds.move(ctx.campaign, row.round_no, "COLLECTING", "CLOSING", ctx.now(), by, reason)
        return f"round {row.round_no} is CLOSING: the seal takes back what is not answered and keeps what is"
    if begun:
        raise UserError(
            f"round {row.round_no} is being submitted: part of its order may be at the vendor; finish it with "
            "`tailfirst advance` (or stop all sending with `tailfirst pause --kill`), then abort again"
        )
    raise UserError(f"round {row.round_no} is {row.state}: its labels are in, there is nothing to abort")
