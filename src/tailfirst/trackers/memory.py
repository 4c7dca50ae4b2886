"""A tracker that keeps the rounds of this process: for tests, backtests and `tracker: memory`."""

from dataclasses import dataclass, field
from pathlib import Path

from tailfirst.config import Settings
from tailfirst.errors import Unavailable
from tailfirst.paths import Workspace
from tailfirst.trackers import Decide, RoundReport, V


@dataclass(frozen=True, slots=True)
class Version:
    """A registered model version of the memory tracker."""

    round_no: int
    candidate: str
    holdout: bytes  # kept by value: the file in work/ changes with the next round


@dataclass(slots=True)
class MemoryTracker:
    """Rounds by (campaign, number); versions and aliases by campaign."""

    reports: dict[tuple[str, int], RoundReport] = field(default_factory=dict)
    versions: dict[str, dict[int, Version]] = field(default_factory=dict)
    aliases: dict[str, dict[str, int]] = field(default_factory=dict)  # campaign -> alias -> round_no
    scratch: Path | None = None

    def log_round(self, report: RoundReport) -> str:
        """Keep the report; a repeated call replaces it."""
        self.reports[report.campaign, report.round_no] = report
        chosen = report.candidate(report.chosen)
        if chosen is not None and chosen.holdout is not None:
            version = Version(report.round_no, chosen.name, chosen.holdout.read_bytes())
            self.versions.setdefault(report.campaign, {})[report.round_no] = version
            aliases = self.aliases.setdefault(report.campaign, {})
            if aliases.get("champion") != report.round_no:
                aliases["challenger"] = report.round_no
        return f"memory:{report.campaign}/{report.round_no}"

    def promote(self, report: RoundReport, decide: Decide[V]) -> V:
        """See `Tracker.promote`."""
        versions = self.versions.get(report.campaign, {})
        challenger = report.candidate(report.chosen)
        if report.round_no not in versions or challenger is None or challenger.holdout is None:
            raise Unavailable(f"round {report.round_no} of {report.campaign} has no logged challenger; log_round first")
        aliases = self.aliases[report.campaign]
        again = aliases.get("champion") == report.round_no  # a repeated call compares with what it replaced
        before = aliases.get("previous" if again else "champion")
        champion = None if before is None else versions[before]
        verdict = decide(self._file(challenger.holdout, champion), challenger.holdout)
        if verdict.promote and not again:
            if before is not None:
                aliases["previous"] = before
            aliases["champion"] = report.round_no
        return verdict

    def _file(self, beside: Path, version: Version | None) -> Path | None:
        if version is None:
            return None
        path = (self.scratch or beside.parent) / f".champion-{version.round_no:04d}.parquet"
        path.write_bytes(version.holdout)
        return path


def load(ws: Workspace, settings: Settings) -> MemoryTracker:  # noqa: ARG001
    """An empty tracker whose scratch files lie in the workspace's state folder."""
    scratch = ws.state / "tracker"
    scratch.mkdir(parents=True, exist_ok=True)
    return MemoryTracker(scratch=scratch)
