"""What a contest is told: by the recipe's `[optimize]`, by the function's resources, by the samples."""

from dataclasses import dataclass, field
from typing import Literal

from modelet.build.quantise.accuracy import Bound
from modelet.build.quantise.candidates import Calibration, Wanted
from modelet.build.quantise.static import Architecture
from modelet.build.quantise.targets import Excluded


@dataclass(frozen=True, slots=True)
class Settings:
    """How candidates are made, measured and judged.

    Attributes:
        precision: The one to make, or `auto` for all that fit.
        prune: The share of weights to set to zero.
        calibration: How ranges are found, or `auto` for every method.
        calibration_samples: How many samples calibrate at most.
        percent: How much of an activation `percentile` keeps.
        evaluation_samples: How many samples judge at most.
        bound: What answers may lose; None for what suits the model's outputs.
        excluded: What stays as it is.
        target: Who runs the graph.
        architecture: What the function runs on.
        threads: As many as the function has.
        has_labels: Whether the model's outputs are classes.
        has_samples: Whether the samples are real; made-up ones say nothing about accuracy.
    """

    precision: Wanted = "auto"
    prune: float = 0.0
    calibration: Calibration = "auto"
    calibration_samples: int = 64
    percent: float = 99.99
    evaluation_samples: int = 200
    bound: Bound | None = None
    excluded: Excluded = field(default_factory=Excluded)
    target: Literal["cpu", "gpu"] = "cpu"
    architecture: Architecture = "x86_64"
    threads: int = 1
    has_labels: bool = False
    has_samples: bool = True
