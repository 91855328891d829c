"""The service as a person has it: one command, real artifacts, the clients that others wrote."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from onnx import TensorProto
from support.artifacts import write_version
from support.graphs import add_and_scale, identity, softmax, table_lookup
from support.lambdas import is_alive
from support.service import SERVE, Running, running

from modelet_runtime.manifest import Resources, Step

JSON = {"content-type": "application/json"}
CURL = shutil.which("curl")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models as `modelet build` leaves it; one of them in two versions."""
    root = tmp_path_factory.mktemp("models")

    def add(name: str, proto, version: int = 1, **changes) -> None:
        write_version(root / name / "versions" / str(version), proto, name, version=version, **changes)

    add("demo_sum", add_and_scale())
    add("demo_text", identity(TensorProto.STRING, ("n", 2)))
    add("demo_lookup", table_lookup(), resources=Resources(max_concurrency=1))
    labels = {"labels": ("cat", "dog", "<i>"), "output_steps": (Step("labels"),)}
    add("demo_label", softmax(3), **labels)
    add("demo_label", softmax(3), version=3, description="Ends </script> here & <b>there</b>.", **labels)
    add("demo_wide", identity(TensorProto.UINT8, ("n",)))
    (root / "unbuilt_model" / "versions").mkdir(parents=True)
    return root


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[Running]:
    with running(models) as up:
        yield up


@pytest.fixture
def client(service: Running) -> Iterator[triton.InferenceServerClient]:
    made = triton.InferenceServerClient(service.url.removeprefix("http://"))
    yield made
    made.close()


def document(service: Running, method: str, path: str, body: object = None, headers=JSON) -> tuple[int, dict]:
    raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, answer = service.call(method, path, raw, headers)
    return status, json.loads(answer)


def test_it_says_what_it_serves_and_how_to_try_it(service: Running) -> None:
    said = service.lines[: service.lines.index(f"ready {service.url}\n") + 1]
    assert any("unbuilt_model" in line and "modelet build unbuilt_model" in line for line in said)
    commands = [line for line in said if line.startswith("curl ")]
    assert len(commands) == 3
    assert all(line.startswith(("curl ", "model ", "ready ")) for line in said), "no line is wrapped"


