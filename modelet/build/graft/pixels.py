"""Pictures as they are decoded, for models that were trained on another layout."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from modelet.build.graft.base import Array, InputStep
from modelet.build.graft.editor import Builder
from modelet.build.graft.value import Dim, Misfit, Value
from modelet_runtime.tensor import DATATYPES

_UINT8 = DATATYPES["UINT8"]
_CHANNEL_COUNTS = (1, 3, 4)
_PICTURE_AXES = 3

Layout = Literal["HWC", "CHW"]


@dataclass(frozen=True, kw_only=True)
class Pixels(InputStep):
    """Take pixels as pictures have them: UINT8, 0 to 255, height first, channels last, red first.

    They are put in the layout of the model's input and converted to its datatype, but not scaled. An
    input without an axis of channels is converted only. A request holds a quarter of the bytes of FP32.

    Attributes:
        layout: Of the model's input: "CHW" (channels first, as PyTorch has it) or "HWC"; by default
            what the sizes of its axes say.
        channels: The order of colours that the model was trained on; "BGR" is OpenCV's and Caffe's.
    """

    layout: Layout | None = None
    channels: Literal["RGB", "BGR"] = "RGB"

    def wanted(self) -> str:
        """Numbers other than pixels of this form."""
        return "numbers"

    def fits(self, inner: Value) -> bool:
        """Whether an input holds numbers."""
        return inner.datatype.name not in ("BYTES", "BOOL")

    def outer(self, inner: Value) -> Value:
        """The same picture as UINT8, channels last."""
        layout = self._layout(inner)
        if self.channels == "BGR" and (layout is None or _of_picture(inner, layout)[2] != 3):
            raise Misfit(f"channels: expected 3 channels, got {inner}")
        dims = inner.dims if layout is None else (*inner.dims[:-3], *_of_picture(inner, layout))
        return Value(inner.tensor, _UINT8, dims)

    def write(self, build: Builder, outer: Value, inner: Value) -> str:
        """Transpose bytes, which are few, and convert at the end."""
        layout, tensor = self._layout(inner), outer.tensor
        if self.channels == "BGR":
            tensor = build.add("Gather", tensor, build.constant("bgr", [2, 1, 0]), axis=inner.rank - 1)
        if layout == "CHW":
            batch = range(inner.rank - _PICTURE_AXES)
            h, w, c = range(inner.rank - _PICTURE_AXES, inner.rank)
            tensor = build.add("Transpose", tensor, perm=[*batch, c, h, w])
        return build.cast(tensor, _UINT8, inner.datatype)

    def compute(self, array: Array, inner: Value) -> Array:
        """Move the axis of channels."""
        if self.channels == "BGR":
            array = array[..., ::-1]
        if self._layout(inner) == "CHW":
            array = np.moveaxis(array, -1, -3)
        return array

    def _layout(self, inner: Value) -> Layout | None:
        """Where the model has the channels; None if it has no axis for them."""
        if self.layout is not None:
            if inner.rank < _PICTURE_AXES:
                raise Misfit(f"layout: expected the axes {self.layout}, got {inner}")
            return self.layout
        if inner.rank < _PICTURE_AXES:
            return None
        first, last = (inner.dims[axis] in _CHANNEL_COUNTS for axis in (-3, -1))
        if first is last and (first or inner.rank > _PICTURE_AXES):
            raise Misfit(f'{inner} may be "CHW" or "HWC": say which with layout')
        return "CHW" if first else "HWC" if last else None


def _of_picture(inner: Value, layout: Layout) -> tuple[Dim, Dim, Dim]:
    """Height, width and channels of an input."""
    first, second, third = inner.dims[-3:]
    return (second, third, first) if layout == "CHW" else (first, second, third)
