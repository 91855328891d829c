"""A contest's outcome, and its part of the passport."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelet.build.contest.curve import Point
from modelet.build.contest.entry import Entry
from modelet.build.contest.judges import Judges
from modelet.build.contest.settings import Settings
from modelet.build.contest.verdict import Verdict
from modelet.build.optimise import Artifact
from modelet.build.quantise.accuracy import Accuracy, Bound
from modelet.build.quantise.formula import Formula
from modelet.build.quantise.protection import Protection
from modelet.build.quantise.prune import zeros
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class Pruning:
    """What setting small weights to zero does by itself.

    Attributes:
        share: What the recipe asks for.
        zeros: The share of all prunable weights that are zero then.
        gzip_ratio: The compressed file beside that of fp32 as it is.
        accuracy: Its answers beside the original's.
    """

    share: float
    zeros: float
    gzip_ratio: float
    accuracy: Accuracy

    @classmethod
    def of(cls, share: float, quantiser: Quantiser, entries: Sequence[Entry]) -> "Pruning | None":
        """Compare fp32 with its pruned self; None where nothing was pruned."""
        pruned = next((entry for entry in entries if entry.formula == Formula(prune=share)), None)
        if not share or pruned is None or pruned.accuracy is None:
            return None
        ratio = pruned.gzip_bytes / entries[0].gzip_bytes
        return cls(share, round(zeros(quantiser.base(share)), 4), round(ratio, 4), pruned.accuracy)


@dataclass(frozen=True, slots=True)
class Contest:
    """What came out.

    Attributes:
        artifact: The winner's files.
        winner: Its figures.
        entries: Everyone's, fp32 first.
        verdict: Who won and why.
        bound: What answers were allowed to lose.
        judges: The samples.
        protection: How the winner's weights are kept from saturating; None where they need not be.
        sensitivities: The error of each node, by the candidate whose sensitive nodes were looked for.
        pruning: What pruning does by itself; None where it was not asked for.
        curve: The winner's time and memory by rows; empty without a batch axis.
        settings: What the contest was told.
        seconds: How long it took.
    """

    artifact: Artifact
    winner: Entry
    entries: tuple[Entry, ...]
    verdict: Verdict
    bound: Bound
    judges: Judges
    protection: Protection | None
    sensitivities: Mapping[str, Sensitivity]
    pruning: Pruning | None
    curve: tuple[Point, ...]
    settings: Settings
    seconds: float

    @property
    def formula(self) -> Formula:
        """How the winner is made."""
        assert self.winner.formula is not None, "what is measured for comparison cannot win"
        return self.winner.formula

    @property
    def path(self) -> Path:
        """What a function loads."""
        return self.artifact.folder / self.winner.file

    @property
    def notes(self) -> tuple[str, ...]:
        """For people: why the winner won, and which candidates could not be made or measured."""
        if len([entry for entry in self.entries if not entry.is_reference]) == 1:
            return ()
        rejections = self.verdict.rejections
        failures = (f"{entry.name}: {rejections[entry.name]}" for entry in self.entries if entry.failure)
        return (self.verdict.reason, *failures)

    def to_dict(self) -> dict[str, Any]:
        """For the passport."""
        rejections = self.verdict.rejections
        split = self.judges.split
        return {
            "winner": {
                "name": self.winner.name,
                "precision": self.winner.precision,
                "file": self.winner.file,
                "reason": self.verdict.reason,
            },
            "bound": {"metric": self.bound.metric, "limit": self.bound.limit},
            "contest": {
                "seconds": round(self.seconds, 1),
                "budget_s": self.settings.budget_s,
                "threads": self.settings.threads,
                "is_timed": self.settings.is_timed,
                "calibration_runs": len(split.calibration),
                "evaluation_runs": len(split.evaluation),
                "held_out": split.held_out,
                "has_targets": self.judges.targets is not None,
            },
            "candidates": [
                {**entry.to_dict(), "rejected": rejections.get(entry.name, "")} for entry in self.entries
            ],
            "batch_curve": [asdict(point) for point in self.curve],
            "saturation": self.protection.to_dict() if self.protection else None,
            "pruning": asdict(self.pruning) if self.pruning else None,
            "sensitivity": {
                name: [{"nodes": list(unit.nodes), "error": error} for unit, error in found.errors]
                for name, found in self.sensitivities.items()
            },
        }
