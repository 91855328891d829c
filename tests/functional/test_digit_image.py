"""The digit_image model on pictures of digits that it has not seen."""

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import ImageOps

from modelet.repository import Repository, served_version
from modelet_runtime.errors import InvalidRequest
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps.pipeline import build
from modelet_runtime.tensor import DATATYPES, Tensor

FOLDER = Path(__file__).parents[2] / "model_artifacts" / "digit_image"
POINTS = 0.02


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digit_image_train", FOLDER / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model() -> Predictor:
    version = served_version(Repository(FOLDER.parent).model(FOLDER.name))
    assert version is not None, "`modelet build digit_image` comes first"
    pipeline = build(version.manifest, version.folder)
    return Predictor(version.manifest, OrtSession(version.folder / "model.ort"), pipeline)


def picture(train, row, side: int, form: str, dark_on_light: bool) -> bytes:
    page = train.draw(row, side)
    out = io.BytesIO()
    (ImageOps.invert(page) if dark_on_light else page).save(out, form)
    return out.getvalue()


def accuracy_on_arrays(model, rows, digits) -> float:
    [spec] = model.manifest.signature.inputs
    tensor = Tensor.from_buffer(spec.name, DATATYPES["FP32"], rows.shape, np.ascontiguousarray(rows))
    by_name = {output.name: output for output in model.infer([tensor])}
    [scores] = [output for output in by_name.values() if output.shape == (len(rows), 10)]
    guesses = np.asarray(scores.values().tolist()).reshape(len(rows), 10).argmax(axis=1)
    return float((guesses == digits).mean())


@pytest.mark.parametrize("side", [20, 64, 280])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("dark_on_light", [False, True])
def test_reads_pictures_as_well_as_arrays(model, train, side, form, dark_on_light):
    _, rows, _, digits = train.load()
    answers = model.predict([picture(train, row, side, form, dark_on_light) for row in rows])
    accuracy = float(
        np.mean([int(answer["label"]) == digit for answer, digit in zip(answers, digits, strict=True)])
    )
    assert accuracy_on_arrays(model, rows, digits) >= 0.97
    assert accuracy >= accuracy_on_arrays(model, rows, digits) - POINTS


def test_answers_the_digit_with_its_probabilities(model):
    [answer] = model.predict([(FOLDER / "samples" / "three.png").read_bytes()])
    assert answer["label"] == "3"
    assert answer["score"] == max(answer["scores"].values())
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert list(answer["scores"]) == list("0123456789")


@pytest.mark.parametrize("body", [b"", b"no picture", (FOLDER / "samples" / "three.png").read_bytes()[:60]])
def test_refuses_what_is_no_picture(model, body):
    with pytest.raises(InvalidRequest, match="image"):
        model.predict([body])
