"""What was found out about one candidate."""

from dataclasses import asdict, dataclass
from typing import Any

from modelet.build.contest.race import Race, Timing
from modelet.build.quantise.accuracy import Accuracy
from modelet.build.quantise.formula import Formula
from modelet_runtime.manifest import ONNX_FILE, ORT_FILE

_LAID_OUT = ", laid out for the CPU at hand while it loads"


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate and its figures.

    Attributes:
        name: What it is called.
        about: One sentence for people.
        formula: How it is made; None for what is only measured for comparison.
        file: Which of its two forms a function loads.
        bytes: That file's size.
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
    file: str = ORT_FILE
    bytes: int = 0
    gzip_bytes: int = 0
    accuracy: Accuracy | None = None
    race: Race | None = None
    latency_ms: Timing | None = None
    session_load_ms: Timing | None = None
    peak_mib: float = 0.0
    failure: str = ""

    @classmethod
    def of(cls, formula: Formula, file: str = ORT_FILE) -> "Entry":
        """A candidate that nothing is known of yet."""
        if file == ONNX_FILE:
            return cls(f"{formula.name}-onnx", formula.about + _LAID_OUT, formula, file)
        return cls(formula.name, formula.about, formula, file)

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
        """For the passport; what is not known is null."""
        return {
            **asdict(self),
            "precision": self.precision,
            "formula": self.formula.to_dict() if self.formula else None,
            "left_out": list(self.formula.left_out) if self.formula else [],
            "peak_mib": self.peak_mib or None,
        }
