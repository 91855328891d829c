"""The whole chain as people start it: HTTP, function, SageMaker's runtime API, Triton; beside it the CPU."""

import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from support.graphs import perceptron
from support.service import Running, running
from support.sources import write_model, write_recipe
from tritonclient import http as triton

from modelet.build.pipeline import build

RANDOM = np.random.default_rng(3)
FEATURES = RANDOM.normal(size=(5, 4)).astype(np.float32)
PICTURES = RANDOM.integers(0, 256, size=(3, 64), dtype=np.uint8)
LABELS = ["malignant", "benign", "neither"]
COLUMNS = {"name": "table", "columns": ["radius", "texture", "area", "symmetry"]}
TRAIN = """
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

def build():
    X, y = load_digits(return_X_y=True)
    return LogisticRegression(C=0.1, max_iter=500).fit(X[::8] / 16 - 0.5, y[::8])
"""
DIGIT = [
    {"name": "image", "mode": "L", "width": 8, "height": 8},
    {"name": "pixels", "rename": "pixels"},
    {"name": "scale", "divisor": 255, "offset": -0.5},
]
CLASSES = [
    {"name": "top_k", "k": 3},
    {"name": "class_names", "output": "classes", "rename": "labels"},
    {"name": "select", "outputs": ["labels", "scores"]},
]
REALTIME = {"max_batch_size": 32, "preferred_batch_sizes": [8, 32], "queue_delay_us": 2000}
ASYNC = {"mode": "async", "min_instances": 0, "cpu_twin": False}
PLACES: Mapping[str, dict[str, Any]] = {
    "gpu": {"model": {"target": "gpu"}, "endpoint": REALTIME},
    "queue": {"model": {"target": "gpu"}, "endpoint": ASYNC},
    "cpu": {"model": {}},
}
SERVE = """
import sys
from pathlib import Path
from modelet.local.aws.batches import BatchSettings
from modelet.local.endpoint.endpoints import EndpointSettings
from modelet.local.service import serve
endpoint = EndpointSettings(idle_s=0.5, wake_s=0.5)
serve(Path(sys.argv[1]), int(sys.argv[2]), batch=BatchSettings(0), endpoint=endpoint)
"""


def write(models: Path) -> None:
    """A table's model and a picture's, each in all places."""
    for place, sections in PLACES.items():
        rest = {name: keys for name, keys in sections.items() if name != "model"}
        steps = {"input": {"steps": [COLUMNS]}, "output": {"steps": [{"name": "labels"}]}}
        about = {**sections["model"], "labels": LABELS}
        build(write_model(models / f"cells_{place}", perceptron(), model=about, **rest, **steps))
        folder = models / f"digit_{place}"
        folder.mkdir()
        (folder / "train.py").write_text(TRAIN)
        about = {**sections["model"], "labels": [str(digit) for digit in range(10)]}
        steps = {"input": {"steps": DIGIT}, "output": {"steps": CLASSES}}
        build(write_recipe(folder, "train.py:build", model=about, **rest, **steps))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[Running]:
    """The graphs behind an endpoint, behind one that goes to zero, and in their functions."""
    with running(models, script=SERVE) as service:
        yield service


