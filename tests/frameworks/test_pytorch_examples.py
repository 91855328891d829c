"""The examples that PyTorch makes, as `modelet serve` answers for them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from support.service import Running, running
from tritonclient import http as triton

from modelet.build.arrays import to_array
from modelet.golden import Golden
from modelet.local.endpoint.installation import Installation
from modelet.repository import Repository, served_version

MODELS = Path(__file__).parents[2] / "model_artifacts"
CATS = {"Egyptian cat", "tabby", "tiger cat"}
DIGEST = """
from hashlib import sha256
from train import weights
print(sha256(b"".join(tensor.numpy().tobytes() for tensor in weights().values())).hexdigest())
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(MODELS) as up:
        yield up


def ask(service: Running, model: str, body: bytes, media_type: str):
    headers = {"content-type": media_type}
    status, _, answer = service.call("POST", f"/models/{model}/predict", body, headers)
    assert status == 200, answer
    return json.loads(answer)


def passport(model: str):
    version = served_version(Repository(MODELS).model(model))
    assert version is not None, f"`modelet build {model}` comes first"
    return json.loads((version.folder / "passport.json").read_bytes())


def photo(name: str) -> bytes:
    return files("skimage.data").joinpath(name).read_bytes()


class TestImageLabel:
    @pytest.mark.parametrize(
        ("name", "classes"),
        [
            ("coffee.png", {"espresso"}),
            ("camera.png", {"tripod"}),
            ("chelsea.png", CATS),
            ("rocket.jpg", {"missile", "projectile"}),
            ("motorcycle_left.png", {"moped", "motor scooter"}),
        ],
    )
    def test_photos_as_they_are(self, service, name, classes):
        media_type = "image/jpeg" if name.endswith("jpg") else "image/png"
        answer = ask(service, "image_label", photo(name), media_type)
        assert answer["label"] in classes
        assert len(answer["scores"]) == 5
        assert answer["score"] == max(answer["scores"].values())

    def test_a_mirrored_cut(self, service, tmp_path):
        with files("skimage.data").joinpath("chelsea.png").open("rb") as file:
            cat = ImageOps.mirror(Image.open(file).crop((60, 0, 400, 300)))
        cat.save(tmp_path / "cat.jpg")
        assert ask(service, "image_label", (tmp_path / "cat.jpg").read_bytes(), "image/jpeg")["label"] in CATS

    def test_the_graph_takes_bytes_and_answers_probabilities(self, service):
        """As a client of the Open Inference Protocol has it, and Triton: no floats in the request."""
        with files("skimage.data").joinpath("coffee.png").open("rb") as file:
            pixels = np.asarray(ImageOps.fit(Image.open(file), (224, 224)))
        tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 224, 224, 3]}
        body = json.dumps({"inputs": [{**tensor, "data": pixels.reshape(-1).tolist()}]}).encode()
        status, _, answer = service.call("POST", "/v2/models/image_label/infer", body)
        assert status == 200, answer
        [output] = json.loads(answer)["outputs"]
        assert (output["name"], output["shape"]) == ("probabilities", [1, 1000])
        assert sum(output["data"]) == pytest.approx(1, abs=1e-4)
        labels = (MODELS / "image_label" / "labels.txt").read_text().splitlines()
        assert labels[int(np.argmax(output["data"]))] == "espresso"


class TestSentenceEmbedding:
    def vectors(self, service, texts):
        answer = ask(service, "sentence_embedding", json.dumps(texts).encode(), "application/json")
        return np.array(answer["predictions"])

    def test_texts_of_like_meaning_are_near(self, service):
        texts = [
            "How do I bake bread?",
            "What is a good recipe for a loaf?",
            "The stock market fell sharply today.",
            "Shares lost much of their value this afternoon.",
        ]
        vectors = self.vectors(service, texts)
        assert vectors.shape == (4, 384)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -1)
        assert cosines.argmax(axis=1).tolist() == [1, 0, 3, 2]

    def test_one_text_as_it_is(self, service):
        text = "How do I bake bread?"
        one = np.array(ask(service, "sentence_embedding", text.encode(), "text/plain"))
        assert one @ self.vectors(service, [text])[0] > 0.999

    def test_what_runs_beside_changes_little(self, service):
        """Dynamic int8 has one range for all rows of a run; the model card says so."""
        texts = ["Bread.", "How long does the bread have to stay in the oven?", "bread " * 200]
        together = self.vectors(service, texts)
        for text, vector in zip(texts, together, strict=True):
            assert self.vectors(service, [text])[0] @ vector > 0.97

    @pytest.mark.parametrize("text", ["", "a", "word " * 1000])
    def test_texts_of_any_length(self, service, text):
        vector = np.array(ask(service, "sentence_embedding", text.encode(), "text/plain"))
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


