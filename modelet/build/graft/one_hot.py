"""Numbers of classes for models that take vectors."""

from dataclasses import dataclass

import numpy as np

from modelet.build.arrays import dtype_of
from modelet.build.graft.base import Array, InputStep, is_float
from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Value
from modelet_runtime.tensor import DATATYPES

_INT64 = DATATYPES["INT64"]


@dataclass(frozen=True, kw_only=True)
class OneHot(InputStep):
    """Take a class number, INT64 from 0, where the model takes a vector with a 1 at that place.

    The model's last axis becomes the number; a number that is no class gives zeros only.
    """

    def wanted(self) -> str:
        """What it fits, in words."""
        return "floating-point vectors of known length"

    def fits(self, inner: Value) -> bool:
        """Whether it fits an input."""
        return is_float(inner) and inner.rank > 0 and isinstance(inner.dims[-1], int)

    def outer(self, inner: Value) -> Value:
        """The numbers."""
        return Value(inner.tensor, _INT64, inner.dims[:-1])

    def write(self, build: Builder, outer: Value, inner: Value) -> str:
        """Compare with every class: OneHot would count negative numbers from the end."""
        classes = build.constant("classes", np.arange(inner.dims[-1]))
        number = build.add("Unsqueeze", outer.tensor, build.constant("axes", [-1]))
        return build.cast(build.add("Equal", number, classes), DATATYPES["BOOL"], inner.datatype)

    def compute(self, array: Array, inner: Value) -> Array:
        """Set one place of each vector."""
        classes = inner.dims[-1]
        assert isinstance(classes, int)
        vectors = np.zeros((*array.shape, classes), dtype_of(inner.datatype))
        for place in np.ndindex(array.shape):
            if 0 <= array[place] < classes:
                vectors[place][array[place]] = 1
        return vectors
