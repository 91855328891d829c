"""The digit_image model on pictures of digits that it has not seen."""

import base64
import importlib.util
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from modelet.repository import Repository, served_version
from modelet_runtime.errors import InvalidRequest
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.protocols import friendly
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

FOLDER = Path(__file__).parents[2] / "model_artifacts" / "digit_image"
THREE = (FOLDER / "samples" / "three.png").read_bytes()
LEAST_ACCURACY = 0.97
POINTS = 0.02
NEAREST, BICUBIC, LANCZOS = Image.Resampling.NEAREST, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digit_image_train", FOLDER / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model() -> Predictor:
    version = served_version(Repository(FOLDER.parent).model(FOLDER.name))
    assert version is not None, "`modelet build digit_image` comes first"
    pipeline = build(version.manifest, version.folder)
    return Predictor(version.manifest, OrtSession(version.folder / "model.ort"), pipeline)


@pytest.fixture(scope="module")
def accuracy_on_arrays(train, model) -> float:
    known = train.split()
    pixels = known.held_out_pixels.astype(np.float32)
    tensor = Tensor.from_buffer("features", DATATYPES["FP32"], pixels.shape, pixels)
    [labels] = model.infer([tensor], ["label"])
    return float(np.mean(np.asarray(labels.values()) == known.held_out_digits))


def test_reads_digits_it_has_not_seen(accuracy_on_arrays):
    assert accuracy_on_arrays >= LEAST_ACCURACY


# Sizes, margins and filters that the training pictures do not have, and one that is the digit itself.
@pytest.mark.parametrize("is_dark_on_light", [False, True])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("side", "margin", "resampling"),
    [(8, 0, NEAREST), (16, 3, LANCZOS), (37, 0, BICUBIC), (150, 90, NEAREST), (280, 20, LANCZOS)],
)
def test_reads_pictures_as_well_as_arrays(
    train, model, accuracy_on_arrays, side, margin, resampling, form, is_dark_on_light
):
    known = train.split()
    drawing = train.Drawing(side, margin, is_dark_on_light, form, resampling)
    answers = model.predict([drawing.of(digit) for digit in known.held_out_pixels])
    guesses = np.array([int(answer["label"]) for answer in answers])
    assert np.mean(guesses == known.held_out_digits) >= accuracy_on_arrays - POINTS


def test_answers_the_digit_with_its_probabilities(model):
    [answer] = model.predict([THREE])
    assert answer["label"] == "3"
    assert answer["score"] == answer["scores"]["3"] == max(answer["scores"].values())
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert list(answer["scores"]) == list("0123456789")


def test_reads_ink_on_a_transparent_ground(model):
    grey = Image.open(io.BytesIO(THREE)).convert("L")
    ink = Image.new("LA", grey.size, (0, 0))
    ink.putalpha(grey.point(lambda level: 255 - level))
    out = io.BytesIO()
    ink.save(out, "PNG")
    assert model.predict([out.getvalue()])[0]["label"] == "3"


def test_takes_many_pictures_in_one_request(model):
    body = json.dumps({"instances": [{"b64": base64.b64encode(THREE).decode()}] * 3}).encode()
    values, many = friendly.parse(body, "application/json", model.pipeline.media_types)
    assert many
    assert [answer["label"] for answer in model.predict(values)] == ["3"] * 3


@pytest.mark.parametrize("body", [b"", b"no picture", THREE[:60]])
def test_refuses_what_is_no_picture(model, body):
    with pytest.raises(InvalidRequest, match="image"):
        model.predict([body])
