"""The way from a page back to the bytes: every file that it was computed from, with its hash."""

from dataclasses import dataclass

from tailfirst.artifacts import sha256_file
from tailfirst.paths import Workspace
from tailfirst.report.sealed import Sealed
from tailfirst.report.words import NOTHING


@dataclass(frozen=True, slots=True)
class Provenance:
    """One line of the way back."""

    what: str
    where: str
    hash: str


def provenance(ws: Workspace, campaign: str, sealed: Sealed, encoder: str | None) -> tuple[Provenance, ...]:
    """The hashes behind a sealed round, and the names under which git, DVC and MLflow know it."""
    number = sealed.round_no
    folder = f"data/rounds/{number:04d}"
    stable = (("task", ws.task), ("items", ws.items), ("holdout labels", ws.holdout), ("seed labels", ws.seed_labels))
    return (
        Provenance("batch as frozen", f"ledger, round {number}", str(sealed.record.get("batch_sha256") or NOTHING)),
        Provenance("sealed round", f"{folder}/ (all files)", sealed.sha256),
        *(Provenance(name.partition(".")[0], f"{folder}/{name}", sha) for name, sha in sealed.files.items()),
        *(
            Provenance(what, path.relative_to(ws.root).as_posix(), sha256_file(path))
            for what, path in stable
            if path.exists()
        ),
        Provenance("encoder", "work/embeddings/manifest.json", encoder or NOTHING),
        Provenance("ontology", "version", str(sealed.record.get("ontology_version") or NOTHING)),
        Provenance("MLflow", f"experiment {campaign}", f"tailfirst.key = {campaign}/round-{number:04d}"),
    )
