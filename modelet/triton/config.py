"""`config.pbtxt`: how Triton serves a version, generated from its manifest.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_configuration.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from modelet_runtime.manifest import Endpoint, Manifest, TensorSpec

FILE_NAME = "config.pbtxt"
GRAPH_FILE = "model.onnx"

Device = Literal["gpu", "cpu"]
# A message: its fields in order; a list is a repeated field, `Name` an enumerator.
Value: TypeAlias = "str | int | bool | list[Value] | Mapping[str, Value]"
Message: TypeAlias = Mapping[str, Value]

_TENSORRT = {"precision_mode": "FP16", "max_workspace_size_bytes": str(1 << 30)}
_INDENT = "  "


class Name(str):
    """An enumerator, which is written without quotes."""

    __slots__ = ()


def configuration(manifest: Manifest, warm_up: Sequence[Message] = (), device: Device = "gpu") -> str:
    """The text of `config.pbtxt`.

    Rows are batched where the graph has a batch axis. Rows of Triton's have at least one axis, so a
    column with one number per row is described as `[1]`, which the server reshapes.

    Args:
        manifest: The version.
        warm_up: `ModelWarmup` messages: what the server runs before it says that it is ready.
        device: What the graph runs on.
    """
    endpoint = manifest.endpoint or Endpoint()
    batched = manifest.signature.has_batch_axis
    message: dict[str, Value] = {
        "name": manifest.name,
        "backend": "onnxruntime",
        "default_model_filename": GRAPH_FILE,
        "max_batch_size": endpoint.max_batch_size if batched else 0,
        "input": [_tensor(spec, batched) for spec in manifest.signature.inputs],
        "output": [_tensor(spec, batched) for spec in manifest.signature.outputs],
        "version_policy": {"specific": {"versions": [manifest.version]}},
        "instance_group": [{"count": endpoint.instances, "kind": Name(f"KIND_{device.upper()}")}],
    }
    if batched:
        batching: dict[str, Value] = {"max_queue_delay_microseconds": endpoint.queue_delay_us}
        if endpoint.preferred_batch_sizes:
            batching = {"preferred_batch_size": list(endpoint.preferred_batch_sizes), **batching}
        message["dynamic_batching"] = batching
    if device == "gpu" and endpoint.accelerator == "tensorrt":
        message["optimization"] = {"execution_accelerators": _accelerators()}
    if warm_up:
        message["model_warmup"] = list(warm_up)
    return "".join(f"{line}\n" for line in _lines(message))


def datatype(name: str) -> Name:
    """Triton's enumerator of an Open Inference datatype."""
    return Name(f"TYPE_{'STRING' if name == 'BYTES' else name}")


def _tensor(spec: TensorSpec, batched: bool) -> Message:
    dims: list[Value] = list(spec.shape[1:] if batched else spec.shape)
    described: dict[str, Value] = {"name": spec.name, "data_type": datatype(spec.datatype), "dims": dims}
    if not dims:
        described |= {"dims": [1], "reshape": {"shape": []}}
    return described


def _accelerators() -> Message:
    parameters: list[Value] = [{"key": key, "value": value} for key, value in _TENSORRT.items()]
    return {"gpu_execution_accelerator": [{"name": "tensorrt", "parameters": parameters}]}


def _lines(message: Message) -> Iterator[str]:
    """Protocol buffers' text form, a field per line."""
    for field, value in message.items():
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for item in value:
                assert isinstance(item, Mapping)
                yield from _block(field, item)
        elif isinstance(value, Mapping):
            yield from _block(field, value)
        else:
            yield f"{field}: {_scalar(value)}"


def _block(field: str, message: Message) -> Iterator[str]:
    yield f"{field} {{"
    yield from (_INDENT + line for line in _lines(message))
    yield "}"


def _scalar(value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    return str(value) if isinstance(value, Name) else json.dumps(value, ensure_ascii=True)
