"""A contest's outcome, and its place in the passport."""

from dataclasses import asdict, dataclass
from typing import Any

from modelet.build.contest.entry import Entry
from modelet.build.contest.verdict import Verdict
from modelet.build.optimise import Artifact
from modelet.build.quantise.accuracy import Bound
from modelet.build.quantise.protection import Protection


@dataclass(frozen=True, slots=True)
class Data:
    """What a contest rested on.

    Attributes:
        calibration_runs: Samples that ranges and sensitive nodes were found with.
        evaluation_runs: Samples that accuracy was measured on.
        held_out: Whether no sample was in both.
    """

    calibration_runs: int
    evaluation_runs: int
    held_out: bool


@dataclass(frozen=True, slots=True)
class Contest:
    """What came out.

    Attributes:
        artifact: The winner's files.
        winner: Its figures.
        entries: Everyone's, fp32 first.
        verdict: Who won and why.
        bound: What answers were allowed to lose.
        data: The samples.
        protection: How the winner's weights are kept from saturating; None where they need not be.
    """

    artifact: Artifact
    winner: Entry
    entries: tuple[Entry, ...]
    verdict: Verdict
    bound: Bound
    data: Data
    protection: Protection | None

    def to_dict(self) -> dict[str, Any]:
        """For the passport: what `modelet.build.passport_page` shows."""
        rejections = self.verdict.rejections
        return {
            "winner": self.verdict.winner,
            "passed": self.verdict.passed,
            "reason": self.verdict.reason,
            "bound": {"metric": self.bound.metric, "limit": self.bound.limit},
            "data": asdict(self.data),
            "entries": [
                {**entry.to_dict(), "rejected": rejections.get(entry.name, "")} for entry in self.entries
            ],
            "saturation": self.protection.to_dict() if self.protection else None,
        }