def tensors(kind: str, *, binary: bool) -> tuple[list[triton.InferInput], list[triton.InferRequestedOutput]]:
    """What Triton's client sends to a model, and what it wants back."""
    name, values, datatype, outputs = {
        "cells": ("features", FEATURES, "FP32", ["probabilities"]),
        "digit": ("pixels", PICTURES, "UINT8", ["labels", "scores"]),
    }[kind]
    given = triton.InferInput(name, values.shape, datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return [given], [triton.InferRequestedOutput(output, binary_data=binary) for output in outputs]


def infer(service: Running, model: str, *, binary: bool) -> triton.InferResult:
    inputs, outputs = tensors(model.partition("_")[0], binary=binary)
    client = triton.InferenceServerClient(service.url.removeprefix("http://"))
    try:
        return client.infer(model, inputs, outputs=outputs)
    finally:
        client.close()


def infer_later(service: Running, model: str, *, binary: bool, **headers: str) -> triton.InferResult:
    """The same by a job, with the bodies that Triton's client writes and reads."""
    inputs, outputs = tensors(model.partition("_")[0], binary=binary)
    body, length = triton.InferenceServerClient.generate_request_body(inputs, outputs=outputs)
    asked = {**headers, **({"inference-header-content-length": str(length)} if length else {})}
    status, answered, text = service.call("POST", f"/v2/models/{model}/infer", body, asked)
    assert status == 202, text
    result = ended(service, answered["location"])["result"]
    found = json.dumps(result["body"]).encode() if "body" in result else read(result["url"])
    size = result["headers"].get("inference-header-content-length")
    return triton.InferenceServerClient.parse_response_body(found, header_length=int(size) if size else None)


def ended(service: Running, location: str) -> dict[str, Any]:
    """The job once it has ended, and well."""
    for _ in range(600):
        status, _, text = service.call("GET", location)
        assert status == 200, text
        job: dict[str, Any] = json.loads(text)["job"]
        if job["state"] in ("succeeded", "failed"):
            assert job["state"] == "succeeded", job
            return job
        time.sleep(0.1)
    raise AssertionError(f"{location} has not ended: {job}\n{''.join(service.lines[-30:])}")


def read(url: str) -> bytes:
    with urlopen(url, timeout=30) as response:
        body: bytes = response.read()
        return body


def assert_same(kind: str, ours: triton.InferResult, cpu: triton.InferResult) -> None:
    [floats] = ["probabilities"] if kind == "cells" else ["scores"]
    np.testing.assert_allclose(ours.as_numpy(floats), cpu.as_numpy(floats), rtol=1e-5, atol=1e-6)
    if kind == "digit":
        assert ours.as_numpy("labels").tolist() == cpu.as_numpy("labels").tolist()
    assert "parameters" not in ours.get_response()


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("kind", ["cells", "digit"])
def test_triton_s_own_client_gets_what_the_cpu_gives(service: Running, kind: str, binary: bool):
    cpu = infer(service, f"{kind}_cpu", binary=binary)

    assert_same(kind, infer(service, f"{kind}_gpu", binary=binary), cpu)
    assert_same(kind, infer_later(service, f"{kind}_gpu", binary=binary, prefer="respond-async"), cpu)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("kind", ["cells", "digit"])
def test_an_asynchronous_endpoint_gives_it_later_and_from_zero(service: Running, kind: str, binary: bool):
    cpu = infer(service, f"{kind}_cpu", binary=binary)

    assert_same(kind, infer_later(service, f"{kind}_queue", binary=binary), cpu)
    time.sleep(0.6)  # goes to zero
    assert_same(kind, infer_later(service, f"{kind}_queue", binary=binary), cpu)


def test_a_picture_and_a_record_are_answered_as_on_the_cpu(service: Running):
    file = io.BytesIO()
    Image.fromarray(load_digits().images[1].astype(np.uint8) * 15).save(file, "PNG")
    record = json.dumps({"radius": 1, "texture": 2, "area": 3, "symmetry": 4}).encode()
    bodies = {"digit": (file.getvalue(), "image/png"), "cells": (record, "application/json")}
    for kind, (body, media_type) in bodies.items():
        status, _, text = service.call(
            "POST", f"/models/{kind}_cpu/predict", body, {"content-type": media_type}
        )
        assert status == 200, text
        expected = json.loads(text)
        _, _, text = service.call("POST", f"/models/{kind}_gpu/predict", body, {"content-type": media_type})
        assert near(json.loads(text), expected), kind
        status, headers, text = service.call(
            "POST", f"/models/{kind}_queue/predict", body, {"content-type": media_type}
        )
        assert status == 202, text
        assert near(ended(service, headers["location"])["result"]["body"], expected), kind


def test_every_protocol_and_its_errors_are_those_of_the_cpu(service: Running):
    for path, document in [
        ("/v1/models/{}:predict", {"instances": FEATURES.tolist()}),
        ("/models/{}/predict", {"instances": FEATURES.tolist()}),
        ("/models/{}/predict", FEATURES[0].tolist()),
        ("/v2/models/{}/infer", {"inputs": []}),
        ("/v1/models/{}:predict", {"instances": [[1, 2]]}),
    ]:
        answers = [
            service.call(
                "POST", path.format(name), json.dumps(document).encode(), {"content-type": "application/json"}
            )
            for name in ("cells_gpu", "cells_cpu")
        ]
        (status, _, body), (cpu_status, _, cpu_body) = answers
        assert status == cpu_status, path
        given, expected = json.loads(body), json.loads(cpu_body)
        given.pop("request_id", None), expected.pop("request_id", None)
        assert near(given, expected), path


def near(a: object, b: object) -> bool:
    """Whether two documents are the same but for rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(near(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(near, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-5
    return a == b


def test_v2_says_nothing_of_twins_while_triton_serves(service: Running):
    _, _, body = service.call("GET", "/v2")

    assert "parameters" not in json.loads(body)


def test_without_triton_v2_says_whom_the_cpu_twin_serves(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MODELET_TRITON", str(tmp_path))
    with running(models, script=SERVE) as alone:
        status, _, body = alone.call("GET", "/v2")
        assert status == 200
        expected = {f"{kind}_{place}": "cpu" for kind in ("cells", "digit") for place in ("gpu", "queue")}
        assert json.loads(body)["parameters"] == {"served_by": expected}
        document = json.dumps({"instances": FEATURES.tolist()}).encode()
        status, _, body = alone.call("POST", "/v1/models/cells_queue:predict", document)
        assert status == 200, body


def test_when_the_server_is_gone_the_twin_answers_and_says_so(service: Running):
    """Last in this file: nothing starts the server again."""
    [server] = [pid for pid in service.descendants() if b"tritonserver" in command(pid)]
    row = {"name": "features", "shape": [1, 4], "datatype": "FP32", "data": FEATURES[0].tolist()}
    document = json.dumps({"inputs": [row]}).encode()
    _, _, body = service.call("POST", "/v2/models/cells_cpu/infer", document)
    expected = json.loads(body)["outputs"][0]["data"]
    outcomes: list[tuple[int, dict]] = []

    def ask() -> None:
        for _ in range(20):
            status, _, body = service.call("POST", "/v2/models/cells_gpu/infer", document)
            outcomes.append((status, json.loads(body)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    os.kill(server, signal.SIGKILL)
    for thread in threads:
        thread.join()
    ask()

    assert {status for status, _ in outcomes} == {200}
    assert outcomes[-1][1]["parameters"] == {"served_by": "cpu"}
    assert all(near(answer["outputs"][0]["data"], expected) for _, answer in outcomes)


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
