"""Under which ontology version a round was asked, and its answers in another one.

A round is frozen on its version when it is planned: whatever task.yaml says meanwhile, it is priced, ordered, parsed,
checked and sealed in the classes of its plan. Its labels keep that version, and the fold reads them in that of today.

Everything that the ledger holds of a round is in the version that the round was planned under: its answers are parsed
in it, late ones too, and mapped only where a later seal reads them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tailfirst.context import Context
from tailfirst.errors import OntologyError
from tailfirst.ledger.records import AnnotationRow, RoundRow
from tailfirst.ontology.names import Names
from tailfirst.ontology.versions import Versions, task_at, versions_of

ASKED = ("SELECTED", "QUOTED", "APPROVED", "SUBMITTING", "OPEN", "COLLECTING", "CLOSING")  # frozen on their version


def version_of(ctx: Context, row: RoundRow) -> str:
    """The ontology version of a round: as planned; for rounds planned before plans kept it, as sealed."""
    planned = json.loads(row.plan_json or "{}").get("ontology_version")
    record = ctx.ws.sealed(row.round_no) / "round.json"
    if planned is None and record.exists():
        planned = json.loads(record.read_text(encoding="utf-8")).get("ontology_version")
    return str(planned or ctx.task.ontology_version)


def frozen(ctx: Context, row: RoundRow) -> Context:
    """The same context with the task of the version that an unfinished round was planned under.

    Raises:
        OntologyError: task.yaml holds other classes under that version: it was changed by hand.
    """
    if row.state not in ASKED:
        return ctx
    plan = json.loads(row.plan_json or "{}")
    version, planned = plan.get("ontology_version", ctx.task.ontology_version), plan.get("ontology_classes")
    task = ctx.task if version == ctx.task.ontology_version else task_at(ctx.ws, version)
    if planned is not None and set(planned) != set(task.class_ids):
        raise OntologyError(
            f"round {row.round_no} is {row.state} and asks for the classes {', '.join(planned)} of ontology version "
            f"{task.ontology_version!r}; {ctx.ws.task} has {', '.join(task.class_ids)} under that version: it was "
            "changed by hand. Put it back, then write a migration and `tailfirst ontology apply` it, open round or not"
        )
    return ctx if task is ctx.task else replace(ctx, task=task)


def names_of(ctx: Context, row: RoundRow) -> Names:
    """What names mean in a round's answers."""
    versions = versions_of(ctx.ws, ctx.task)
    version = version_of(ctx, row) if versions.applied else ctx.task.ontology_version
    return Names(versions.until(version) if version in versions.names else versions)


@dataclass(frozen=True, slots=True)
class Translation:
    """Answers of a round in the classes of today."""

    versions: Versions
    version: str

    @classmethod
    def of(cls, ctx: Context, row: RoundRow) -> "Translation | None":
        """For a round; None where nothing changed since."""
        versions = versions_of(ctx.ws, ctx.task)
        version = version_of(ctx, row) if versions.applied else ctx.task.ontology_version
        return None if version == ctx.task.ontology_version else cls(versions, version)

    def answers(self, given: Iterable[AnnotationRow]) -> list[AnnotationRow]:
        """The answers; one whose class ended is a skip that says so."""
        return [self._now(one) for one in given]

    def _now(self, one: AnnotationRow) -> AnnotationRow:
        moved = [self.versions.move(name, self.version) for name in one.class_ids]
        ended = next((m for m in moved if m.class_id is None), None)
        if ended is not None:
            return replace(one, class_ids=(), skipped=True, reason=f"{ENDED}{ended.ended} in migration {ended.by}")
        return replace(one, class_ids=tuple(dict.fromkeys(m.class_id for m in moved if m.class_id is not None)))


ENDED = "ontology: "


def has_ended(one: AnnotationRow) -> bool:
    """Whether an answer names a class that a later version has no longer."""
    return one.skipped and one.reason.startswith(ENDED)
