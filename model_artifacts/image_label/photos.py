"""The photos that scikit-image ships, in cuts and mirrored: what the proof is made on."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.Image import Resampling

SIZE = 224
# Those that show something of the thousand classes; textures, skies and scans it has to guess.
PHOTOS = (
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
# Where a cut lies: 0 at the left or top, 1 at the right or bottom.
PLACES = (0.0, 0.5, 1.0)
CUT = 0.8

Pixels = NDArray[np.uint8]


def samples() -> list[Pixels]:
    """Each photo whole and in nine cuts, and all of these mirrored, as `UINT8[224, 224, 3]`."""
    return [_pixels(one) for name in PHOTOS for cut in _cuts(name) for one in (cut, ImageOps.mirror(cut))]


def _cuts(name: str) -> Iterator[Image.Image]:
    with files("skimage.data").joinpath(name).open("rb") as file:
        photo = Image.open(file).convert("RGB")
    yield photo
    width, height = (round(CUT * side) for side in photo.size)
    for across, down in product(PLACES, PLACES):
        left, top = round(across * (photo.width - width)), round(down * (photo.height - height))
        yield photo.crop((left, top, left + width, top + height))


def _pixels(photo: Image.Image) -> Pixels:
    """What the recipe's image step makes of a photo."""
    return np.asarray(ImageOps.fit(photo, (SIZE, SIZE), Resampling.BICUBIC))
