"""Train the digit classifier on the hand-written digits that scikit-learn ships."""

import io
import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from modelet_runtime.steps.image import Image as ImageStep
from modelet_runtime.steps.picture import Picture

Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_SIDE = 8
_INK = 16  # the data set counts ink from 0 to 16
_DRAWN_SIDES = (16, 32, 96)
_MARGIN = 0.2


def load() -> tuple[Pixels, Pixels, Labels, Labels]:
    """Digits to train on and those held out.

    Returns:
        The pixels of both, `float32[digits, 64]` of 0 to 255, then the labels of both, `int64[digits]`.
    """
    digits = load_digits()
    pixels = np.round(digits.data * (255 / _INK)).astype(np.float32)
    train_x, held_x, train_y, held_y = train_test_split(
        pixels, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    return train_x, held_x, train_y, held_y


def build() -> Pipeline:
    """Fit the classifier on the digits as they are, and as the image step sees them on pictures."""
    train_x, _, train_y, _ = load()
    step = _image_step()
    views = [train_x, *(np.stack([_seen(step, row, side) for row in train_x]) for side in _DRAWN_SIDES)]
    classifier = MLPClassifier((64,), alpha=1.0, solver="lbfgs", max_iter=600, random_state=0)
    return make_pipeline(MinMaxScaler(), classifier).fit(np.concatenate(views), np.tile(train_y, len(views)))


def samples() -> Pixels:
    """The digits held out."""
    return load()[1]


def draw(row: Pixels, side: int) -> Image.Image:
    """A digit as somebody would send it: enlarged to `side` pixels, light on dark, with a margin."""
    small = Image.fromarray(row.reshape(_SIDE, _SIDE).astype(np.uint8))
    margin = round(side * _MARGIN)
    page = Image.new("L", (side + 2 * margin,) * 2)
    page.paste(small.resize((side, side), Image.Resampling.BICUBIC), (margin, margin))
    return page


def _image_step() -> Picture:
    """The step of `model.toml` that turns a picture into pixels."""
    recipe = tomllib.loads(Path(__file__).with_name("model.toml").read_text())
    [parameters] = recipe["input"]["steps"]
    del parameters["name"]
    return Picture(ImageStep(**parameters), "L", (_SIDE, _SIDE))


def _seen(step: Picture, row: Pixels, side: int) -> Pixels:
    """The pixels the model gets for a picture of the digit."""
    file = io.BytesIO()
    draw(row, side).save(file, "PNG")
    _, pixels = step.pixels(file.getvalue())
    return np.frombuffer(pixels, np.uint8).astype(np.float32)
