"""The smoke test of a new version, over the real handler's application and golden files of the toolchain."""

import importlib
import io
import json
import math
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from smoke.check import Checker
from smoke.event import to_event
from smoke.golden import Golden
from support.http import Client, predictor
from support.manifests import specs

from modelet.golden import Case, Tolerance
from modelet.golden import Golden as ToolchainGolden
from modelet_runtime.http import lambda_event
from modelet_runtime.tensor import DATATYPES, Tensor

ARN = "arn:aws:lambda:us-east-1:123456789012:function:demo:7"


class Context:
    aws_request_id = "lambda-id"
    invoked_function_arn = ARN

    def get_remaining_time_in_millis(self):
        return 30_000


def tensor(name: str, datatype: str, shape: tuple[int, ...], data: bytes | tuple[bytes, ...]) -> Tensor:
    return Tensor(name, DATATYPES[datatype], shape, memoryview(data) if isinstance(data, bytes) else data)


def floats(name: str, *values: float) -> Tensor:
    return tensor(name, "FP32", (1, len(values)), struct.pack(f"<{len(values)}f", *values))


class Lambda:
    """A function that answers events as the image's handler does."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.targets: list[str] = []

    def invoke(self, FunctionName: str, Payload: bytes):
        self.targets.append(FunctionName)
        result = lambda_event.answer(self._application, json.loads(Payload), Context())
        return {"Payload": io.BytesIO(json.dumps(result).encode())}


class Broken:
    """A function that fails as Lambda says it."""

    def invoke(self, FunctionName: str, Payload: bytes):
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no library"}')}


def write(folder: Path, *cases: Case, rtol: float = 1e-3, atol: float = 1e-4) -> Golden:
    """Golden files are written by the toolchain, and read by the function's own reader."""
    golden = ToolchainGolden("train.py:samples", Tolerance(rtol, atol), cases)
    (folder / "golden.json").write_bytes(golden.to_bytes())
    return Golden.load(folder / "golden.json")


def doubling(factor: float = 2.0):
    """A model `y = factor * x`."""

    def run(inputs):
        values = struct.unpack("<2f", bytes(inputs["x"].data))
        return [floats("y", *(factor * value for value in values))]

    return Client(predictor(specs(x=("FP32", -1, 2)), specs(y=("FP32", -1, 2)), run)).application


CASE = Case((floats("x", 1.0, -3.0),), (floats("y", 2.0, -6.0),))


def complaints(application: Any, golden: Golden) -> list[str]:
    return Checker(Lambda(application), ARN, "demo_model", golden).complaints()


def test_a_version_that_answers_as_it_was_proven(tmp_path: Path):
    client = Lambda(doubling())
    assert Checker(client, ARN, "demo_model", write(tmp_path, CASE, CASE)).complaints() == []
    assert client.targets == [ARN, ARN]


def test_differences_within_the_tolerance(tmp_path: Path):
    assert complaints(doubling(2.001), write(tmp_path, CASE)) == []
    (complaint,) = complaints(doubling(2.01), write(tmp_path, CASE))
    assert complaint.startswith("case 0: output 'y'[0]: expected 2, got 2.01")


def test_an_answer_that_is_an_error(tmp_path: Path):
    other = Case((floats("wrong", 1.0, 2.0),), CASE.outputs)
    (complaint,) = complaints(doubling(), write(tmp_path, other))
    assert "status 400" in complaint
    assert "wrong" in complaint


def test_another_shape(tmp_path: Path):
    other = Case(CASE.inputs, (floats("y", 2.0, -6.0, 0.0),))
    (complaint,) = complaints(doubling(), write(tmp_path, other))
    assert complaint == "case 0: output 'y': expected FP32[1, 3], got FP32[1, 2]"


def test_an_output_that_is_not_there(tmp_path: Path):
    other = Case(CASE.inputs, (floats("z", 2.0, -6.0),))
    assert complaints(doubling(), write(tmp_path, other)) == ["case 0: output 'z' is missing"]


def test_a_function_that_fails(tmp_path: Path):
    (complaint,) = Checker(Broken(), ARN, "demo_model", write(tmp_path, CASE)).complaints()
    assert complaint == 'case 0: Unhandled: {"errorMessage": "no library"}'


