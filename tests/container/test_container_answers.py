"""The images answer as the local service does, in an environment as tight as Lambda's."""

import io
import json
import struct
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Pillow
from support.containers import Built, Function, Store, call, emulated, free_port, running
from support.service import Running
from support.service import running as serving

from modelet.local.events import HttpRequest, to_event
from modelet.local.responses import from_result
from modelet.repository import Repository

Request = tuple[str, str, dict[str, str], bytes]

TRACE_ID = "Root=1-5759e988-bd862e3fe1be46a994272793"
JSON = {"content-type": "application/json"}
OCTETS = {"content-type": "application/octet-stream"}


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    Pillow.linear_gradient("L").convert("RGB").resize((20, 10)).save(buffer, form)
    return buffer.getvalue()


def sound(rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((2, 2, rate, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 16)
    return buffer.getvalue()


def v2(**inputs: list[float]) -> bytes:
    tensors = [
        {"name": name, "datatype": "FP32", "shape": [1, len(data)], "data": data}
        for name, data in inputs.items()
    ]
    return json.dumps({"inputs": tensors}).encode()


def binary(**inputs: list[float]) -> tuple[dict[str, str], bytes]:
    """The binary form of the Open Inference Protocol: a JSON head, then the tensors' bytes."""
    tails = {name: struct.pack(f"<{len(data)}f", *data) for name, data in inputs.items()}
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": name,
                    "datatype": "FP32",
                    "shape": [1, len(tail) // 4],
                    "parameters": {"binary_data_size": len(tail)},
                }
                for name, tail in tails.items()
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return headers, head + b"".join(tails.values())


REQUESTS: dict[str, dict[str, Request]] = {
    "file_type": {
        path.name: ("POST", "/models/file_type/predict", OCTETS, path.read_bytes())
        for path in sorted(Path(__file__).parent.iterdir())
        if path.is_file()
    }
    | {"empty": ("POST", "/models/file_type/predict", OCTETS, b"")},
    "digit_image": {
        form: (
            "POST",
            "/models/digit_image/predict",
            {"content-type": f"image/{form.lower()}"},
            picture(form),
        )
        for form in ("PNG", "JPEG")
    },
    "demo_sum": {
        "metadata": ("GET", "/v2/models/demo_sum", {}, b""),
        "json": ("POST", "/v2/models/demo_sum/infer", JSON, v2(a=[1.5, 2], b=[3, -4])),
        "binary": ("POST", "/v2/models/demo_sum/infer", *binary(a=[1.5, 2], b=[3, -4])),
        "tensorflow": (
            "POST",
            "/v1/models/demo_sum:predict",
            JSON,
            b'{"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}',
        ),
        "friendly": ("POST", "/models/demo_sum/predict", JSON, b'{"a": [1, 2], "b": [3, 4]}'),
        "query": ("POST", "/models/demo_sum/predict?x=1&x=2", JSON, b'{"a": [1, 2], "b": [3, 4]}'),
        "not json": ("POST", "/v2/models/demo_sum/infer", JSON, b"{"),
        "unknown input": ("POST", "/v2/models/demo_sum/infer", JSON, v2(c=[1, 2])),
        "unknown route": ("GET", "/v2/models/demo_sum/nothing", {}, b""),
    },
    "demo_softmax": {
        "json": ("POST", "/v2/models/demo_softmax/infer", JSON, v2(logits=[0.0, 1.0, 2.0, 3.0])),
        "binary": ("POST", "/v2/models/demo_softmax/infer", *binary(logits=[0.0, 1.0, 2.0, 3.0])),
    },
    "demo_picture": {
        form: (
            "POST",
            "/models/demo_picture/predict",
            {"content-type": f"image/{form.lower()}"},
            picture(form),
        )
        for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
    }
    | {"not a picture": ("POST", "/models/demo_picture/predict", {"content-type": "image/png"}, b"no")},
    "demo_text": {
        "text": ("POST", "/models/demo_text/predict", {"content-type": "text/plain"}, "Zürich 今天".encode()),
        "texts": ("POST", "/models/demo_text/predict", JSON, b'["one", "two texts", {"text": "three"}]'),
        "no text": ("POST", "/models/demo_text/predict", JSON, b'{"text": 3}'),
    },
    "demo_sound": {
        "sound": ("POST", "/models/demo_sound/predict", {"content-type": "audio/wav"}, sound(44_100)),
        "no sound": ("POST", "/models/demo_sound/predict", {"content-type": "audio/wav"}, b"RIFF"),
    },
}


@pytest.fixture(scope="session")
def service(repository: Repository) -> Iterator[Running]:
    with serving(repository.root) as running:
        yield running


@pytest.fixture(scope="session", params=REQUESTS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def function(store: Store, images: dict[str, Built], model: str) -> Iterator[Function]:
    image = images[model]
    with emulated(store, image.name, image.context.version.manifest.resources.memory_mib) as function:
        yield function


def test_answers_as_the_local_service_does(function: Function, service: Running, model: str) -> None:
    for name, (method, target, headers, body) in REQUESTS[model].items():
        status, local_headers, local_body = service.call(method, target, body or None, headers)
        request = HttpRequest(
            method,
            target,
            "HTTP/1.1",
            [(key.encode(), value.encode()) for key, value in {"host": "127.0.0.1", **headers}.items()],
            body,
            "127.0.0.1",
        )
        # Errors name the request, so it has the name that the local service gave it.
        event = to_event(request, local_headers["apigw-requestid"], time.time(), TRACE_ID)

        response = from_result(json.dumps(function.invoke(event)).encode())

        assert (response.status, response.body) == (status, local_body), name
        content_type = dict(response.headers).get("content-type")
        assert content_type == local_headers.get("content-type"), name


def test_serves_sagemaker(store: Store, images: dict[str, Built]) -> None:
    port = free_port()
    with running(store, images["demo_sum"].name, ("serve", "--host", "127.0.0.1", "--port", str(port))):
        assert call(port, "GET", "/ping")[0] == 200
        status, body = call(port, "POST", "/invocations", v2(a=[1, 2], b=[3, 4]))

    assert status == 200
    outputs = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
    assert outputs == {"sum": [4, 6], "double": [2, 4]}


def test_is_the_batch_function_by_another_command(store: Store, images: dict[str, Built]) -> None:
    variables = {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        **{f"MODELET_BATCH_{name}": "nowhere" for name in ("TABLE", "INPUT", "OUTPUT")},
    }
    record = {"messageId": "1", "receiptHandle": "1", "eventSource": "aws:sqs", "body": "no message"}
    event = json.dumps({"Records": [{**record, "attributes": {}, "messageAttributes": {}}]}).encode()
    with emulated(store, images["demo_files"].name, 1769, "batch.handler.handler", variables) as function:
        # What is no message would fail again and again, so nothing of it is delivered again.
        assert function.invoke(event) == {"batchItemFailures": []}
