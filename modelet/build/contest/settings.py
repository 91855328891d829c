"""What a contest is told: by the recipe's `[optimize]`, by the function's resources, by the samples."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import onnx

from modelet.build.quantise.accuracy import Bound
from modelet.build.quantise.candidates import Calibration, Wanted
from modelet.build.quantise.engine import Feed
from modelet.build.quantise.quantiser import Quantiser
from modelet.build.quantise.static import Architecture
from modelet.build.quantise.targets import Excluded
from modelet.recipe import Accuracy, Recipe
from modelet_runtime.settings import MIB_PER_VCPU

_ARCHITECTURES: dict[str, Architecture] = {
    "x86_64": "x86_64",
    "AMD64": "x86_64",
    "aarch64": "arm64",
    "arm64": "arm64",
}


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
        labels: Class names by index, where the model's outputs are classes.
        has_samples: Whether the samples are real; made-up ones say nothing about accuracy.
        budget_s: After this no further candidate is begun.
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
    labels: tuple[str, ...] = ()
    has_samples: bool = True
    budget_s: float = 60.0

    @classmethod
    def of(
        cls, recipe: Recipe, labels: tuple[str, ...], has_samples: bool, target: Literal["cpu", "gpu"]
    ) -> "Settings":
        """What a recipe says.

        Args:
            recipe: The recipe.
            labels: Its labels, read.
            has_samples: Whether it has real samples.
            target: Who runs the graph.
        """
        wanted, resources = recipe.optimize, recipe.resources
        return cls(
            precision=wanted.precision,
            prune=wanted.prune,
            calibration=wanted.calibration,
            calibration_samples=wanted.calibration_samples,
            percent=wanted.percentile,
            bound=_bound(wanted.accuracy) if wanted.accuracy else None,
            excluded=Excluded(tuple(wanted.exclude.nodes), tuple(wanted.exclude.operators)),
            target=target,
            architecture=resources.architecture,
            threads=max(1, resources.memory_mib // MIB_PER_VCPU),
            labels=labels,
            has_samples=has_samples,
            budget_s=wanted.budget_s,
        )

    @property
    def is_timed(self) -> bool:
        """Whether time on this machine says anything about where the graph will run."""
        return self.target == "cpu" and self.architecture == _ARCHITECTURES.get(platform.machine())

    def quantiser(self, graph: onnx.ModelProto, calibration: Sequence[Feed]) -> Quantiser:
        """The workshop in which candidates are made, and the winner is made again."""
        return Quantiser(graph, calibration, self.excluded, self.architecture, self.percent)


def _bound(accuracy: Accuracy) -> Bound:
    plain = Bound.default(accuracy.metric)
    return plain if accuracy.limit is None else Bound(accuracy.metric, accuracy.limit)