def test_a_few_complaints_are_enough(tmp_path: Path):
    client = Lambda(doubling(3.0))
    golden = write(tmp_path, *[CASE] * 20)
    assert len(Checker(client, ARN, "demo_model", golden).complaints()) == 5
    assert len(client.targets) == 5


def test_a_case_over_lambdas_limit_is_left_out_but_not_all(tmp_path: Path):
    large = Case((tensor("x", "UINT8", (5_000_000,), bytes(5_000_000)),), CASE.outputs)
    assert complaints(doubling(), write(tmp_path, large, CASE)) == []
    assert complaints(doubling(), write(tmp_path, large)) == ["no golden case is small enough to be sent"]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BOOL", b"\x01\x00"),
        ("INT64", struct.pack("<2q", 2**62 + 1, -1)),
        ("UINT8", b"\x00\xff"),
        ("FP16", struct.pack("<2e", 1.5, -2.0)),
        ("BF16", struct.pack("<2H", 0x3F80, 0xC000)),
        ("FP64", struct.pack("<2d", math.pi, math.nan)),
        ("FP32", struct.pack("<2f", math.inf, -math.inf)),
        ("BYTES", (b"text", b"\xff\x00")),
    ],
)
def test_every_datatype_goes_there_and_back(tmp_path: Path, datatype: str, data: bytes | tuple[bytes, ...]):
    echo = Client(
        predictor(
            specs(x=(datatype, -1)),
            specs(y=(datatype, -1)),
            lambda inputs: [tensor("y", datatype, (2,), inputs["x"].data)],
        )
    ).application
    case = Case((tensor("x", datatype, (2,), data),), (tensor("y", datatype, (2,), data),))
    assert complaints(echo, write(tmp_path, case)) == []


def test_bf16_is_read_as_numbers(tmp_path: Path):
    case = Case((), (tensor("y", "BF16", (2,), struct.pack("<2H", 0x3F80, 0xC000)),))
    (output,) = write(tmp_path, case).cases[0].outputs
    assert output.values() == [1.0, -2.0]


def test_the_event_is_one_of_api_gateways(tmp_path: Path):
    event = to_event("demo_model", write(tmp_path, CASE).cases[0].inputs)
    recorded = json.loads((Path(__file__).parents[1] / "runtime/events/infer_binary.json").read_text())
    # What only signed requests and single headers have, this one need not.
    assert set(event) >= {"version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext"}
    assert set(event) - {"pathParameters"} <= set(recorded)
    assert set(event["requestContext"]["http"]) == set(recorded["requestContext"]["http"])


def test_another_format_is_refused(tmp_path: Path):
    (tmp_path / "golden.json").write_text('{"format": 2}')
    with pytest.raises(ValueError, match="format: expected 1, got 2"):
        Golden.load(tmp_path / "golden.json")


EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}


class CodeDeploy:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []

    def put_lifecycle_event_hook_execution_status(self, **what: str) -> None:
        self.told.append(what)


class TestHandler:
    @pytest.fixture
    def handler(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
        """The function in a folder like the one CDK archives, with its model's golden file."""
        shutil.copytree(Path(sys.modules["smoke.check"].__file__).parent, tmp_path / "smoke")
        write(tmp_path, CASE)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("MODELET_TARGET", ARN)
        monkeypatch.setenv("MODELET_MODEL", "demo_model")
        kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "smoke"}
        for name in kept:
            del sys.modules[name]
        monkeypatch.syspath_prepend(str(tmp_path))
        yield importlib.import_module("smoke.handler")
        for name in [name for name in sys.modules if name.partition(".")[0] == "smoke"]:
            del sys.modules[name]
        sys.modules |= kept

    @pytest.mark.parametrize(
        ("client", "status"),
        [(Lambda(doubling()), "Succeeded"), (Lambda(doubling(3.0)), "Failed"), (Broken(), "Failed")],
    )
    def test_it_reports(self, handler: ModuleType, client: Any, status: str):
        handler._codedeploy = CodeDeploy()
        handler._checker._client = client
        handler.handler(EVENT, None)
        assert handler._codedeploy.told == [
            {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "hook-1", "status": status}
        ]

    def test_a_check_that_fails_itself_is_a_failure_too(self, handler: ModuleType):
        handler._codedeploy = CodeDeploy()
        handler._checker._client = None
        handler.handler(EVENT, None)
        assert handler._codedeploy.told[0]["status"] == "Failed"
