"""The whole chain as people start it: HTTP, function, SageMaker's runtime API, Triton; beside it the CPU."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.graphs import softmax
from support.service import Running, running
from support.sources import write_model
from tritonclient import http as triton

from modelet.build.pipeline import build

LOGITS = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
LABELS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One graph twice: behind an endpoint, and in its function."""
    models = tmp_path_factory.mktemp("models")
    endpoint = {"max_batch_size": 32, "preferred_batch_sizes": [8, 32], "queue_delay_us": 2000}
    sections = {"output": {"steps": [{"name": "labels"}]}}
    for_gpu = {"target": "gpu", "labels": LABELS}
    build(write_model(models / "scores_gpu", softmax(), model=for_gpu, endpoint=endpoint, **sections))
    build(write_model(models / "scores_cpu", softmax(), model={"labels": LABELS}, **sections))
    with running(models) as service:
        yield service


def infer(service: Running, model: str, *, binary: bool) -> triton.InferResult:
    given = triton.InferInput("logits", LOGITS.shape, "FP32")
    given.set_data_from_numpy(LOGITS, binary_data=binary)
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary)
    client = triton.InferenceServerClient(service.url.removeprefix("http://"))
    try:
        return client.infer(model, [given], outputs=[wanted])
    finally:
        client.close()


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_triton_s_own_client_gets_what_the_cpu_gives(service: Running, binary: bool):
    ours, cpu = infer(service, "scores_gpu", binary=binary), infer(service, "scores_cpu", binary=binary)

    np.testing.assert_allclose(ours.as_numpy("probabilities"), cpu.as_numpy("probabilities"), rtol=1e-5)
    assert "parameters" not in ours.get_response()


def test_every_protocol_and_its_errors_are_those_of_the_cpu(service: Running):
    for path, document in [
        ("/v1/models/{}:predict", {"instances": LOGITS.tolist()}),
        ("/models/{}/predict", {"instances": LOGITS.tolist()}),
        ("/models/{}/predict", LOGITS[0].tolist()),
        ("/v2/models/{}/infer", {"inputs": []}),
        ("/v1/models/{}:predict", {"instances": [[1, 2]]}),
    ]:
        answers = [
            service.call(
                "POST", path.format(name), json.dumps(document).encode(), {"content-type": "application/json"}
            )
            for name in ("scores_gpu", "scores_cpu")
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


def test_when_the_server_is_gone_the_twin_answers_and_says_so(service: Running):
    """Last in this file: nothing starts the server again."""
    [server] = [pid for pid in service.descendants() if b"tritonserver" in command(pid)]
    document = json.dumps(
        {"inputs": [{"name": "logits", "shape": [1, 4], "datatype": "FP32", "data": [0] * 4}]}
    )
    outcomes: list[tuple[int, dict]] = []

    def ask() -> None:
        for _ in range(20):
            status, _, body = service.call("POST", "/v2/models/scores_gpu/infer", document.encode())
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
    assert all(answer["outputs"][0]["data"] == [0.25] * 4 for _, answer in outcomes)


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
