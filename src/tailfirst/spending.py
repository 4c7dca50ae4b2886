"""Where the money of a campaign is, and what a label costs: the answer to `tailfirst money`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tailfirst.context import Context
from tailfirst.labeling.fold import folded
from tailfirst.ledger.records import ApprovalRow, MoneyStatus, MonthRow, RoundMoney
from tailfirst.prices import Price, Prices, by_kind, prices
from tailfirst.status import approval_data, money_status


@dataclass(frozen=True, slots=True)
class Spending:
    """A campaign's money."""

    campaign: str
    status: MoneyStatus
    kill_switch: bool
    months: Sequence[MonthRow]
    rounds: Sequence[RoundMoney]
    approvals: Sequence[ApprovalRow]
    kinds: Mapping[str, Price]  # lines of each kind, under `labels`
    prices: Prices


def spending(ctx: Context) -> Spending:
    """Read the ledger and the accepted labels of the sealed rounds; changes nothing.

    Raises:
        TaskFolderError: A sealed round cannot be read.
    """
    ledger, name = ctx.ledger, ctx.campaign
    lines = ledger.money.lines(name)
    tasks = [task for row in ledger.rounds.all(name) for task in ledger.tasks.list(name, row.round_no)]
    labels = {row["item_id"]: row["class_id"] for row in folded(ctx.ws).to_pylist() if row["round_no"]}
    return Spending(
        campaign=name,
        status=money_status(ctx),
        kill_switch=ledger.money.kill_switch(name),
        months=ledger.money.months(name),
        rounds=ledger.money.rounds(name),
        approvals=ledger.rounds.approvals(name),
        kinds=by_kind(lines),
        prices=prices(lines, {t.key: t.item_id for t in tasks}, {t.key: t.purpose for t in tasks}, labels),
    )


def as_data(found: Spending) -> dict[str, Any]:
    """For JSON; amounts in micros, None = no such cap or no such price."""
    status, paid = found.status, found.prices
    campaign = {name: getattr(status, name) for name in ("cap", "reserved", "accrued", "left")}
    return {
        "campaign": found.campaign,
        "currency": status.currency,
        "kill_switch": found.kill_switch,
        "caps": {
            "campaign": campaign,
            "months": [asdict(one) | {"left": left(one)} for one in found.months],
            "rounds": [asdict(one) | {"left": left(one)} for one in found.rounds],
        },
        "approvals": [approval_data(one) for one in found.approvals],
        "lines": {kind: {"n": one.labels, "micros": one.micros} for kind, one in found.kinds.items()},
        "per_label": _price(paid.all),
        "per_class": {name: _price(one) for name, one in paid.by_class.items()},
        "per_purpose": {name: _price(one) for name, one in paid.by_purpose.items()},
        "without_label_micros": paid.without_label,
        "whole_orders_micros": paid.whole_orders,
    }


def left(one: MonthRow | RoundMoney) -> int | None:
    """What a cap leaves; None = there is no cap."""
    return None if one.cap is None else one.cap - one.reserved - one.accrued


def _price(one: Price) -> dict[str, int | None]:
    return {"labels": one.labels, "micros": one.micros, "per_label_micros": one.per_label}
