"""The codec alone: a picture-sized tensor in and out, in the binary form and as JSON."""

import json
import random
import time
from array import array
from collections.abc import Callable

import pybase64

from modelet.bench.sampling import Ratio, alternate, ratio
from modelet_runtime.manifest import (
    Graph,
    Manifest,
    Resources,
    Signature,
    Source,
    TensorSpec,
)
from modelet_runtime.protocols import open_inference
from modelet_runtime.tensor import DATATYPES, Tensor

_SHAPE = (1, 3, 224, 224)
_SPEC = TensorSpec("x", "FP32", _SHAPE)
_SIGNATURE = Signature((_SPEC,), (_SPEC,))
_MANIFEST = Manifest(
    *("picture", 1, "", "cpu", Source("onnx", "", ""), _SIGNATURE, (), (), (), Graph({}, {}), Resources()),
    *((), {}, {}),
)


def measure(rounds: int) -> list[Ratio]:
    """Compare decoding and encoding a 3x224x224 tensor with what the standard library's JSON takes."""
    source = random.Random(0)  # noqa: S311 - any numbers do
    tensor = Tensor.from_values("x", DATATYPES["FP32"], _SHAPE, [source.random() for _ in range(150_528)])
    samples = alternate(
        {"binary ms": _binary(tensor), "our JSON ms": _our_json(tensor), "stdlib ms": _stdlib_json(tensor)},
        rounds,
    )
    title = "codec of a 3x224x224 tensor, both ways"
    return [
        ratio(
            f"{title}: binary, base64 included / stdlib JSON",
            samples,
            lambda m: m["binary ms"] / m["stdlib ms"],
            target=0.01,
        ),
        ratio(
            f"{title}: our JSON / stdlib JSON",
            samples,
            lambda m: m["our JSON ms"] / m["stdlib ms"],
            target=None,
        ),
    ]


def _binary(tensor: Tensor) -> Callable[[], float]:
    size = len(tensor.buffer)
    header = _document(tensor, {"parameters": {"binary_data_size": size}}, binary_data_output=True)
    body = pybase64.b64encode_as_string(header + tensor.buffer)

    def both_ways() -> None:
        decoded = pybase64.b64decode(body, validate=True)
        pybase64.b64encode_as_string(_echo(decoded, len(header)))

    return _timed_ms(both_ways)


def _our_json(tensor: Tensor) -> Callable[[], float]:
    body = _document(tensor, {"data": list(tensor.values())})
    return _timed_ms(lambda: _echo(body, None))


def _echo(body: bytes, header_length: int | None) -> bytes:
    request = open_inference.parse(body, header_length, _SIGNATURE)
    return open_inference.render(_MANIFEST, request, request.inputs)[0]


def _stdlib_json(tensor: Tensor) -> Callable[[], float]:
    body = _document(tensor, {"data": list(tensor.values())})

    def both_ways() -> None:
        [item] = json.loads(body)["inputs"]
        numbers = array("f", item["data"])
        json.dumps({"outputs": [{**item, "data": numbers.tolist()}]}).encode()

    return _timed_ms(both_ways)


def _document(tensor: Tensor, content: dict[str, object], **parameters: bool) -> bytes:
    item = {"name": "x", "shape": list(tensor.shape), "datatype": tensor.datatype.name, **content}
    return json.dumps({"inputs": [item], "parameters": parameters}).encode()


def _timed_ms(call: Callable[[], object]) -> Callable[[], float]:
    def measure_once() -> float:
        start = time.perf_counter()
        call()
        return (time.perf_counter() - start) * 1000

    return measure_once
