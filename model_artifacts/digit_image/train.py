"""Trains on scikit-learn's handwritten digits, as they are and as the image step sees pictures of them.

A digit that was drawn large, framed, compressed and cut out again is not the 8x8 pixels it was made of, so
the training set holds such pictures too. They go through the very step that `model.toml` names.
"""

import io
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from modelet_runtime.steps.image import Image
from modelet_runtime.steps.picture import Picture

SEED = 1
SIDE = 8
BRIGHTEST = 255
BRIGHTEST_IN_DIGITS = 16
HELD_OUT = 0.25

Pixels = NDArray[np.float64]


class Split(NamedTuple):
    """Digits as `float64[rows, 64]`, 0 to 255, light on dark; and which digit each is."""

    pixels: Pixels
    held_out_pixels: Pixels
    digits: NDArray[np.int64]
    held_out_digits: NDArray[np.int64]


class Drawing(NamedTuple):
    """How a digit becomes a picture; lengths in pixels."""

    side: int
    margin: int
    is_dark_on_light: bool
    form: str
    resampling: Pillow.Resampling

    def of(self, pixels: Pixels) -> bytes:
        """Draw one digit."""
        small = Pillow.fromarray(pixels.reshape(SIDE, SIDE).astype(np.uint8))
        framed = Pillow.new("L", (self.side + 2 * self.margin,) * 2)
        framed.paste(small.resize((self.side, self.side), self.resampling), (self.margin, self.margin))
        if self.is_dark_on_light:
            framed = framed.point(lambda level: BRIGHTEST - level)
        file = io.BytesIO()
        framed.save(file, self.form)
        return file.getvalue()


DRAWINGS = (
    Drawing(8, 0, False, "PNG", Pillow.Resampling.NEAREST),
    Drawing(8, 2, True, "JPEG", Pillow.Resampling.NEAREST),
    Drawing(64, 16, True, "JPEG", Pillow.Resampling.NEAREST),
    Drawing(28, 7, False, "JPEG", Pillow.Resampling.BICUBIC),
    Drawing(96, 0, True, "PNG", Pillow.Resampling.BICUBIC),
    Drawing(48, 4, False, "PNG", Pillow.Resampling.BICUBIC),
    Drawing(20, 4, True, "JPEG", Pillow.Resampling.NEAREST),
)


def split() -> Split:
    """Digits to train on and others to test with, alike in how many there are of each."""
    pixels, digits = load_digits(return_X_y=True)
    pixels = np.round(pixels * (BRIGHTEST / BRIGHTEST_IN_DIGITS))
    return Split(*train_test_split(pixels, digits, test_size=HELD_OUT, stratify=digits, random_state=SEED))


def build() -> Pipeline:
    """Train; the scaling to 0 to 1 is part of the model, which takes pixels of 0 to 255."""
    known = split()
    pictures = [_as_seen(known.pixels, drawing) for drawing in DRAWINGS]
    pixels = np.concatenate([known.pixels, *pictures])
    digits = np.tile(known.digits, 1 + len(DRAWINGS))
    # Fitted on the range and not on the digits: pixels that are always dark in them scale like all others.
    scaler = MinMaxScaler().fit([[0] * SIDE**2, [BRIGHTEST] * SIDE**2])
    # L-BFGS sees all rows at once, in their order, and so ends at the same bits each time.
    network = MLPClassifier((128,), solver="lbfgs", alpha=1.0, max_iter=1500, random_state=SEED)
    network.fit(scaler.transform(pixels), digits)
    return Pipeline([("scale", scaler), ("classify", network)])


def samples() -> NDArray[np.float32]:
    """The digits that `build` has not seen, for the proof."""
    return split().held_out_pixels.astype(np.float32)


def targets() -> NDArray[np.int64]:
    """Which digits these are."""
    return split().held_out_digits


def _as_seen(pixels: Pixels, drawing: Drawing) -> Pixels:
    """What the image step of this model makes of pictures of digits."""
    [step] = tomllib.loads(Path(__file__).with_name("model.toml").read_text())["input"]["steps"]
    parameters = {key: value for key, value in step.items() if key != "name"}
    picture = Picture(Image(**parameters), step["mode"], (SIDE, SIDE))
    seen = [picture.pixels(drawing.of(digit))[1] for digit in pixels]
    return np.frombuffer(b"".join(seen), np.uint8).reshape(len(pixels), -1).astype(np.float64)
