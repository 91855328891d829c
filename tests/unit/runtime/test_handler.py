"""The handler as Lambda runs it: in a process of its own, which imports what it imports there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import graphs
from support.artifacts import write_version

ROOT = Path(__file__).parents[3]

# Imported by the toolchain and by tests, never on the online path: they decide the cold start.
FORBIDDEN = (
    *("numpy", "onnxruntime", "onnx", "pydantic", "boto3", "botocore", "aws_xray_sdk", "PIL", "modelet"),
    "aws_lambda_powertools",
)

SCRIPT = """
import base64, io, json, struct, sys

import handler

class Context:
    aws_request_id = "r"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"

    def get_remaining_time_in_millis(self):
        return 30_000

def send(method, path, body=b"", **headers):
    return handler.handler(
        {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"http": {"method": method}, "requestId": "1", "stage": "$default"},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        },
        Context(),
    )

row = {"name": "logits", "shape": [1, 4], "datatype": "FP32"}
raw = struct.pack("<4f", 0, 0, 0, 0)
npy = b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", 118)
npy += b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4), }".ljust(117) + b"\\n" + raw
header = json.dumps({"inputs": [{**row, "parameters": {"binary_data_size": 16}}]}).encode()
model = "/v2/models/demo_softmax"
results = [
    send("GET", "/v2"),
    send("GET", model),
    send("GET", model + "/stats"),
    send("POST", model + "/infer", json.dumps({"inputs": [{**row, "data": [0, 0, 0, 0]}]}).encode()),
    send("POST", model + "/infer", header + raw, inference_header_content_length=str(len(header))),
    send("POST", model + "/infer", raw, inference_header_content_length="0"),
    send("POST", "/v1/models/demo_softmax/labels/live:predict", b'{"instances": [[0, 0, 0, NaN]]}'),
    send("POST", "/models/demo_softmax/predict", b"[0, 0, 0, 0]", content_type="application/json"),
    send("POST", "/models/demo_softmax/predict", npy, content_type="application/x-npy"),
    send("POST", "/invocations", b'{"instances": [[0, 0, 0, 0]]}'),
    send("POST", "/invocations", b"{"),
]
print("RESULT", json.dumps({"statuses": [r["statusCode"] for r in results], "modules": sorted(sys.modules)}))
"""


def run(folder, *arguments):
    environment = {
        **os.environ,
        "MODELET_MODEL_DIR": str(folder),
        "MODELET_JOBS_TABLE": "jobs",
        "MODELET_JOBS_BUCKET": "bucket",
        "AWS_LAMBDA_FUNCTION_NAME": "demo",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "PYTHONPATH": f"{ROOT / 'layers/runtime'}:{ROOT / 'functions/predict'}",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, check=False, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version")
    write_version(folder, graphs.softmax(), "demo_softmax")
    process = run(folder, "-W", "error", "-c", SCRIPT)
    assert process.returncode == 0, process.stderr
    [line] = [line for line in process.stdout.splitlines() if line.startswith("RESULT ")]
    return process, json.loads(line.removeprefix("RESULT "))


def test_every_protocol_is_answered(outcome):
    assert outcome[1]["statuses"] == [200] * 10 + [400]


def test_none_of_the_heavy_packages_is_imported(outcome):
    imported = {name.partition(".")[0] for name in outcome[1]["modules"]}
    assert imported.isdisjoint(FORBIDDEN)


def test_each_request_writes_one_line_of_metrics(outcome):
    blobs = [json.loads(line) for line in outcome[0].stdout.splitlines() if line.startswith("{")]
    assert [blob["status"] for blob in blobs] == [200] * 10 + [400]
    assert [blob["cold_start"] for blob in blobs] == [1] + [0] * 10
    assert outcome[0].stderr == ""


def test_a_broken_artifact_fails_init_and_says_why(tmp_path):
    write_version(tmp_path, graphs.softmax(), "demo_softmax")
    (tmp_path / "model.ort").write_bytes(b"")
    process = run(tmp_path, "-c", "import handler")
    assert process.returncode != 0
    assert "ArtifactError" in process.stderr.splitlines()[-1]
    assert "model.ort: expected sha256" in process.stderr
