"""What the predict function does around a SnapStart snapshot, in a process of its own as on Lambda."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import graphs
from support.artifacts import write_version
from support.http import predictor
from support.manifests import specs

from modelet_runtime.http.application import Application
from modelet_runtime.ort.deadlines import Deadlines
from modelet_runtime.snapshot import warm_up_requests

ROOT = Path(__file__).parents[3]
SCRIPT = """
import gc, json, random, sys
from awslambdaric import lambda_runtime_hooks_runner as hooks

import handler

class Context:
    aws_request_id = "r"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"

    def get_remaining_time_in_millis(self):
        return 30_000

def send(method, path, body=""):
    http = {"method": method}
    event = {"version": "2.0", "rawPath": path, "body": body,
             "headers": {"content-type": "application/json"},
             "requestContext": {"http": http, "requestId": "1", "stage": "$default"}}
    return handler.handler(event, Context())

random.seed(1)
hooks.run_before_snapshot()
loaded = set(sys.modules)
state = random.getstate()
hooks.run_after_restore()
model = "demo_softmax"
row = {"name": "logits", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}
results = [
    send("GET", f"/v2/models/{model}/stats"),
    send("POST", f"/v2/models/{model}/infer", json.dumps({"inputs": [row]})),
    send("POST", f"/v1/models/{model}:predict", '{"instances": [[0, 0, 0, 0]]}'),
    send("POST", f"/models/{model}/predict", "[0, 0, 0, 0]"),
]
stats = json.loads(results[0]["body"])["model_stats"][0]
print("RESULT", json.dumps({
    "statuses": [r["statusCode"] for r in results],
    "counted_before": [stats["execution_count"], stats["last_inference"], stats["inference_stats"]["fail"]],
    "imported_by_requests": sorted(set(sys.modules) - loaded),
    "is_frozen": gc.get_freeze_count() > 1000,
    "has_fresh_randomness": random.getstate() != state,
}))
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("version")
    write_version(folder, graphs.softmax(), "demo_softmax")
    environment = {
        **os.environ,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "MODELET_MODEL_DIR": str(folder),
        "PYTHONPATH": f"{ROOT / 'layers/runtime'}:{ROOT / 'functions/predict'}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def outcome(lines: list[str]) -> dict[str, object]:
    [line] = [line for line in lines if line.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


@pytest.fixture(scope="module")
def blobs(lines: list[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_requests_are_answered_after_a_restore(outcome):
    assert outcome["statuses"] == [200] * 4


def test_the_warm_up_is_not_counted(outcome):
    assert outcome["counted_before"] == [0, 0, {"count": 0, "ns": 0}]


def test_nothing_is_left_to_be_imported_by_the_first_requests(outcome):
    assert outcome["imported_by_requests"] == []


def test_what_is_loaded_is_out_of_the_collectors_reach(outcome):
    assert outcome["is_frozen"] is True


def test_random_numbers_are_not_those_of_the_snapshot(outcome):
    assert outcome["has_fresh_randomness"] is True


def test_the_init_is_reported_when_the_snapshot_is_taken(blobs):
    assert 0 < blobs[0]["session_load_ms"] <= blobs[0]["init_ms"]
    assert "requests" not in blobs[0]


def test_the_first_request_reports_a_restore_and_no_init(blobs):
    first, *later = blobs[1:]
    assert (first["cold_start"], first["restores"]) == (1, 1)
    assert not {"init_ms", "session_load_ms"} & set(first)
    assert [(blob["cold_start"], "restores" in blob) for blob in later] == [(0, False)] * 3


@pytest.mark.parametrize(
    "inputs",
    [
        specs(x=("FP32", -1, 3)),
        specs(x=("BYTES", -1), y=("BOOL", -1, 2), z=("INT64", -1, 0)),
        specs(x=("FP64",)),
        specs(x=("UINT8", -1, 4, 4, 3)),
    ],
)
def test_warm_ups_are_what_the_model_takes(inputs):
    model = predictor(inputs, inputs, lambda given: list(given.values()))
    infer, *others = [request for request in warm_up_requests(model) if request.body]
    assert Application(model)(infer).status == 200
    assert [Application(model)(request).status for request in others] == [200, 200]


def test_what_json_cannot_carry_is_warmed_up_in_binary_only():
    of_half = specs(x=("FP16", -1, 2))
    model = predictor(of_half, of_half, lambda given: list(given.values()))
    statuses = [Application(model)(request).status for request in warm_up_requests(model) if request.body]
    assert statuses == [200, 400, 400]
    of_many = specs(x=("FP32", -1, 1_000_001))
    large = predictor(of_many, of_many, lambda given: list(given.values()))
    assert len([request for request in warm_up_requests(large) if request.body]) == 1


def test_an_endpoint_is_not_woken_for_it():
    model = predictor(*2 * (specs(x=("FP32", -1, 3)),))
    assert [request.method for request in warm_up_requests(model, may_infer=False)] == ["GET"]


def test_no_deadline_sleeps_through_a_snapshot():
    class Task:
        def expire(self):
            raise AssertionError

    deadlines = Deadlines()
    task = Task()
    deadlines.add(task, 3600)
    while deadlines._sleeps_until == float("inf"):
        pass
    deadlines.remove(task)
    assert deadlines._sleeps_until < float("inf")
    deadlines.settle()
    while deadlines._sleeps_until != float("inf"):
        pass
