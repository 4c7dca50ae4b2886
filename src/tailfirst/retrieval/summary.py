"""What the retrieval did, for people and reports: work/retrieval.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from tailfirst import artifacts
from tailfirst.paths import Workspace


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows seen, kept and dropped; where `why` is None, matched = retrieved + all that was dropped."""

    enabled: bool
    why: str | None  # why nothing was retrieved; None where something could be
    rank: str
    encoder: str | None = None  # fingerprint
    shards: int = 0
    captions: int = 0
    matched: int = 0  # rows whose caption names a class
    retrieved: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason (hygiene.REASONS) -> rows
    unnamed_classes: tuple[str, ...] = ()  # class ids that no caption names
    unlabeled_classes: tuple[str, ...] = ()  # with rank i2i: classes without a label, ranked by t2i

    def write(self, ws: Workspace) -> None:
        """Write work/retrieval.json."""
        artifacts.write_json(ws.retrieval_summary, asdict(self))
