"""Tell the alarms of the current round, each once, to whoever listens."""

from collections.abc import Callable
from datetime import timedelta

from tailfirst import advance
from tailfirst.alarms import Alarm, alarms
from tailfirst.context import Context
from tailfirst.ledger.records import MissRate

MISSES_OVER = timedelta(hours=24)


def tell(ctx: Context, listen: Callable[[int, Alarm], None]) -> list[Alarm]:
    """Call `listen(round_no, alarm)` for each alarm that was not told yet; gives those.

    An alarm is noted after it was told: a kill in between tells it twice, never not at all.
    """
    view = ctx.ledger.rounds.view(ctx.campaign, ctx.now())
    told = ctx.ledger.alarms.told(ctx.campaign, view.round_no)
    fresh = [alarm for alarm in alarms(view, advance.policy(ctx), misses(ctx)) if alarm.kind not in told]
    for alarm in fresh:
        listen(view.round_no, alarm)
        ctx.ledger.alarms.tell(ctx.campaign, view.round_no, alarm.kind, alarm.sentence, ctx.now())
    return fresh


def misses(ctx: Context) -> MissRate | None:
    """What webhooks announced in the last 24 hours; None = the vendor sends none, or nobody has set them up here.

    They are set up where a secret is in the environment, or where some have come.
    """
    if ctx.vendor.capabilities().push == "NONE":
        return None
    if ctx.settings.webhook_secrets is None and not ctx.ledger.inbox.heard(ctx.campaign):
        return None
    return ctx.ledger.inbox.miss_rate(ctx.campaign, ctx.now() - MISSES_OVER)
