"""The digit_cnn model on pictures of digits that it has not seen."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from modelet.repository import Repository, served_version
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

FOLDER = Path(__file__).parents[2] / "model_artifacts" / "digit_cnn"
LEAST_ACCURACY = 0.95
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("digit_cnn_train", FOLDER / "train.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    version = served_version(Repository(FOLDER.parent).model(FOLDER.name))
    assert version is not None, "`modelet build digit_cnn` comes first"
    pipeline = build(version.manifest, version.folder)
    session = OrtSession(version.folder / version.manifest.graph.file)
    return Predictor(version.manifest, session, pipeline)


@pytest.mark.parametrize(
    ("side", "form", "is_dark_on_light"), [(28, "PNG", False), (60, "JPEG", True), (200, "PNG", True)]
)
def test_reads_pictures_it_has_not_seen(train, model, side, form, is_dark_on_light):
    known = train.split()
    files = [train.picture(drawn, side, form, is_dark_on_light) for drawn in known.held_out[:500]]
    guesses = np.array([int(answer["label"]) for answer in model.predict(files)])
    assert np.mean(guesses == known.held_out_digits[:500]) >= LEAST_ACCURACY


def test_reads_pixels_as_they_are(train, model):
    pixels = train.samples()
    tensor = Tensor.from_buffer("pixels", DATATYPES["UINT8"], pixels.shape, pixels)
    [probabilities] = model.infer([tensor])
    best = np.asarray(probabilities.values()).reshape(-1, 10).argmax(axis=1)
    assert np.mean(best == train.targets()) >= LEAST_ACCURACY


def test_answers_the_digit_with_its_probabilities(model):
    [answer] = model.predict([(FOLDER / "samples" / "seven.png").read_bytes()])
    assert answer["label"] == "7"
    assert answer["score"] == max(answer["scores"].values())
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