@pytest.mark.skipif(CURL is None, reason="needs curl")
def test_the_printed_commands_work_when_pasted(service: Running) -> None:
    for command in [line for line in service.lines if line.startswith("curl ")]:
        done = subprocess.run(  # as a person does
            ["bash", "-c", command.replace("curl ", "curl -sS --fail-with-body ", 1)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        json.loads(done.stdout)


def test_triton_client_reads_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("demo_sum")
    assert client.is_model_ready("demo_label", "1")
    assert client.get_server_metadata()["name"] == "modelet"
    assert client.get_model_metadata("demo_sum")["inputs"][0] == {
        "name": "a",
        "datatype": "FP32",
        "shape": [-1, 2],
    }
    assert client.get_model_config("demo_sum")["name"] == "demo_sum"
    ready = {(entry["name"], entry["version"]) for entry in client.get_model_repository_index()}
    assert ready >= {("demo_sum", "1"), ("demo_label", "1"), ("demo_label", "3")}
    with pytest.raises(triton.InferenceServerException, match="501"):
        client.load_model("demo_sum")


@pytest.mark.parametrize("is_binary", [False, True], ids=["json", "binary"])
def test_triton_client_infers(client: triton.InferenceServerClient, is_binary: bool) -> None:
    a, b = np.array([[1, 2], [3, 4]], np.float32), np.array([[0.5, 0], [-1, 1e9]], np.float32)
    inputs = []
    for name, array in (("a", a), ("b", b)):
        inputs.append(triton.InferInput(name, array.shape, "FP32"))
        inputs[-1].set_data_from_numpy(array, binary_data=is_binary)
    outputs = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("sum", "double")]
    result = client.infer("demo_sum", inputs, outputs=outputs, request_id="abc")
    np.testing.assert_array_equal(result.as_numpy("sum"), a + b)
    np.testing.assert_array_equal(result.as_numpy("double"), a * 2)
    assert result.get_response()["id"] == "abc"

    words = np.array([["grün", ""], ["b", "\N{SNOWMAN}" * 50]], np.object_)
    text = triton.InferInput("x", words.shape, "BYTES")
    text.set_data_from_numpy(words, binary_data=is_binary)
    wanted = [triton.InferRequestedOutput("y", binary_data=is_binary)]
    answer = client.infer("demo_text", [text], outputs=wanted).as_numpy("y")
    assert [[as_text(cell) for cell in row] for row in answer] == words.tolist()
    counted = client.get_inference_statistics("demo_sum")["model_stats"][0]
    assert counted["inference_count"] >= 2


def as_text(cell: bytes | str) -> str:
    return cell.decode() if isinstance(cell, bytes) else cell


def test_compressed_requests_and_answers(client: triton.InferenceServerClient, service: Running) -> None:
    pixels = np.zeros(200_000, np.uint8)
    tensor = triton.InferInput("x", pixels.shape, "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=True)
    result = client.infer(
        "demo_wide",
        [tensor],
        request_compression_algorithm="gzip",
        response_compression_algorithm="gzip",
    )
    np.testing.assert_array_equal(result.as_numpy("y"), pixels)
    body = gzip.compress(json.dumps([1.0, 2.0, 3.0]).encode())
    headers = {**JSON, "content-encoding": "gzip"}
    status, _, answer = service.call("POST", "/models/demo_label/predict", body, headers)
    assert (status, json.loads(answer)["label"]) == (200, "<i>")


@pytest.mark.skipif(CURL is None, reason="needs curl")
def test_curl_sends_four_megabytes_without_a_pause(service: Running, tmp_path: Path) -> None:
    file = tmp_path / "pixels.bin"
    file.write_bytes(os.urandom(4_000_000))
    done = subprocess.run(
        [
            *("curl", "-sS", f"{service.url}/v2/models/demo_wide/infer", "--data-binary", f"@{file}"),
            *("-H", "Inference-Header-Content-Length: 0", "-H", "Content-Type: application/octet-stream"),
            *("-w", "%{http_code} %{size_upload}", "-o", str(tmp_path / "out")),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout == "200 4000000"
    assert (tmp_path / "out").read_bytes().endswith(file.read_bytes())


def test_versions_have_functions_of_their_own(service: Running) -> None:
    for path, version in (("", "3"), ("/versions/1", "1"), ("/versions/3", "3")):
        body = {"inputs": [{"name": "logits", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
        status, answer = document(service, "POST", f"/v2/models/demo_label{path}/infer", body)
        assert (status, answer["model_version"]) == (200, version)
    status, answer = document(service, "GET", "/v2/models/demo_label/versions/2")
    assert status == 404
    assert "Specific(demo_label, 2)" in answer["error"]


def test_labels_name_the_alias(service: Running) -> None:
    body = {"instances": [[1.0, 2.0, 3.0]]}
    assert document(service, "POST", "/v1/models/demo_label/labels/live:predict", body)[0] == 200
    status, answer = document(service, "POST", "/v1/models/demo_label/labels/other:predict", body)
    assert (status, "other" in answer["error"]) == (404, True)


def test_sagemakers_routes(service: Running) -> None:
    named = {**JSON, "X-Amzn-SageMaker-Target-Model": "demo_sum"}
    assert service.call("GET", "/ping", None, named)[0] == 200
    body = {"instances": [{"a": [1, 2], "b": [3, 4]}]}
    status, answer = document(service, "POST", "/invocations", body, named)
    assert (status, answer["predictions"]) == (200, [{"sum": [4.0, 6.0], "double": [2.0, 4.0]}])
    status, answer = document(service, "POST", "/invocations", body)
    assert (status, "X-Amzn-SageMaker-Target-Model" in answer["error"]) == (404, True)


def test_what_the_catalog_answers(service: Running) -> None:
    names = ["demo_label", "demo_lookup", "demo_sum", "demo_text", "demo_wide"]
    assert document(service, "GET", "/v2/models") == (200, {"models": names})
    assert document(service, "GET", "/v2/models/") == (200, {"models": names})
    assert document(service, "GET", "/v2")[1]["name"] == "modelet"
    assert document(service, "GET", "/v2/health/ready") == (200, {"live": True, "ready": True})
    status, entries = document(service, "POST", "/v2/repository/index", {"ready": True})
    assert status == 200
    assert {"name": "demo_label", "version": "3", "state": "READY", "reason": ""} in entries
    assert document(service, "POST", "/v2/repository/index")[1] == entries
    assert service.call("GET", "/favicon.ico")[0] == 204
    status, _, body = service.call("HEAD", "/v2")
    assert (status, body) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/v2/models/demo_sum/infer", b"{", 400, "JSON"),
        ("POST", "/v2/models/demo_sum/infer", {"inputs": []}, 400, "input 'a' is missing"),
        (
            "POST",
            "/v2/models/demo_wide/infer",
            {"inputs": [{"name": "z", "shape": [1], "datatype": "UINT8", "data": [1]}]},
            400,
            "unknown input 'z'",
        ),
        (
            "POST",
            "/v2/models/demo_wide/infer",
            {"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]},
            400,
            "expected datatype UINT8, got INT8",
        ),
        (
            "POST",
            "/v2/models/demo_wide/infer",
            {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "UINT8", "data": [1]}]},
            400,
            "expected shape [-1]",
        ),
        (
            "POST",
            "/v2/models/demo_wide/infer",
            {"inputs": [{"name": "x", "shape": [2], "datatype": "UINT8", "data": [1]}]},
            400,
            "length",
        ),
        ("POST", "/models/demo_lookup/predict", 99, 400, "indices element out of data bounds"),
        ("POST", "/v2/repository/index", b"[]", 400, "expected an object"),
        ("POST", "/v2/repository/index", b"{", 400, "expected JSON"),
        ("GET", "/v2/models/none", None, 404, "unknown model: 'none'"),
        ("GET", "/v2/models/none/versions/1/ready", None, 404, "unknown model: 'none'"),
        ("POST", "/models/none/predict", 1, 404, "unknown model: 'none'"),
        ("GET", "/v1/models/none", None, 404, "Servable not found for request: Latest(none)"),
        ("POST", "/v1/models/none:predict", {}, 404, "Servable not found for request: Latest(none)"),
        (
            "GET",
            "/v1/models/none/versions/2/metadata",
            None,
            404,
            "Servable not found for request: Specific(none, 2)",
        ),
        ("GET", "/nowhere", None, 404, "no route GET /nowhere"),
        ("GET", "/v2/models/demo_sum/nothing", None, 404, "no route"),
        ("GET", "/models/demo_sum/predict", None, 405, "use POST"),
        ("PUT", "/v2/models/demo_sum/infer", {}, 400, "a key with PUT"),
        ("DELETE", "/v2/models/demo_sum", None, 405, "use GET"),
        ("POST", "/v2/models/demo_wide/infer", b" " * 11_000_000, 413, "10,485,760"),
        ("POST", "/v2/models/demo_wide/infer", b" " * 7_000_000, 413, "6,291,456"),
        ("POST", "/v2/repository/models/demo_sum/load", {}, 501, "modelet build demo_sum"),
        ("POST", "/v2/repository/models/demo_sum/unload", {}, 501, "deploying"),
        ("POST", "/v2/repository/models/demo_sum/other", {}, 404, "no route"),
    ],
)
def test_errors_have_their_status_and_say_why(
    service: Running, method: str, path: str, body: object, status: int, text: str
) -> None:
    actual, answer = document(service, method, path, body)
    assert actual == status, answer
    assert text in answer["error"]


def test_a_media_type_that_is_not_taken(service: Running) -> None:
    status, answer = document(
        service, "POST", "/models/demo_sum/predict", b"x", {"content-type": "image/png"}
    )
    assert status == 415
    assert "application/json" in answer["error"]


def test_405_names_the_methods(service: Running) -> None:
    status, headers, _ = service.call("PATCH", "/v2/models/demo_sum/infer")
    assert (status, headers["allow"]) == (405, "POST")


def test_too_many_at_once_are_told_to_come_back(service: Running) -> None:
    # The function of this model may have one environment.
    def call(_: int) -> tuple[int, str | None]:
        status, headers, _ = service.call("POST", "/models/demo_lookup/predict", b"1", JSON)
        return status, headers.get("retry-after")

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(call, range(60)))
    assert answers <= {(200, None), (429, "1")}
    assert {(200, None), (429, "1")} <= answers


def test_two_hundred_clients_at_once(service: Running) -> None:
    def call(number: int) -> bool:
        body = json.dumps({"a": [number, 1], "b": [1, 2]}).encode()
        status, headers, answer = service.call("POST", "/models/demo_sum/predict", body, JSON)
        if status == 429:
            return headers["retry-after"] == "1"
        return status == 200 and json.loads(answer)["sum"] == [number + 1, 3]

    with ThreadPoolExecutor(200) as pool:
        assert all(pool.map(call, range(600)))


def test_metrics_show_the_functions_and_the_gateway(service: Running) -> None:
    document(service, "POST", "/models/demo_sum/predict", {"a": [1, 2], "b": [3, 4]})
    text = service.call("GET", "/metrics")[2].decode()
    assert re.search(r'^modelet_requests_total\{model="demo_sum",version="1"\} [1-9]', text, re.MULTILINE)
    assert re.search(r'^modelet_infer_ms_count\{model="demo_sum",version="1"\} [1-9]', text, re.MULTILINE)
    assert re.search(
        r'^modelet_gateway_requests_total\{alias="live",function="demo_sum",status="200"\} [1-9]',
        text,
        re.MULTILINE,
    )


def test_logs_carry_the_models_name(service: Running) -> None:
    document(service, "GET", "/v2/models/demo_text")
    assert any(re.search(r" demo_text +INFO +cold start in \d+ ms", line) for line in service.lines)
    assert not any("_aws" in line for line in service.lines)


def test_the_page_shows_the_models_and_runs_nothing_else(service: Running) -> None:
    status, headers, body = service.call("GET", "/")
    page = body.decode()
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    shown = {model["name"]: model for model in json.loads(data[1])}
    assert list(shown) == ["demo_label", "demo_lookup", "demo_sum", "demo_text", "demo_wide"]
    assert shown["demo_label"]["version"] == 3
    assert shown["demo_label"]["description"] == "Ends </script> here & <b>there</b>."
    assert shown["demo_sum"]["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 2]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(models: Path, number: signal.Signals) -> None:
    with running(models) as up:
        document(up, "GET", "/v2")
        document(up, "GET", "/v2/models/demo_sum")
        pids = up.descendants()
        assert len(pids) == 2
        assert up.stop(number) == 0
        assert not any(is_alive(pid) for pid in pids)
        assert list(up.scratch.iterdir()) == []
        assert not any("Traceback" in line for line in up.lines)


def test_the_functions_end_with_a_service_that_was_killed(models: Path) -> None:
    with running(models) as up:
        document(up, "GET", "/v2/models/demo_sum")
        pids = up.descendants()
        up.stop(signal.SIGKILL)
        for _ in range(100):
            if not any(is_alive(pid) for pid in pids):
                break
            time.sleep(0.05)
        assert not any(is_alive(pid) for pid in pids)


def test_a_taken_port_is_said_in_one_sentence(service: Running, models: Path) -> None:
    port = service.url.rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(models), port], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"port {port} is taken: end what listens there, or choose another with --port"
    )
