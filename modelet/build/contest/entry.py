"""What was found out about one candidate."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelet.build.contest.race import Race, Timing
from modelet.build.quantise.accuracy import Accuracy
from modelet.build.quantise.formula import Formula


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate and its figures.

    Attributes:
        name: What it is called.
        about: One sentence for people.
        formula: How it is made; None for what is only measured for comparison.
        folder: Where its files are, while the contest lasts.
        bytes: Its size on disk.
        gzip_bytes: The same, compressed as images are.
        accuracy: Its answers beside the original's.
        race: Its time beside fp32's; None for fp32 itself and where time says nothing.
        latency_ms: One run.
        session_load_ms: Creating its session.
        peak_mib: The most memory of a process that loads and runs it.
        failure: Why it could not be made or measured; empty if it could.
    """

    name: str
    about: str
    formula: Formula | None = None
    folder: Path | None = None
    bytes: int = 0
    gzip_bytes: int = 0
    accuracy: Accuracy | None = None
    race: Race | None = None
    latency_ms: Timing | None = None
    session_load_ms: Timing | None = None
    peak_mib: float = 0.0
    failure: str = ""

    @property
    def precision(self) -> str:
        """What its weights are stored as."""
        return self.formula.precision if self.formula else ""

    @property
    def is_reference(self) -> bool:
        """Whether it only stands for comparison."""
        return self.formula is None

    @property
    def time(self) -> float:
        """Its time in units of fp32's; 1 where it was not raced."""
        return self.race.ratio if self.race else 1.0

    def to_dict(self) -> dict[str, Any]:
        """For the passport."""
        document = asdict(self)
        del document["folder"]
        document["formula"] = self.formula.to_dict() if self.formula else None
        return {
            key: value for key, value in document.items() if value not in (None, "", 0, 0.0) or key == "bytes"
        }
