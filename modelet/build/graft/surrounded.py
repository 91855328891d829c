"""The model in its framework with the steps around it, computed with numpy: what the proof compares with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from modelet.build.arrays import dtype_of, to_array, to_tensor
from modelet.build.graft.base import Array, Arrays, InputStep, Reference
from modelet.build.graft.value import Value
from modelet.build.original import Original
from modelet_runtime.tensor import Tensor

# Two machines that compute the same network in FP32 differ by less; in 16 bits they may by this.
_NOISE, _NOISE_OF_16_BITS = 1e-5, 1e-2
_NOISE_OF_THE_LARGEST = 0.1  # of the noise: what a value of about 0 among others may be off
_DISTURBANCES = 8


@dataclass(frozen=True, slots=True)
class Link:
    """A step in front of the graph, by the names on its two sides.

    Attributes:
        step: The step.
        outer: The input's name outside.
        inner: The input's name inside.
        value: What it gives.
    """

    step: InputStep
    outer: str
    inner: str
    value: Value

    def pass_on(self, arrays: Arrays) -> None:
        """Compute what the step gives."""
        array = self.step.compute(arrays.pop(self.outer), self.value)
        arrays[self.inner] = array.astype(dtype_of(self.value.datatype))


class Surrounded:
    """An original with steps around it, as an `Original`.

    Args:
        original: The model in its framework.
        inputs: Its inputs, in order.
        outputs: Its outputs, in order.
        links: The steps in front, outermost first.
        references: The steps behind.
        answers: The outputs outside, in order.
    """

    def __init__(
        self,
        original: Original,
        inputs: Sequence[str],
        outputs: Sequence[str],
        links: Sequence[Link],
        references: Sequence[Reference],
        answers: Sequence[str],
    ) -> None:
        self.kind = original.kind
        self._original = original
        self._inputs = inputs
        self._outputs = outputs
        self._links = links
        self._references = references
        self._answers = answers

    def export(self) -> onnx.ModelProto:
        """The original's own graph, without the steps."""
        return self._original.export()

    def run(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Compute the steps with numpy and let the framework answer in between."""
        outputs, _ = self.answer(inputs)
        return outputs

    def answer(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], bool]:
        """Run, and say whether the answer stands however floats are rounded.

        It does not where two classes have the same score but for the last digits: then any of them is
        right, and the artifact need not choose the same.
        """
        arrays = {tensor.name: to_array(tensor) for tensor in inputs}
        for link in self._links:
            link.pass_on(arrays)
        outputs = self._original.run([to_tensor(name, arrays[name]) for name in self._inputs])
        given = {name: to_array(tensor) for name, tensor in zip(self._outputs, outputs, strict=True)}
        answers = self._finish(given, arrays)
        return [to_tensor(name, answers[name]) for name in self._answers], self._stands(
            given, arrays, answers
        )

    def _finish(self, outputs: Mapping[str, Array], inputs: Mapping[str, Array]) -> Arrays:
        """Pass the framework's outputs through the steps behind."""
        answers = dict(outputs)
        for reference in self._references:
            reference(answers, inputs)
        return answers

    def _stands(
        self, outputs: Mapping[str, Array], inputs: Mapping[str, Array], answers: Mapping[str, Array]
    ) -> bool:
        """Whether no disturbance of the framework's outputs makes a step choose otherwise."""
        chosen = [
            name for name, array in answers.items() if _is_choice(array) and array is not outputs.get(name)
        ]
        if not chosen:
            return True
        random = np.random.default_rng(0)
        for _ in range(_DISTURBANCES):
            disturbed = {name: _disturbed(array, random) for name, array in outputs.items()}
            others = self._finish(disturbed, inputs)
            if not all(np.array_equal(answers[name], others[name]) for name in chosen):
                return False
        return True


def _is_choice(array: Array) -> bool:
    return array.dtype.kind in "biuO"


def _disturbed(array: Array, random: np.random.Generator) -> Array:
    """Floats a little off, each by its size and by that of the largest."""
    if _is_choice(array) or not array.size:
        return array
    values = array.astype(np.float64)
    sizes = np.abs(np.where(np.isfinite(values), values, 0))
    noise = _NOISE_OF_16_BITS if array.dtype.itemsize == 2 else _NOISE
    spread = noise * (sizes + _NOISE_OF_THE_LARGEST * sizes.max())
    return np.asarray(values + spread * random.uniform(-1, 1, values.shape)).astype(array.dtype)
