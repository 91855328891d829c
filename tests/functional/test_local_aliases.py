"""Versions and aliases of a running service: promote, canary and rollback, with nothing lost on the way."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.artifacts import write_version
from support.graphs import identity
from support.service import Running, running

from modelet.aliases.moves import promote, rollback
from modelet.repository import ModelFolder
from modelet_runtime.aliases import FILE_NAME

INFER = "/v2/models/demo_model/infer"
X = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
BODY = json.dumps({"inputs": [X]}).encode()
ROWS = json.dumps({"instances": [[1.0, 2.0, 3.0]]}).encode()
JSON = {"content-type": "application/json"}


def add(root: Path, version: int, name: str = "demo_model") -> ModelFolder:
    write_version(root / name / "versions" / str(version), identity(), name, version=version)
    return ModelFolder(root / name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def service(root: Path) -> Iterator[Running]:
    for number in (1, 2, 3):
        add(root, number)
    with running(root, "--access-log") as up:
        yield up


@pytest.fixture
def model(root: Path, service: Running) -> ModelFolder:
    """The model with version 1 live."""
    model = ModelFolder(root / "demo_model")
    promote(model, 1)
    return model


def answered_by(service: Running, path: str = INFER, body: bytes = BODY) -> str:
    status, headers, answer = service.call("POST", path, body, JSON)
    assert status == 200, answer
    return headers["x-model-version"]


def test_a_promote_counts_with_the_next_request(service: Running, model: ModelFolder) -> None:
    assert answered_by(service) == "1"
    promote(model, 2)
    assert answered_by(service) == "2"
    rollback(model)
    assert answered_by(service) == "1"


def test_every_protocol_takes_versions_and_labels(service: Running, model: ModelFolder) -> None:
    promote(model, 3, weight=0.5)
    for path, body, version in (
        ("/v2/models/demo_model/versions/2/infer", BODY, "2"),
        ("/v1/models/demo_model/versions/2:predict", ROWS, "2"),
        ("/v1/models/demo_model/labels/live:predict", ROWS, "1"),
        ("/v1/models/demo_model/labels/canary:predict", ROWS, "3"),
        ("/models/demo_model/versions/3/predict", ROWS, "3"),
    ):
        assert {answered_by(service, path, body) for _ in range(5)} == {version}, path
    for path in ("/v2/models/demo_model", "/v1/models/demo_model", "/v1/models/demo_model/labels/live"):
        assert {service.call("GET", path)[1]["x-model-version"] for _ in range(5)} == {"1"}, path
    path = "/v1/models/demo_model/labels/canary"
    status = json.loads(service.call("GET", path)[2])["model_version_status"][0]
    assert (status["version"], status["state"]) == ("3", "AVAILABLE")


def test_answers_metrics_and_access_log_tell_the_canary_from_live(
    service: Running, model: ModelFolder
) -> None:
    promote(model, 2, weight=0.5)
    before = counted(service)
    seen = Counter(answered_by(service) for _ in range(60))
    # Of 60 tosses of a fair coin, 6 or fewer come up the same once in some hundred million times.
    assert seen.keys() == {"1", "2"}
    assert min(seen.values()) > 6
    grown = counted(service)
    grown.subtract(before)
    assert +grown == Counter(
        {
            ("gateway", "live"): seen["1"],
            ("gateway", "canary"): seen["2"],
            ("runtime", "live"): seen["1"],
            ("runtime", "canary"): seen["2"],
        }
    )
    pattern = re.compile(rf"POST {INFER} 200 [.0-9]+ ms (version=. alias=\w+)$")
    wanted = {"version=1 alias=live": seen["1"], "version=2 alias=canary": seen["2"]}

    def log() -> Counter[str]:
        found = [match[1] for line in [*service.lines] if (match := pattern.search(line.strip()))]
        return Counter(found[-60:])

    assert comes(lambda: log() == wanted), log()


def comes(condition: Callable[[], bool]) -> bool:
    """Wait for what the service has written and its reader has yet to read."""
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


def counted(service: Running) -> Counter[tuple[str, str]]:
    """Requests so far by alias, as the gateway and as the functions count them."""
    text = service.call("GET", "/metrics")[2].decode()
    labels = r'{alias="(\w+)",%s="demo_model"%s} (\S+)$'
    patterns = {
        "gateway": r"^modelet_gateway_requests_total" + labels % ("function", ',status="200"'),
        "runtime": r"^modelet_requests_total" + labels % ("model", ""),
    }
    found: Counter[tuple[str, str]] = Counter()
    for where, pattern in patterns.items():
        for alias, value in re.findall(pattern, text, re.MULTILINE):
            found[where, alias] = int(float(value))
    return found


def test_no_request_is_lost_while_versions_move(service: Running, model: ModelFolder, root: Path) -> None:
    """Eight callers without pause, while aliases move, a version is built and another removed."""
    ended = threading.Event()
    answers: Counter[tuple[int, str]] = Counter()

    def call() -> None:
        connection = service.connect()
        while not ended.is_set():
            connection.request("POST", INFER, BODY, JSON)
            response = connection.getresponse()
            answers[response.status, response.headers.get("x-model-version", "")] += bool(response.read())
        connection.close()

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    try:
        for _ in range(5):
            promote(model, 2)
            assert answered_by(service) == "2"
            promote(model, 3, weight=0.5)
            promote(model, 3)
            assert answered_by(service) == "3"
            rollback(model)
            rollback(model)
            assert answered_by(service) == "1"
        add(root, 4)
        promote(model, 4)
        assert answered_by(service) == "4"
        promote(model, 1)
        (root / "demo_model" / "versions" / "4").rename(root / "away")
        assert answered_by(service) == "1"
    finally:
        ended.set()
        for caller in callers:
            caller.join()
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} >= {"1", "2", "3"}
    assert not any("Traceback" in line for line in service.lines)


def test_an_alias_at_what_is_not_complete_says_what_to_do(service: Running, root: Path) -> None:
    model = add(root, 1, "other_model")
    add(root, 2, "other_model")
    (model.path / FILE_NAME).write_text("live = 1\n")
    (model.path / "versions" / "1" / "model.ort").unlink()
    status, headers, answer = service.call("POST", "/models/other_model/predict", ROWS, JSON)
    document = json.loads(answer)
    assert (status, document["message"], headers["retry-after"]) == (503, "Service Unavailable", "5")
    assert document["error"] == (
        "live of model 'other_model' is version 1, which is not built here (model.ort missing):"
        " build it here, or move live with `modelet promote` or `modelet rollback other_model`"
    )
    assert comes(lambda: any(document["error"] in line for line in [*service.lines]))
    assert answered_by(service, "/models/other_model/versions/2/predict", ROWS) == "2"
    promote(model, 2)
    assert answered_by(service, "/models/other_model/predict", ROWS) == "2"


def test_what_cannot_answer_is_said_at_the_start(tmp_path: Path) -> None:
    model = add(tmp_path, 1)
    (model.path / FILE_NAME).write_text("live = 7\n")
    with running(tmp_path) as up:
        assert any("live of model 'demo_model' is version 7, which is not there" in line for line in up.lines)
        assert up.call("GET", "/v2/models/demo_model")[0] == 503
        assert not any("GET /v2" in line for line in up.lines)
