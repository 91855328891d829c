"""Scores to probabilities, to decisions, and to the best of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from modelet.build.graft.base import Array, Arrays, Context, OneOutput, Reference, is_float, like, swap
from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Misfit, Value, Values
from modelet_runtime.tensor import DATATYPES

_BOOL, _INT64 = DATATYPES["BOOL"], DATATYPES["INT64"]
_SCORES = "floating-point scores"


@dataclass(frozen=True, kw_only=True)
class _OnScores(OneOutput):
    """A step for an output of scores."""

    def wanted(self) -> str:
        """What it fits, in words."""
        return _SCORES

    def fits(self, value: Value) -> bool:
        """Whether it fits an output."""
        return is_float(value)


@dataclass(frozen=True, kw_only=True)
class Softmax(_OnScores):
    """Turn scores into probabilities that add up to 1: one of several classes.

    Attributes:
        axis: The axis of classes; by default the last.
    """

    axis: int = -1

    def write(self, build: Builder, value: Value) -> Value:
        """Add the operator."""
        if not -value.rank <= self.axis < value.rank:
            raise Misfit(f"axis: expected an axis of {value}, got {self.axis}")
        return value.at(build.add("Softmax", value.tensor, axis=self.axis))

    def compute(self, array: Array, value: Value) -> Array:
        """Calculate in double precision."""
        scores = array.astype(np.float64)
        powers = np.exp(scores - scores.max(axis=self.axis, keepdims=True))
        return like(array, powers / powers.sum(axis=self.axis, keepdims=True))


@dataclass(frozen=True, kw_only=True)
class Sigmoid(_OnScores):
    """Turn each score into a probability of its own: yes or no, or several classes at once."""

    def write(self, build: Builder, value: Value) -> Value:
        """Add the operator."""
        return value.at(build.add("Sigmoid", value.tensor))

    def compute(self, array: Array, value: Value) -> Array:
        """Calculate in double precision, by way of the hyperbolic tangent."""
        return like(array, (1 + np.tanh(array.astype(np.float64) / 2)) / 2)


@dataclass(frozen=True, kw_only=True)
class Threshold(_OnScores):
    """Decide: BOOL, true where a score reaches the threshold.

    Attributes:
        value: The least score that counts.
    """

    value: float = 0.5

    def write(self, build: Builder, value: Value) -> Value:
        """Add a comparison."""
        least = build.constant("value", self.value, value.datatype)
        decided = build.add("GreaterOrEqual", value.tensor, least)
        return replace(value, tensor=decided, datatype=_BOOL, classes=2)

    def compute(self, array: Array, value: Value) -> Array:
        """Compare in the scores' own precision."""
        return np.logical_not(array < np.asarray(self.value, array.dtype)) & ~np.isnan(array)


@dataclass(frozen=True, kw_only=True)
class TopK:
    """Answer the best classes only: their scores, best first, and their numbers.

    Of equal scores the lower number comes first.

    Attributes:
        k: How many.
        output: The model's output that has a score per class on its last axis; by default the only one
            that fits.
        scores: The name of the output with their scores.
        classes: The name of the output with their numbers, INT64.
        keep: Leave all scores, too, in front of these.
    """

    k: int
    output: str | None = None
    scores: str = "scores"
    classes: str = "classes"
    keep: bool = False

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if self.k < 1:
            raise ValueError(f"k: expected at least 1, got {self.k}")
        if self.scores == self.classes:
            raise ValueError(f"scores and classes: expected two names, got '{self.scores}' twice")

    def graft(self, build: Builder, outputs: Values, context: Context) -> Reference:
        """Put two outputs in the place of one."""
        wanted = f"scores of at least {self.k} classes"
        old = outputs.pick(self.output, wanted, self._fits)
        value = outputs[old]
        count = build.constant("k", [self.k])
        best, numbers = build.add_many("TopK", value.tensor, count, outputs=2, axis=-1)
        dims = (*value.dims[:-1], self.k)
        size = value.dims[-1]
        classes = Value(numbers, _INT64, dims, size if isinstance(size, int) else None)
        outputs.swap(old, {self.scores: Value(best, value.datatype, dims), self.classes: classes}, self.keep)

        def reference(answers: Arrays, _: Mapping[str, Array]) -> None:
            order = np.argsort(-answers[old].astype(np.float64), axis=-1, kind="stable")[..., : self.k]
            best = np.take_along_axis(answers[old], order, -1)
            swap(answers, old, {self.scores: best, self.classes: order.astype(np.int64)}, self.keep)

        return reference

    def _fits(self, value: Value) -> bool:
        size = value.dims[-1] if value.dims else 0
        return is_float(value) and isinstance(size, int) and size >= self.k
