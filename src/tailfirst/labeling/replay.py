"""REPLAY: read the stored bytes of a round again, after a parser was fixed. Never a new purchase."""

from tailfirst.context import Context
from tailfirst.labeling._ingest import read
from tailfirst.labeling._versions import frozen


def replay(ctx: Context, round_no: int) -> str:
    """Forget what was parsed or quarantined in a round and parse its raw deliveries again.

    What a fixed parser now releases moves on; a sealed round stays as it is, and what is new goes into the next export.

    Raises:
        LedgerError: No such round; the message lists those there are.
    """
    row = ctx.ledger.rounds.get(ctx.campaign, round_no)
    ctx = frozen(ctx, row)
    newest = ctx.ledger.rounds.current(ctx.campaign)
    ctx.ledger.deliveries.forget_parsed(ctx.campaign, round_no)
    done = read(ctx, row, gated=newest is not None and newest.round_no == round_no)
    return f"round {round_no}: {done.parsed} deliveries read again, {done.quarantined} quarantined"
