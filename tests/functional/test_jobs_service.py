"""Jobs and uploads as callers meet them: the real service, with S3 and DynamoDB emulated."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support import graphs
from support.artifacts import write_version
from support.service import Running, running

from modelet_runtime.manifest import Step

_SERVE = """
import sys
from pathlib import Path
from modelet.local.aws.batches import BatchSettings
from modelet.local.service import serve
serve(Path(sys.argv[1]), int(sys.argv[2]), batch=BatchSettings(0), webhook=sys.argv[3])
"""
# The body is a text; the name of a folder makes it slow the first time, and `fail` makes it fail.
_HOOKS = """
import os, time
from pathlib import Path
from modelet_runtime.steps.base import Answered

class Hooks:
    media_types = ("text/plain",)

    def __init__(self, folder, manifest):
        pass

    def encode(self, value):
        if value == "fail":
            raise RuntimeError("on purpose")
        if value.startswith("/"):
            tries = Path(value)
            (tries / str(os.getpid())).touch()
            if len(list(tries.iterdir())) == 1:
                time.sleep(60)
        return Answered({"length": len(value)})

    def decode(self, outputs, context):
        return None
"""
ASYNC = {"prefer": "respond-async"}
JSON = {"content-type": "application/json"}
ROW = {"name": "logits", "shape": [1, 4], "datatype": "FP32"}
_PATIENCE_S = 60


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, list[Any]]]:
    """A webhook: its URL, and what it has heard."""
    heard: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/jobs", heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, told: tuple[str, list[Any]]) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    write_version(models / "demo_softmax/versions/1", graphs.softmax(), "demo_softmax")
    steps = {"input_steps": (Step("hook"),), "output_steps": (Step("hook"),)}
    assets = {"hooks.py": _HOOKS.encode()}
    write_version(models / "demo_text/versions/1", graphs.identity(), "demo_text", assets, **steps)
    with running(models, told[0], script=_SERVE) as up:
        yield up


def submit(
    service: Running, path: str, body: bytes, headers: Mapping[str, str] = ASYNC, method: str = "POST"
) -> str:
    """Ask for a job; gives its location."""
    status, answered, text = service.call(method, path, body, headers)
    assert status == 202, text
    assert answered["retry-after"] == "1"
    assert json.loads(text)["job"]["id"] in answered["location"]
    return answered["location"]


def ended(service: Running, location: str) -> dict[str, Any]:
    """Poll a job until it has ended."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        status, _, text = service.call("GET", location)
        assert status == 200, text
        job: dict[str, Any] = json.loads(text)["job"]
        if job["state"] in ("succeeded", "failed"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"{location} has not ended: {job}\n{''.join(service.lines[-30:])}")


def fetched(result: Mapping[str, Any]) -> bytes:
    """The body of a result that is at a URL."""
    with urllib.request.urlopen(result["url"], timeout=30) as response:
        body: bytes = response.read()
    assert len(body) == result["bytes"]
    return body


def upload(service: Running, body: bytes, media_type: str) -> str:
    """Upload a body as the service says; gives the upload's id."""
    status, _, text = service.call("POST", "/uploads")
    assert status == 201, text
    place = json.loads(text)
    boundary = uuid.uuid4().hex
    fields = {**place["fields"], "Content-Type": media_type}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    data = "".join([*parts, file]).encode() + body + f"\r\n--{boundary}--\r\n".encode()
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(place["url"], data, headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 204
    return str(place["upload"])


def modelet(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-c", "from modelet.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def json_row() -> bytes:
    return json.dumps({"inputs": [{**ROW, "data": [0, 1, 2, 3]}]}).encode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/demo_softmax/infer", json_row()),
        ("/v2/models/demo_softmax/versions/1/infer/", json_row()),
        ("/v1/models/demo_softmax:predict", b'{"instances": [[0, 1, 2, 3]]}'),
        ("/v1/models/demo_softmax/labels/live:predict", b'{"instances": [[0, 1, 2, 3]]}'),
        ("/models/demo_softmax/predict", b"[0, 1, 2, 3]"),
    ],
)
def test_a_job_answers_as_the_request_would(service: Running, path: str, body: bytes) -> None:
    job = ended(service, submit(service, path, body, {**ASYNC, **JSON}))
    status, headers, text = service.call("POST", path, body, JSON)
    assert (job["state"], job["attempts"], job["model"]) == ("succeeded", 1, "demo_softmax")
    assert job["result"]["status"] == status == 200
    assert job["result"]["body"] == json.loads(text)
    assert job["result"]["headers"]["content-type"] == headers["content-type"]


def test_a_binary_job_answers_as_the_request_would(service: Running) -> None:
    path = "/v2/models/demo_softmax/infer"
    raw = struct.pack("<4f", 0, 1, 2, 3)
    document = {
        "inputs": [{**ROW, "parameters": {"binary_data_size": 16}}],
        "parameters": {"binary_data_output": True},
    }
    header = json.dumps(document).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(header)),
    }
    job = ended(service, submit(service, path, header + raw, {**ASYNC, **headers}))
    status, answered, body = service.call("POST", path, header + raw, headers)
    assert status == 200
    assert fetched(job["result"]) == body
    name = "inference-header-content-length"
    assert job["result"]["headers"][name] == answered[name]


def test_a_mistake_is_the_jobs_result(service: Running) -> None:
    job = ended(service, submit(service, "/v2/models/demo_softmax/infer", b"{}"))
    assert (job["state"], job["result"]["status"], job["attempts"]) == ("failed", 400, 1)
    assert job["result"]["body"]["error"] == job["error"]


