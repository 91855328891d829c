"""Every graph step by name, and which steps of a recipe are the graph's and which the runtime's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from modelet.build.graft.affine import Normalise, ScaleInput, ScaleOutput
from modelet.build.graft.base import InputStep, OutputStep
from modelet.build.graft.detections import NonMaxSuppression
from modelet.build.graft.names import ClassNames, Select
from modelet.build.graft.one_hot import OneHot
from modelet.build.graft.pixels import Pixels
from modelet.build.graft.scores import Sigmoid, Softmax, Threshold, TopK
from modelet.build.graft.vectors import L2Normalise, MeanPool
from modelet_runtime import manifest
from modelet_runtime.errors import ArtifactError
from modelet_runtime.steps import registry as runtime
from modelet_runtime.steps.parameters import build

INPUT: Mapping[str, type[InputStep]] = {
    "normalise": Normalise,
    "one_hot": OneHot,
    "pixels": Pixels,
    "scale": ScaleInput,
}
OUTPUT: Mapping[str, type[OutputStep]] = {
    "class_names": ClassNames,
    "l2_normalise": L2Normalise,
    "mean_pool": MeanPool,
    "non_max_suppression": NonMaxSuppression,
    "scale": ScaleOutput,
    "select": Select,
    "sigmoid": Sigmoid,
    "softmax": Softmax,
    "threshold": Threshold,
    "top_k": TopK,
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Placed(Generic[_T]):
    """A checked graph step and where the recipe has it.

    Attributes:
        where: The key, such as `input.steps[1]: step 'scale'`.
        step: The step.
        written: As the recipe has it.
    """

    where: str
    step: _T
    written: manifest.Step


def split_input(
    steps: Sequence[manifest.Step],
) -> tuple[tuple[manifest.Step, ...], tuple[Placed[InputStep], ...]]:
    """Tell the runtime's steps, which come first, from the graph's.

    Raises:
        ArtifactError: A step or a parameter is unknown, or a runtime's step stands behind one of the graph.
    """
    count = _boundary("input", steps, runtime.INPUT, INPUT)
    return tuple(steps[:count]), _placed("input", steps, count, INPUT)


def split_output(
    steps: Sequence[manifest.Step],
) -> tuple[tuple[Placed[OutputStep], ...], tuple[manifest.Step, ...]]:
    """Tell the graph's steps, which come first, from the runtime's.

    Raises:
        ArtifactError: A step or a parameter is unknown, or a graph's step stands behind one of the runtime.
    """
    count = _boundary("output", steps, OUTPUT, runtime.OUTPUT)
    return _placed("output", steps[:count], 0, OUTPUT), tuple(steps[count:])


def _boundary(
    side: Literal["input", "output"],
    steps: Sequence[manifest.Step],
    first: Mapping[str, object],
    second: Mapping[str, object],
) -> int:
    """How many steps are of the first kind."""
    count = 0
    for index, step in enumerate(steps):
        where = f"{side}.steps[{index}]"
        if step.name not in first and step.name not in second:
            known = ", ".join(sorted({*first, *second}))
            raise ArtifactError(f"{where}: unknown step '{step.name}': there are {known}")
        if step.name in first:
            if count < index:
                runs, grafted = "runs in the runtime", "is part of the graph"
                this, other = (runs, grafted) if side == "input" else (grafted, runs)
                raise ArtifactError(
                    f"{where}: step '{step.name}' {this} and cannot follow '{steps[index - 1].name}', which"
                    f" {other}: put it in front"
                )
            count += 1
    return count


def _placed(
    side: Literal["input", "output"],
    steps: Sequence[manifest.Step],
    start: int,
    table: Mapping[str, type[_T]],
) -> tuple[Placed[_T], ...]:
    made = []
    for index, step in enumerate(steps[start:], start):
        where = f"{side}.steps[{index}]"
        made.append(Placed(f"{where}: step '{step.name}'", build(table[step.name], step, where), step))
    return tuple(made)
