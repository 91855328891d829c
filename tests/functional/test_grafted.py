"""A model with steps in its graph: small inputs in, words out, alike in process and through the service."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from sklearn.datasets import load_digits
from support.service import Running, running
from support.sources import write_recipe

from modelet.build.arrays import to_array
from modelet.build.pipeline import build
from modelet.cli import run
from modelet.errors import ProofFailed
from modelet.golden import Golden
from modelet.repository import Version, served_version
from modelet_runtime.ort import OrtSession
from modelet_runtime.predictor import Predictor
from modelet_runtime.steps import pipeline
from modelet_runtime.tensor import DATATYPES, Tensor

NAME = "digit_words"
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TRAIN = """
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

X, y = load_digits(return_X_y=True)

def build():
    return LogisticRegression(C=0.1, max_iter=500).fit(X[::2] / 16 - 0.5, y[::2])

def samples():
    return (X[1::40] * 255 / 16).round().astype(np.uint8)
"""
BEFORE = [
    {"name": "image", "mode": "L", "width": 8, "height": 8},
    {"name": "pixels", "rename": "pixels"},
    {"name": "scale", "divisor": 255, "offset": -0.5},
]
AFTER = [
    {"name": "top_k", "k": 3},
    {"name": "class_names", "output": "classes", "rename": "labels"},
    {"name": "select", "outputs": ["labels", "scores"]},
]


def write(folder: Path, before=BEFORE, after=AFTER, train: str = TRAIN):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(train)
    return write_recipe(
        folder,
        "train.py:build",
        model={"labels": WORDS},
        input={"steps": before},
        output={"steps": after},
        golden={"samples": "train.py:samples"},
        optimize={"precision": "fp32"},
    )


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    model = write(tmp_path_factory.mktemp("models") / NAME)
    build(model)
    built = served_version(model)
    assert built is not None
    return built


@pytest.fixture(scope="module")
def predictor(version: Version) -> Predictor:
    session = OrtSession(version.folder / version.manifest.graph.file)
    return Predictor(version.manifest, session, pipeline.build(version.manifest, version.folder))


@pytest.fixture(scope="module")
def service(version: Version) -> Iterator[Running]:
    with running(version.folder.parents[2]) as up:
        yield up


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Digits the model did not learn, as pixels, and which they are."""
    pixels, numbers = load_digits(return_X_y=True)
    return (pixels[1:400:2] * 255 / 16).round().astype(np.uint8), numbers[1:400:2]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.reshape(8, 8)).save(file, "PNG")
    return file.getvalue()


def test_the_manifest_tells_the_two_kinds_of_steps_apart(version: Version) -> None:
    manifest = version.manifest
    assert [step.name for step in manifest.input_steps] == ["image"]
    assert manifest.output_steps == ()
    assert [step["name"] for step in manifest.graph.grafted["input"]] == ["pixels", "scale"]
    assert manifest.graph.grafted["output"][0] == {"name": "top_k", "parameters": {"k": 3}}
    shown = [(spec.name, spec.datatype, spec.shape) for spec in manifest.signature.inputs]
    assert shown == [("pixels", "UINT8", (-1, 64))]
    shown = [(spec.name, spec.datatype, spec.shape) for spec in manifest.signature.outputs]
    assert shown == [("labels", "BYTES", (-1, 3)), ("scores", "FP32", (-1, 3))]
    assert manifest.signature.has_batch_axis


def test_show_tells_where_each_step_runs(version: Version, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", NAME, "--models", str(version.folder.parents[2])]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "image -> graph (pixels -> scale -> model -> top_k -> class_names -> select)" in shown


def test_the_proof_compares_with_the_estimator_itself(version: Version) -> None:
    """The expected answers are scikit-learn's, in double precision, with the steps done by hand."""
    space: dict = {}
    exec(TRAIN, space)
    probabilities = space["build"]().predict_proba(space["samples"]() / 255 - 0.5)
    best = np.argsort(-probabilities, axis=1)[:, :3]
    golden = Golden.load(version.folder)
    expected = {
        tuple(row): np.take(WORDS, order) for row, order in zip(space["samples"](), best, strict=True)
    }
    for case in golden.cases:
        outputs = {tensor.name: to_array(tensor) for tensor in case.outputs}
        for pixels, labels in zip(to_array(case.inputs[0]), outputs["labels"], strict=True):
            assert labels.tolist() == expected[tuple(pixels)].tolist()


def test_in_process(predictor: Predictor, digits) -> None:
    pixels, numbers = digits
    [labels, scores] = predictor.infer(
        [Tensor.from_buffer("pixels", DATATYPES["UINT8"], pixels.shape, pixels)]
    )
    words = to_array(labels)
    assert np.mean(words[:, 0] == np.take(WORDS, numbers)) > 0.9
    assert (np.diff(to_array(scores), axis=1) <= 0).all()
    [answer] = predictor.predict([png(pixels[0])])
    assert answer["labels"] == words[0].tolist()


def test_through_the_service(predictor: Predictor, service: Running, digits) -> None:
    """Triton's client, as bytes and as JSON, and a picture as people send it."""
    pixels = digits[0][:4]
    expected = predictor.infer([Tensor.from_buffer("pixels", DATATYPES["UINT8"], pixels.shape, pixels)])
    client = triton.InferenceServerClient(service.url.removeprefix("http://"))
    for is_binary in (True, False):
        given = triton.InferInput("pixels", pixels.shape, "UINT8").set_data_from_numpy(pixels, is_binary)
        outputs = [triton.InferRequestedOutput(tensor.name, is_binary) for tensor in expected]
        answer = client.infer(NAME, [given], outputs=outputs)
        words = np.vectorize(lambda text: text.decode() if isinstance(text, bytes) else text)
        assert words(answer.as_numpy("labels")).tolist() == to_array(expected[0]).tolist()
        np.testing.assert_allclose(answer.as_numpy("scores"), to_array(expected[1]), rtol=1e-6)
    client.close()
    status, _, body = service.call(
        "POST", f"/models/{NAME}/predict", png(pixels[0]), {"content-type": "image/png"}
    )
    assert status == 200
    assert json.loads(body)["labels"] == to_array(expected[0])[0].tolist()


def test_a_graph_that_differs_from_its_original_is_found_behind_steps(tmp_path: Path) -> None:
    train = TRAIN + (
        "\n_build = build\n"
        "def build():\n"
        "    model = _build()\n"
        "    model.predict_proba = lambda X: type(model).predict_proba(model, X)[:, ::-1]\n"
        "    return model\n"
    )
    with pytest.raises(ProofFailed, match="output 'labels'"):
        build(write(tmp_path / NAME, train=train))
