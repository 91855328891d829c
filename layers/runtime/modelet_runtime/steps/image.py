"""Pictures to pixels: the parameters; what Pillow does with them is in `picture`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.manifest import TensorSpec
from modelet_runtime.steps.b64 import from_b64, is_b64
from modelet_runtime.steps.base import Encode, InputStep, Model, Value
from modelet_runtime.steps.fields import fed_input, misfit, take
from modelet_runtime.tensor import DATATYPES, Tensor

Mode = Literal["L", "RGB", "RGBA"]

_CHANNELS: dict[Mode, int] = {"L": 1, "RGB": 3, "RGBA": 4}
_MODES: dict[int, Mode] = {1: "L", 3: "RGB", 4: "RGBA"}
_PIXELS = DATATYPES["UINT8"]


@dataclass(frozen=True, slots=True)
class Image(InputStep):
    """Decode a picture (PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF) to pixels, 0 to 255, height first.

    The picture is turned upright as its EXIF data say; of an animation the first frame counts.
    The order of the steps is that of the parameters.

    Attributes:
        max_pixels: Larger pictures are refused before they are decoded.
        crop: A part of the upright picture: the fraction of each side that is kept of the middle, as
            TensorFlow's `central_crop`; or its left, upper, right and lower edge in pixels.
        background: The grey, 0 to 255, that transparent pixels are laid over; by default alpha is
            dropped, as Pillow's `convert` does. Without effect where `mode` is `RGBA`.
        mode: `L` (grey), `RGB` or `RGBA`; by default what the graph's last axis says, else `RGB`.
        invert: true makes a negative; "auto" does if the border is light, so what is drawn is light
            on dark.
        autocontrast: Stretch the darkest grey to 0 and the lightest to 255.
        trim: Cut the picture to what is lighter than a quarter of its range.
        shorter: Resize so that the shorter side has this length and the aspect stays, before `fit`; with
            `fit = "center"` that is torchvision's `Resize` and `CenterCrop`.
        width: Of the result; by default as the graph says, or as it comes if that axis is variable.
        height: Of the result; by default as the graph says, or as it comes if that axis is variable.
        fit: "stretch" ignores the aspect; "letterbox" keeps it and pads; "crop" keeps it and cuts the
            middle out; "center" does not resize, but cuts the middle out and pads what is too small.
        filter: Pillow's resampling filter; all but "nearest" blend all pixels they cover.
        fill: The grey, 0 to 255, that "letterbox" and "center" pad with.
        field: The field of a record that holds the picture; a bare picture is that field.
        input: Which input of the graph takes the pixels; not needed where there is one.
    """

    max_pixels: int = 50_000_000
    crop: float | tuple[int, int, int, int] | None = None
    background: int | None = None
    mode: Mode | None = None
    invert: bool | Literal["auto"] = False
    autocontrast: bool = False
    trim: bool = False
    shorter: int | None = None
    width: int | None = None
    height: int | None = None
    fit: Literal["stretch", "letterbox", "crop", "center"] = "stretch"
    filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] = "bilinear"
    fill: int = 0
    field: str = "image"
    input: str | None = None

    layers: ClassVar[tuple[str, ...]] = ("image",)

    def __post_init__(self) -> None:
        """Check what the annotations cannot say."""
        for name in ("max_pixels", "shorter", "width", "height"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        _check_crop(self.crop)
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height: expected both or neither")
        for name in ("background", "fill"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 255:
                raise ValueError(f"{name}: expected 0 to 255, got {getattr(self, name)}")

    def media_types(self, model: Model) -> tuple[str, ...]:
        """Pictures as they are, or in JSON as `{"b64": "..."}`."""
        return ("image/*", "application/octet-stream", "application/json")

    def bind(self, model: Model) -> Encode:
        """Settle mode and size with the graph's input, and import Pillow."""
        spec = fed_input(model, self.input, "image")
        if spec.datatype in ("BYTES", "BOOL"):
            raise misfit("image", f"input '{spec.name}': expected numbers, got {spec.datatype}")
        axes = spec.shape[1:] if len(spec.shape) == 4 and spec.shape[0] == 1 else spec.shape
        mode = self.mode or _mode_of(axes)
        if mode == "RGBA" and (self.invert or self.autocontrast):
            raise misfit("image", "invert and autocontrast: expected mode L or RGB, got RGBA")
        size = self._size(axes)
        self._check(spec, axes, mode, size)
        from modelet_runtime.steps.picture import Picture  # noqa: PLC0415 (Pillow costs 25 ms)

        picture = Picture(self, mode, size)

        def encode(value: Value) -> Value:
            [given], rest = take(value, (self.field,))
            (width, height), pixels = picture.pixels(_bytes(given, self.field))
            channels = _CHANNELS[mode]
            shapes = {1: (width * height * channels,), 2: (height, width), 3: (height, width, channels)}
            return {**rest, spec.name: Tensor(spec.name, _PIXELS, shapes[len(axes)], memoryview(pixels))}

        return encode

    def _size(self, axes: tuple[int, ...]) -> tuple[int, int] | None:
        """Width and height of the result; None leaves them as they come."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        if len(axes) in (2, 3) and -1 not in axes[:2]:
            return axes[1], axes[0]
        return None

    def _check(
        self, spec: TensorSpec, axes: tuple[int, ...], mode: Mode, size: tuple[int, int] | None
    ) -> None:
        width, height = size or (-1, -1)
        channels = _CHANNELS[mode]
        made = {
            1: (width * height * channels if size else -1,),
            2: (height, width) if channels == 1 else None,
            3: (height, width, channels),
        }.get(len(axes))
        # A variable axis takes any size; a fixed one only that which is made.
        if made is None or any(wanted not in (-1, actual) for wanted, actual in zip(axes, made, strict=True)):
            sizes = "as it comes" if size is None else f"{width}x{height}"
            is_turned = len(axes) == 3 and axes[0] in _MODES and axes[2] not in _MODES
            hint = ": channels come first in it, so let the step pixels follow" if is_turned else ""
            raise misfit(
                "image", f"input '{spec.name}' of {list(spec.shape)} does not take {mode} of {sizes}{hint}"
            )


def _mode_of(axes: tuple[int, ...]) -> Mode:
    channels = axes[2] if len(axes) == 3 else 1 if len(axes) == 2 else 3
    return _MODES.get(channels, "RGB")


def _check_crop(crop: float | tuple[int, int, int, int] | None) -> None:
    if isinstance(crop, tuple):
        left, upper, right, lower = crop
        if not (0 <= left < right and 0 <= upper < lower):
            raise ValueError(f"crop: expected left < right and upper < lower, got {list(crop)}")
    elif crop is not None and not 0 < crop <= 1:
        raise ValueError(f"crop: expected more than 0 and at most 1, got {crop}")


def _bytes(value: Value, field: str) -> bytes | memoryview:
    if is_b64(value):
        return from_b64(value)
    if not isinstance(value, (bytes, memoryview)):
        raise InvalidRequest(field, 'the bytes of a picture, in JSON as {"b64": "..."}', type(value).__name__)
    return value
