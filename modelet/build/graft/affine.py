"""Steps that multiply and add: to the range, or the mean and spread, of the training data and back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelet.build.graft.base import Array, InputStep, OneOutput, is_float, like
from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Misfit, Value

_FLOATS = "floating-point numbers"
_FEW_CHANNELS = 4
Numbers = float | tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class _Scaling:
    """Parameters of `scale` on both sides."""

    factor: Numbers = 1.0
    divisor: Numbers = 1.0
    offset: Numbers = 0.0
    axis: int | None = None

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if not np.all(self.divisor):
            raise ValueError("divisor: expected other numbers than 0")
        _check_lengths(factor=self.factor, divisor=self.divisor, offset=self.offset)

    def spread(self, value: Value) -> list[Array]:
        """Factor, divisor and offset in shapes that broadcast over a value."""
        return _spread((self.factor, self.divisor, self.offset), value, self.axis)

    def wanted(self) -> str:
        """What it fits, in words."""
        return _FLOATS

    def fits(self, value: Value) -> bool:
        """Whether it fits an input or output."""
        return is_float(value)

    def compute(self, array: Array, value: Value) -> Array:
        """Calculate in double precision."""
        factor, divisor, offset = self.spread(value)
        return like(array, array.astype(np.float64) * factor / divisor + offset)


@dataclass(frozen=True, kw_only=True)
class ScaleInput(_Scaling, InputStep):
    """Multiply and add: `x * factor / divisor + offset`, as `divisor = 127.5, offset = -1` for pixels.

    Attributes:
        factor: A number, or a list with one per channel.
        divisor: A number, or a list with one per channel.
        offset: A number, or a list with one per channel.
        axis: The axis of channels that lists are for; by default the only one of their length.
    """

    def outer(self, inner: Value) -> Value:
        """The same, unscaled."""
        self.spread(inner)
        return inner

    def write(self, build: Builder, outer: Value, inner: Value) -> str:
        """Add a product and a sum."""
        factor, divisor, offset = self.spread(inner)
        return _line(build, outer, factor / divisor, offset)


@dataclass(frozen=True, kw_only=True)
class ScaleOutput(_Scaling, OneOutput):
    """Multiply and add: `x * factor / divisor + offset`, as to give a regression's answer in its unit.

    Attributes:
        factor: A number, or a list with one per channel.
        divisor: A number, or a list with one per channel.
        offset: A number, or a list with one per channel.
        axis: The axis of channels that lists are for; by default the only one of their length.
    """

    def write(self, build: Builder, value: Value) -> Value:
        """Add a product and a sum."""
        factor, divisor, offset = self.spread(value)
        return value.at(_line(build, value, factor / divisor, offset))


@dataclass(frozen=True, kw_only=True)
class Normalise(InputStep):
    """Subtract the mean and divide by the standard deviation of each channel: `(x - mean) / std`.

    Attributes:
        mean: One per channel, in the unit that the steps before it give.
        std: One per channel.
        axis: The axis of channels; by default the only one of the lists' length.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        if any(number <= 0 for number in self.std):
            raise ValueError(f"std: expected numbers above 0, got {list(self.std)}")
        _check_lengths(mean=self.mean, std=self.std)

    def wanted(self) -> str:
        """What it fits, in words."""
        return _FLOATS

    def fits(self, inner: Value) -> bool:
        """Whether it fits an input."""
        return is_float(inner)

    def outer(self, inner: Value) -> Value:
        """The same, as it was measured."""
        _spread((self.mean, self.std), inner, self.axis)
        return inner

    def write(self, build: Builder, outer: Value, inner: Value) -> str:
        """Add a product and a sum."""
        mean, std = _spread((self.mean, self.std), inner, self.axis)
        return _line(build, outer, 1 / std, -mean / std)

    def compute(self, array: Array, inner: Value) -> Array:
        """Calculate in double precision."""
        mean, std = _spread((self.mean, self.std), inner, self.axis)
        return like(array, (array.astype(np.float64) - mean) / std)


def _line(build: Builder, value: Value, factor: Array, offset: Array) -> str:
    """Write `value * factor + offset`; what changes nothing is left out."""
    tensor, datatype = value.tensor, value.datatype
    if np.any(factor != 1):
        tensor = build.add("Mul", tensor, build.constant("factor", _along_rows(factor, value), datatype))
    if np.any(offset != 0):
        tensor = build.add("Add", tensor, build.constant("offset", _along_rows(offset, value), datatype))
    return tensor


def _along_rows(numbers: Array, value: Value) -> Array:
    """Repeat one number per channel for a whole row of pixels, where channels come last.

    ONNX Runtime broadcasts in runs of the constant's last axes: three numbers at a time take 15 times as
    long as 672.
    """
    width = value.dims[-2] if value.rank > 1 else None
    if numbers.ndim and 1 < numbers.shape[-1] <= _FEW_CHANNELS and isinstance(width, int):
        return np.repeat(numbers, width, axis=-2)
    return numbers


def _spread(numbers: Sequence[Numbers], value: Value, axis: int | None) -> list[Array]:
    """Numbers, and lists of one per channel, in shapes that broadcast.

    Raises:
        Misfit: No axis, or more than one, is as long as the lists.
    """
    arrays = [np.squeeze(np.asarray(item, np.float64)) for item in numbers]
    length = max(array.size for array in arrays)
    if length == 1:
        return arrays
    axis = _axis(value, length, axis)
    shape = [length if position == axis else 1 for position in range(value.rank)]
    return [array.reshape(shape) if array.ndim else array for array in arrays]


def _axis(value: Value, length: int, axis: int | None) -> int:
    """The axis of channels."""
    if axis is not None:
        size = value.dims[axis] if -value.rank <= axis < value.rank else 0
        if isinstance(size, int) and size != length:
            raise Misfit(f"axis: expected an axis of {length} channels, got {axis} of {value}")
        return axis % value.rank
    fitting = [position for position, size in enumerate(value.dims) if size == length]
    if len(fitting) != 1:
        raise Misfit(f"expected one axis of {length} channels, got {value}: say which with axis")
    return fitting[0]


def _check_lengths(**numbers: Numbers) -> None:
    """Refuse lists of different lengths, which cannot be of the same channels."""
    lengths = {name: len(item) for name, item in numbers.items() if isinstance(item, tuple)}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise ValueError(f"{' and '.join(lengths)}: expected one number per channel in each, got {found}")
