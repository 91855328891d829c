"""What Pillow does for the `image` step; imported only by models that use it."""

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

from modelet_runtime.errors import InvalidRequest

if TYPE_CHECKING:
    from modelet_runtime.steps.image import Image as Parameters

# Formats whose decoders are in Pillow's core; EPS, for one, would start Ghostscript.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_NAMES = "a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Picture:
    """Turns the bytes of a picture into pixels, as the parameters of the step say."""

    def __init__(self, parameters: "Parameters", mode: str, size: tuple[int, int] | None) -> None:
        self._parameters = parameters
        self._mode = mode
        self._size = size
        # A second line behind our own check: some decoders find larger frames while they decode.
        Image.MAX_IMAGE_PIXELS = parameters.max_pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)

    def pixels(self, data: bytes | memoryview) -> tuple[tuple[int, int], bytes]:
        """The width and height, and the pixels: rows of 8 bits per channel, channels together.

        Raises:
            InvalidRequest: (400) It is no picture, is cut off, or is too large.
        """
        image = self._decode(data)
        parameters = self._parameters
        if parameters.invert is True or (parameters.invert == "auto" and _has_light_border(image)):
            image = ImageOps.invert(image)
        if parameters.autocontrast:
            image = ImageOps.autocontrast(image, preserve_tone=True)
        if parameters.trim:
            image = image.crop(_content_box(image))
        image = self._resize(image)
        return image.size, image.tobytes()

    def _decode(self, data: bytes | memoryview) -> Image.Image:
        limit = self._parameters.max_pixels
        try:
            image = Image.open(BytesIO(data), formats=_FORMATS)
            if image.width * image.height > limit:
                raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            return self._convert(self._cropped(image))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InvalidRequest("image", f"at most {limit} pixels", str(error)) from error
        except UnidentifiedImageError as error:
            raise InvalidRequest("image", _NAMES, "other data") from error
        except MemoryError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever a broken file makes them
            raise InvalidRequest("image", "a complete picture", f"{type(error).__name__}: {error}") from error

    def _cropped(self, image: Image.Image) -> Image.Image:
        crop = self._parameters.crop
        if crop is None:
            return image
        width, height = image.size
        if isinstance(crop, tuple):
            if crop[2] > width or crop[3] > height:
                raise ValueError(f"{width}x{height} pixels, and {crop[2]}x{crop[3]} are cut from it")
            return image.crop(crop)
        # Source: https://www.tensorflow.org/api_docs/python/tf/image/central_crop
        left, upper = int((width - width * crop) / 2), int((height - height * crop) / 2)
        return image.crop((left, upper, width - left, height - upper))

    def _convert(self, image: Image.Image) -> Image.Image:
        if image.mode.startswith("I;16"):
            # Pillow's own conversion cuts off at 255; this keeps the high byte.
            image = image.convert("I").point([level >> 8 for level in range(65_536)], "L")
        if image.mode in ("I", "F"):
            raise ValueError(f"{image.mode} pixels of 32 bits have no known range")
        background = self._parameters.background
        if background is not None and self._mode != "RGBA" and image.has_transparency_data:
            over = Image.new("RGBA", image.size, (background, background, background, 255))
            image = Image.alpha_composite(over, image.convert("RGBA"))
        return image.convert(self._mode)

    def _shortened(self, size: tuple[int, int], shorter: int) -> tuple[int, int]:
        """The size at which the shorter side has this length, cut off as torchvision's `Resize` does."""
        width, height = (max(1, int(shorter * side / min(size))) for side in size)
        if width * height > self._parameters.max_pixels:
            actual = f"{size[0]}x{size[1]}, which become {width}x{height}"
            raise InvalidRequest("image", f"at most {self._parameters.max_pixels} pixels", actual)
        return width, height

    def _resize(self, image: Image.Image) -> Image.Image:
        parameters, resampling = self._parameters, _FILTERS[self._parameters.filter]
        if parameters.shorter is not None:
            image = image.resize(self._shortened(image.size, parameters.shorter), resampling)
        if self._size is None or self._size == image.size:
            return image
        if parameters.fit == "letterbox":
            fill = (parameters.fill,) * len(image.getbands())
            return ImageOps.pad(image, self._size, resampling, color=fill)
        if parameters.fit == "center":
            return _centred(image, self._size, parameters.fill)
        if parameters.fit == "crop":
            return ImageOps.fit(image, self._size, resampling)
        return image.resize(self._size, resampling)


def _centred(image: Image.Image, size: tuple[int, int], fill: int) -> Image.Image:
    """The middle of a picture, padded where it is smaller, as torchvision's `CenterCrop` places it."""
    left, upper = (
        -((wanted - actual) // 2) if actual < wanted else round((actual - wanted) / 2)
        for actual, wanted in zip(image.size, size, strict=True)
    )
    canvas = Image.new(image.mode, size, (fill,) * len(image.getbands()))
    canvas.paste(image, (-left, -upper))
    return canvas


def _has_light_border(image: Image.Image) -> bool:
    """Whether half of the outermost pixels or more are lighter than middle grey."""
    grey = image.convert("L")
    width, height = grey.size
    edges = (
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    )
    pixels = sorted(b"".join(grey.crop(edge).tobytes() for edge in edges))
    return pixels[len(pixels) // 2] > 127


def _content_box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """The box around what is lighter than a quarter of the range; None if all pixels are alike."""
    grey = image.convert("L")
    levels = [level for level, count in enumerate(grey.histogram()) if count]
    threshold = levels[0] + (levels[-1] - levels[0]) / 4
    return grey.point([255 if level > threshold else 0 for level in range(256)]).getbbox()
