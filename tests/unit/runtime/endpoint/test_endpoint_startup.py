"""A function in front of an endpoint: by settings, with boto3, and with the version's graph as twin."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import graphs
from support.artifacts import write_version

from modelet_runtime import startup
from modelet_runtime.http.messages import Request
from modelet_runtime.manifest import Endpoint
from modelet_runtime.settings import Settings

ROW = {"inputs": [{"name": "logits", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}]}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SageMaker's address is one at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "any")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


def infer(folder: Path):
    settings = replace(Settings(folder, 1769, 1, True, "test"), endpoint="live")
    application = startup.begin(settings).finish()
    return application(Request("POST", "/v2/models/demo_softmax/infer", body=json.dumps(ROW).encode()))


@pytest.mark.usefixtures("nobody")
def test_the_version_s_own_graph_answers_where_the_endpoint_cannot(tmp_path: Path):
    write_version(tmp_path, graphs.softmax(), "demo_softmax")

    answer = infer(tmp_path)

    document = json.loads(answer.body)
    assert answer.status == 200
    assert document["outputs"][0]["data"] == [0.25] * 4
    assert document["parameters"] == {"served_by": "cpu"}


@pytest.mark.usefixtures("nobody")
def test_without_a_twin_the_caller_is_told_when_to_come_again(tmp_path: Path):
    write_version(tmp_path, graphs.softmax(), "demo_softmax", endpoint=Endpoint(cpu_twin=False))
    (tmp_path / "model.ort").unlink()

    answer = infer(tmp_path)

    assert answer.status == 503
    assert json.loads(answer.body)["code"] == "endpoint_unavailable"
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.usefixtures("nobody")
def test_an_asynchronous_model_without_jobs_says_that_it_needs_them(tmp_path: Path):
    endpoint = Endpoint(mode="async", min_instances=0)
    write_version(tmp_path, graphs.softmax(), "demo_softmax", target="gpu", endpoint=endpoint)

    answer = infer(tmp_path)

    assert (answer.status, json.loads(answer.body)["code"]) == (501, "unsupported_extension")
    assert "as a job" in json.loads(answer.body)["error"]
    assert "retry-after" not in answer.headers


@pytest.mark.usefixtures("nobody")
def test_what_such_a_model_does_not_take_is_refused_at_once(tmp_path: Path):
    endpoint = Endpoint(mode="async", min_instances=0)
    write_version(tmp_path, graphs.identity(), "demo_softmax", target="gpu", endpoint=endpoint)

    answer = infer(tmp_path)

    assert (answer.status, json.loads(answer.body)["code"]) == (400, "unknown_tensor")


def test_the_environment_names_the_endpoint():
    settings = Settings.from_environment({"MODELET_ENDPOINT": "live", "MODELET_ENDPOINT_MODEL": "a_b"})

    assert (settings.endpoint, settings.endpoint_model) == ("live", "a_b")
    assert Settings.from_environment({}).endpoint is None
