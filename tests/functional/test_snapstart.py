"""`modelet serve --snapstart`: the predict function in Lambda's runtime client, started from snapshots."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.artifacts import write_version
from support.graphs import add_and_scale, softmax
from support.service import Running, running

from modelet_runtime.manifest import FILE_NAME, FileDigest, Resources, Step

# A model with a generator of its own, which the init leaves in one state for all.
HOOKS = """
import random

from modelet_runtime.steps.base import Answered

random.seed(7)


class Hooks:
    media_types = ("text/plain",)

    def __init__(self, folder, manifest):
        pass

    def encode(self, value):
        return Answered(random.random())

    def decode(self, outputs, context):
        return None
"""
TEXT = {"content-type": "text/plain"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    plain = Resources(snap_start=False)
    for name, resources in (("demo_lucky", Resources()), ("demo_plain", plain)):
        folder = root / name / "versions/1"
        steps = (Step("hook"),)
        manifest = write_version(folder, add_and_scale(), name, input_steps=steps, resources=resources)
        (folder / "hooks.py").write_text(HOOKS)
        digest = FileDigest(hashlib.sha256(HOOKS.encode()).hexdigest(), len(HOOKS))
        manifest = replace(manifest, files={**manifest.files, "hooks.py": digest})
        (folder / FILE_NAME).write_text(json.dumps(manifest.to_dict()))
    write_version(root / "demo_softmax/versions/1", softmax(), "demo_softmax")
    return root


@pytest.fixture
def service(models: Path) -> Iterator[Running]:
    with running(models, "--snapstart") as up:
        yield up


def draw(service: Running, model: str) -> float:
    """A number that the model draws, in an environment that nobody used before."""
    status, _, body = service.call("POST", f"/models/{model}/predict", b"x", TEXT)
    assert status == 200
    return float(json.loads(body))


def test_it_is_initialised_before_it_says_that_it_is_ready(service: Running) -> None:
    early = "".join(service.lines)
    waiting = re.findall(r"(\w+) +INFO +initialised and at its snapshot", early)
    assert waiting == ["demo_lucky", "demo_softmax"]
    # The one whose manifest asks for none is started when it is called.
    assert service.call("POST", "/models/demo_plain/predict", b"x", TEXT)[0] == 200
    while not re.search(r"demo_plain +INFO +cold start in", "".join(service.lines)):
        time.sleep(0.01)


def test_a_restored_environment_draws_numbers_of_its_own(models: Path) -> None:
    drawn: dict[str, list[float]] = {"demo_lucky": [], "demo_plain": []}
    for _ in range(2):
        with running(models, "--snapstart") as service:
            for model, numbers in drawn.items():
                numbers.append(draw(service, model))
    # The seed of the hooks holds without a snapshot, and is what all would share with one.
    assert len(set(drawn["demo_plain"])) == 1
    assert len({*drawn["demo_lucky"], *drawn["demo_plain"]}) == 3


def test_answers_metrics_and_deadlines_after_a_restore(service: Running) -> None:
    row = {"name": "logits", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}
    path = "/v2/models/demo_softmax"
    stats = json.loads(service.call("GET", f"{path}/stats")[2])["model_stats"][0]
    assert (stats["inference_count"], stats["last_inference"]) == (0, 0)
    status, _, body = service.call("POST", f"{path}/infer", json.dumps({"inputs": [row]}).encode())
    assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [0.25] * 4)
    began_ms = time.time() * 1000
    document = {"inputs": [row], "parameters": {"timeout": 1}}
    assert service.call("POST", f"{path}/infer", json.dumps(document).encode())[0] in (200, 504)
    status, _, body = service.call("POST", f"{path}/infer", json.dumps({"inputs": [row]}).encode())
    assert status == 200
    stats = json.loads(service.call("GET", f"{path}/stats")[2])["model_stats"][0]
    assert began_ms - 1 <= stats["last_inference"] <= time.time() * 1000 + 1
    metrics = service.call("GET", "/metrics")[2].decode()
    labels = '{model="demo_softmax",version="1"}'
    assert f"modelet_restores_total{labels} 1.0" in metrics
    assert f"modelet_cold_start_total{labels} 1.0" in metrics
    # Of the init, which nobody waited for: that of the environment itself, and of the one behind it.
    assert re.search(r'modelet_init_ms_count\{model="demo_softmax",version="1"\} [12]\.0', metrics)
