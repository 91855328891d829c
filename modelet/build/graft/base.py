"""What a graph step is, and what steps of one input or output have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Misfit, Value, Values

# Any elements; strings are Python's `str`.
Array = npt.NDArray[Any]
Arrays = dict[str, Array]
# Computes a step with numpy, in place: on the outputs by name, with the original model's inputs by name.
Reference = Callable[[Arrays, Mapping[str, Array]], None]


@dataclass(frozen=True, slots=True)
class Context:
    """What an output step may look at besides the outputs.

    Attributes:
        inputs: The original model's inputs.
        labels: Class names by index.
    """

    inputs: Mapping[str, Value]
    labels: tuple[str, ...]


class OutputStep(Protocol):
    """A step behind the graph."""

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Add its nodes and put what it makes in the place of what it takes.

        Args:
            build: Takes the nodes.
            outputs: The outputs so far, changed in place.
            context: What else there is.

        Returns:
            The same computed with numpy, by other means.

        Raises:
            Misfit: It does not fit.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class InputStep(ABC):
    """A step in front of the graph: what comes from outside (`outer`) becomes what the graph takes.

    Attributes:
        input: The model's input it is for; by default the only one that fits.
        rename: Another name for the input.
    """

    input: str | None = None
    rename: str | None = None

    @abstractmethod
    def wanted(self) -> str:
        """The inputs it fits, in words."""

    @abstractmethod
    def fits(self, inner: Value) -> bool:
        """Whether it fits an input."""

    @abstractmethod
    def outer(self, inner: Value) -> Value:
        """What it takes, so that it gives `inner`.

        Raises:
            Misfit: It does not fit.
        """

    @abstractmethod
    def write(self, build: Builder, outer: Value, inner: Value) -> str:
        """Add its nodes; gives the tensor that the graph takes."""

    @abstractmethod
    def compute(self, array: Array, inner: Value) -> Array:
        """Do the same with numpy, by other means."""


@dataclass(frozen=True, kw_only=True)
class OneOutput(ABC):
    """A step that makes one output of one.

    Attributes:
        output: The model's output it is for; by default the only one that fits.
        rename: Another name for the output.
        keep: Leave the output as it was, too, in front of the new one, which then needs another name.
    """

    output: str | None = None
    rename: str | None = None
    keep: bool = False

    @abstractmethod
    def wanted(self) -> str:
        """The outputs it fits, in words."""

    @abstractmethod
    def fits(self, value: Value) -> bool:
        """Whether it fits an output."""

    @abstractmethod
    def write(self, build: Builder, value: Value) -> Value:
        """Add its nodes; gives what they make.

        Raises:
            Misfit: It does not fit.
        """

    @abstractmethod
    def compute(self, array: Array, value: Value) -> Array:
        """Do the same with numpy, by other means."""

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Put the one output it makes in the place of the one it takes."""
        old = outputs.pick(self.output, self.wanted(), self.fits)
        new, value = self.rename or old, outputs[old]
        if self.keep and new == old:
            raise Misfit(f"keep: output '{old}' stays, so the new one needs another name: add rename")
        outputs.swap(old, {new: self.write(build, value)}, self.keep)

        def reference(answers: Arrays, _: Mapping[str, Array]) -> None:
            swap(answers, old, {new: self.compute(answers[old], value)}, self.keep)

        return reference


def swap(answers: Arrays, old: str, new: Arrays, keep: bool = False) -> None:
    """Put other arrays in the place of one."""
    array = answers.pop(old)
    answers.update(new)
    if keep:
        answers[old] = array


def is_float(value: Value) -> bool:
    """Whether a value is floating point."""
    return value.datatype.is_float


def like(array: Array, of: Array | npt.NDArray[np.float64]) -> Array:
    """`of` in the element type of `array`."""
    return np.asarray(of).astype(array.dtype)
