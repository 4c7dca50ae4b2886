"""What a round shows in Prefect: artifacts with stable keys and one event per state change."""

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.events import emit_event

from tailfirst.alarms import Alarm
from tasks.policy import EFFECT


def key(campaign: str, round_no: int, what: str) -> str:
    """The stable artifact key of a round."""
    return f"{campaign}-round-{round_no:04d}-{what}"


@task(name="publish-batch", version="1", cache_policy=EFFECT)
def publish_batch(campaign: str, round_no: int, rows: list[dict[str, str]]) -> None:
    """A table of what is about to be bought."""
    create_table_artifact(table=rows, key=key(campaign, round_no, "batch"), description="The batch, in buying order.")


@task(name="publish-round", version="1", cache_policy=EFFECT)
def publish_round(campaign: str, round_no: int, markdown: str) -> None:
    """The round in a page."""
    create_markdown_artifact(markdown=markdown, key=key(campaign, round_no, "report"))


def announce(campaign: str, round_no: int, state: str, sentence: str) -> None:
    """One event per step that was done."""
    _emit(campaign, round_no, state.lower(), sentence)


def alarm(campaign: str, round_no: int, told: Alarm) -> None:
    """One event per alarm, for the automations of `flows/automations.py`."""
    _emit(campaign, round_no, told.kind, told.sentence)


def _emit(campaign: str, round_no: int, what: str, sentence: str) -> None:
    emit_event(
        event=f"tailfirst.round.{what}",
        resource={
            "prefect.resource.id": f"tailfirst.{campaign}.round.{round_no:04d}",
            "prefect.resource.name": f"{campaign} round {round_no}",
        },
        payload={"campaign": campaign, "round": round_no, "sentence": sentence},
    )