def test_a_model_that_fails_each_time_is_a_failed_job(service: Running) -> None:
    job = ended(
        service,
        submit(service, "/models/demo_text/predict", b"fail", {**ASYNC, "content-type": "text/plain"}),
    )
    assert (job["state"], job["result"]["status"], job["attempts"]) == ("failed", 500, 3)


def test_a_wrong_route_is_refused_at_once(service: Running) -> None:
    for path in ("/v2/models/none/infer", "/models/demo_softmax/versions/9/predict"):
        assert service.call("POST", path, b"{}", ASYNC)[0] == 404


def test_one_key_is_one_run(service: Running, tmp_path: Path) -> None:
    path, plain = "/models/demo_text/predict", {"content-type": "text/plain"}
    headers = {**plain, "idempotency-key": str(uuid.uuid4())}
    first = submit(service, path, b"abc", headers, "PUT")
    assert submit(service, path, b"abc", {**headers, **ASYNC}) == first
    job = ended(service, first)
    assert (job["result"]["body"], job["attempts"]) == ({"length": 3}, 1)
    assert submit(service, path, b"abc", headers, "PUT") == first
    status, _, text = service.call("PUT", path, b"other", headers)
    assert (status, json.loads(text)["code"]) == (409, "conflict")
    assert service.call("PUT", path, b"abc", plain)[0] == 400


def test_a_body_of_more_than_lambda_takes(service: Running) -> None:
    body = b"a" * 7_000_000
    status, _, text = service.call("POST", "/models/demo_text/predict", body, {"content-type": "text/plain"})
    assert status == 413
    assert b"/uploads" in text
    path = f"/models/demo_text/predict?upload={upload(service, body, 'text/plain')}"
    status, _, text = service.call("POST", path, b"")
    assert (status, json.loads(text)) == (200, {"length": 7_000_000})
    job = ended(service, submit(service, path, b""))
    assert job["result"]["body"] == {"length": 7_000_000}


def test_an_answer_of_more_than_lambda_gives(service: Running) -> None:
    rows = 450_000
    raw = struct.pack("<4f", 0, 0, 0, 0) * rows
    name = upload(service, raw, "application/octet-stream")
    path = f"/v2/models/demo_softmax/infer?upload={name}"
    headers = {"inference-header-content-length": "0"}
    assert service.call("POST", path, b"", headers)[0] == 413
    job = ended(service, submit(service, path, b"", {**headers, **ASYNC}))
    answer = fetched(job["result"])
    assert answer.endswith(struct.pack("<4f", 0.25, 0.25, 0.25, 0.25) * rows)


def test_a_function_that_is_killed_in_mid_job_loses_nothing(service: Running, tmp_path: Path) -> None:
    body, headers = str(tmp_path).encode(), {**ASYNC, "content-type": "text/plain"}
    location = submit(service, "/models/demo_text/predict", body, headers)
    deadline_s = time.monotonic() + _PATIENCE_S
    while not (tries := list(tmp_path.iterdir())):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    assert json.loads(service.call("GET", location)[2])["job"]["state"] == "running"
    os.kill(int(tries[0].name), signal.SIGKILL)
    job = ended(service, location)
    assert (job["state"], job["attempts"]) == ("succeeded", 2)
    assert job["result"]["body"] == {"length": len(body)}


def test_the_webhook_hears_of_every_end(service: Running, told: tuple[str, list[Any]]) -> None:
    location = submit(service, "/models/demo_softmax/predict", b"[0, 1, 2, 3]", {**ASYNC, **JSON})
    name = location.removeprefix("/jobs/")

    def of_job() -> list[Any]:
        return [each["job"] for each in told[1] if each["job"]["id"] == name]

    deadline_s = time.monotonic() + _PATIENCE_S
    while not of_job():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    [job] = of_job()
    assert job["state"] == "succeeded"
    assert "result" not in job


@pytest.mark.parametrize("name", ["f" * 32, "f" * 32 + "/", "x", "%2e%2e%2f", "F" * 32, "-1"])
def test_unknown_jobs_are_not_there(service: Running, name: str) -> None:
    status, _, text = service.call("GET", f"/jobs/{name}")
    assert (status, json.loads(text)["code"]) == (404, "not_found")


@pytest.mark.parametrize(("name", "status"), [("f" * 32, 404), ("x", 400), ("..%2F..%2Fjobs", 400)])
def test_unknown_uploads_are_refused(service: Running, name: str, status: int) -> None:
    path = f"/models/demo_text/predict?upload={name}"
    assert service.call("POST", path, b"")[0] == status
    assert service.call("POST", path, b"", ASYNC)[0] == status


def test_the_document_has_jobs(service: Running) -> None:
    document = json.loads(service.call("GET", "/openapi.json")[2])
    assert {"/jobs/{job}", "/uploads"} <= document["paths"].keys()


@pytest.mark.parametrize("size", [5, 5_000_000])
def test_the_command_waits_for_its_job(service: Running, tmp_path: Path, size: int) -> None:
    file = tmp_path / "body.txt"
    file.write_bytes(b"a" * size)
    done = modelet("predict", "demo_text", str(file), "--url", service.url, "--async")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"length": size}), done.stderr
    assert "succeeded" in done.stderr


def test_the_command_says_why_a_job_failed(service: Running, tmp_path: Path) -> None:
    file = tmp_path / "body.csv"
    file.write_bytes(b"1,2")
    done = modelet("predict", "demo_softmax", str(file), "--url", service.url, "--async")
    assert done.returncode == 1
    assert "the model answers 400" in done.stderr