class TestMlpTorch:
    def test_samples_as_csv(self, service):
        body = (MODELS / "mlp_torch" / "samples" / "samples.csv").read_bytes()
        answers = ask(service, "mlp_torch", body, "text/csv")["predictions"]
        assert [answer["label"] for answer in answers] == ["benign", "malignant", "malignant"]

    @pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
    def test_triton_gives_what_pytorch_gives(self, service, binary):
        assert Installation.find() is not None, "there is no Triton server: run `make install-gpu-local`"
        version = served_version(Repository(MODELS).model("mlp_torch"))
        golden = Golden.load(version.folder)
        client = triton.InferenceServerClient(service.url.removeprefix("http://"))
        for case in golden.cases:
            inputs = [triton.InferInput(t.name, t.shape, t.datatype.name) for t in case.inputs]
            for given, tensor in zip(inputs, case.inputs, strict=True):
                given.set_data_from_numpy(to_array(tensor), binary_data=binary)
            outputs = [triton.InferRequestedOutput(t.name, binary_data=binary) for t in case.outputs]
            answer = client.infer("mlp_torch", inputs, outputs=outputs)
            assert "served_by" not in answer.get_response().get("parameters", {})
            for expected in case.outputs:
                ours = answer.as_numpy(expected.name)
                tolerance = golden.tolerance
                np.testing.assert_allclose(ours, to_array(expected), rtol=tolerance.rtol, atol=tolerance.atol)
        client.close()

    def test_the_held_out_samples(self):
        [served] = [
            c for c in passport("mlp_torch")["candidates"] if c["name"] == winner("mlp_torch")["name"]
        ]
        assert served["accuracy"]["accuracy"] >= 0.94

    def test_every_cpu_learns_the_same_weights(self):
        """Others' kernels stand for other CPUs."""
        kernels = [
            {"OMP_NUM_THREADS": "2"},
            {"OMP_NUM_THREADS": "1", "MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default"},
            {"OMP_NUM_THREADS": "1", "MKL_CBWR": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
        ]
        digests = {
            subprocess.check_output(
                [sys.executable, "-B", "-c", DIGEST], cwd=MODELS / "mlp_torch", env={**os.environ, **chosen}
            )
            for chosen in kernels
        }
        assert len(digests) == 1


def winner(model: str):
    return passport(model)["winner"]


@pytest.mark.parametrize("model", ["image_label", "sentence_embedding"])
def test_what_int8_gains_is_in_the_passport(model):
    """The figures of the machine that built the version, side by side in one run."""
    document = passport(model)
    candidates = {candidate["name"]: candidate for candidate in document["candidates"]}
    served, plain = candidates[document["winner"]["name"]], candidates["fp32"]
    assert document["passed"]
    assert served["precision"].startswith("int8")
    assert served["bytes"] <= 0.30 * plain["bytes"]
    assert not document["machine"]["vnni"] or served["race"]["ratio"] <= 0.6


@pytest.mark.parametrize("model", ["image_label", "sentence_embedding", "mlp_torch"])
def test_the_original_is_a_network_of_pytorch(model):
    version = served_version(Repository(MODELS).model(model))
    assert version is not None
    assert version.manifest.source.kind == "torch"
    assert version.manifest.signature.has_batch_axis
    [output] = passport(model)["parity"]
    assert output["outside_tolerance"] == 0
