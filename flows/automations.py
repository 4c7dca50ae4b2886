"""Prefect's automations for a campaign, in code: a webhook runs the round, and people hear of what needs them.

python -m flows.automations apply --root .      # again and again: the same automations, brought up to date
python -m flows.automations delete --root .
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events import (
    Automation,
    AutomationCore,
    DoNothing,
    EventTrigger,
    PauseDeployment,
    RunDeployment,
    SendNotification,
)
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectNotFound

from tailfirst import config
from tailfirst.errors import ConfigError, TailfirstError
from tailfirst.paths import Workspace

DEPLOYMENT = "tailfirst-round/tick"
SAID = "{{ event.payload.sentence }}"
# Kind of alarm (tailfirst.alarms) -> what it is for, and whether ticks stop until a person looked. Money stops buying
# in the ledger already, and what was bought should come in; answers in quarantine would be sealed as lost.
ALARMS = {
    "sla-50": ("half of the vendor's time is over", False),
    "sla-80": ("four fifths of the vendor's time are over", False),
    "late": ("the SLA passed", False),
    "over-budget": ("the money does not reach", False),
    "quarantine-rate": ("many answers cannot be used", True),
    "webhook-miss-rate": ("webhooks do not come", False),
}


def wanted(campaign: str, deployment_id: UUID, notify: UUID | None) -> list[AutomationCore]:
    """All automations of a campaign.

    Args:
        campaign: Its name.
        deployment_id: The deployment of the tick.
        notify: Notification block that people are told by; None = the event feed alone shows it.
    """
    run = RunDeployment(source="selected", deployment_id=deployment_id)
    stop = PauseDeployment(source="selected", deployment_id=deployment_id)
    return [
        _automation(campaign, "webhook", "a hint came: poll now", "tailfirst.webhook.received", "inbox", [run]),
        _automation(
            campaign, "webhooks refused", "forged, stale or replayed calls", "tailfirst.webhook.refused", "inbox",
            [_tell(notify, f"{campaign}: webhooks are refused", "{{ event.payload.calls }} calls in a minute")],
        ),
        *(
            _automation(
                campaign, kind, why, f"tailfirst.round.{kind}", "round.*",
                [_tell(notify, f"{campaign}: {why}", SAID), *([stop] if stops else [])],
            )
            for kind, (why, stops) in ALARMS.items()
        ),
    ]  # fmt: skip


def _automation(
    campaign: str, name: str, why: str, event: str, resource: str, actions: Sequence[Any]
) -> AutomationCore:
    trigger = EventTrigger(
        expect={event},
        match={"prefect.resource.id": f"tailfirst.{campaign}.{resource}"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return AutomationCore(
        name=f"tailfirst {campaign}: {name}", description=why, trigger=trigger, actions=list(actions),
        tags=["tailfirst"],
    )  # fmt: skip


def _tell(block: UUID | None, subject: str, body: str) -> SendNotification | DoNothing:
    return DoNothing() if block is None else SendNotification(block_document_id=block, subject=subject, body=body)


def apply(client: SyncPrefectClient, automations: Sequence[AutomationCore]) -> list[str]:
    """Make the server's automations those; a sentence for each. One that a person paused stays paused."""
    return [_apply(client, one) for one in automations]


def _apply(client: SyncPrefectClient, one: AutomationCore) -> str:
    there = client.read_automations_by_name(one.name)
    if not there:
        client.create_automation(one)
        return f"made {one.name}"
    for twin in there[1:]:
        client.delete_automation(twin.id)
    if _same(there[0], one):
        return f"kept {one.name}"
    client.update_automation(there[0].id, one.model_copy(update={"enabled": there[0].enabled}))
    return f"changed {one.name}"


def _same(there: Automation, one: AutomationCore) -> bool:
    fields = {"name", "description", "trigger", "actions", "tags"}
    left, right = (a.model_dump(mode="json", include=fields) for a in (there, one))
    for side in (left, right):
        side["trigger"].pop("id", None)
    return left == right


def delete(client: SyncPrefectClient, automations: Sequence[AutomationCore]) -> list[str]:
    """Take them away again; a sentence for each that was there."""
    gone = []
    for one in automations:
        for there in client.read_automations_by_name(one.name):
            client.delete_automation(there.id)
            gone.append(f"deleted {there.name}")
    return gone


def main(argv: list[str] | None = None) -> int:
    """Apply or delete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["apply", "delete"])
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--deployment", default=DEPLOYMENT, help=f"flow/deployment to run; default {DEPLOYMENT}")
    parser.add_argument("--notify", metavar="TYPE/NAME", help="notification block, for example slack-webhook/ops")
    arguments = parser.parse_args(argv)
    try:
        campaign = config.load(Workspace(arguments.root.absolute()).params).campaign.name
        with get_client(sync_client=True) as client:
            made = wanted(campaign, _deployment(client, arguments.deployment), _block(client, arguments.notify))
            done = (apply if arguments.what == "apply" else delete)(client, made)
    except TailfirstError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join(done or ["nothing was there"]) + "\n")
    return 0


def _deployment(client: SyncPrefectClient, name: str) -> UUID:
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound as error:
        raise ConfigError(
            f"no deployment {name!r} on the server; `prefect --no-prompt deploy --all` makes it"
        ) from error


def _block(client: SyncPrefectClient, name: str | None) -> UUID | None:
    if name is None:
        return None
    kind, _, document = name.partition("/")
    try:
        found = client.read_block_document_by_name(document, kind)
    except ObjectNotFound as error:
        raise ConfigError(f"no notification block {name!r} on the server; `prefect block ls` lists them") from error
    return found.id


if __name__ == "__main__":
    sys.exit(main())
