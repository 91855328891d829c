"""What is refused before anything is run: broken, unsafe, oversized or unservable graphs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from modelet.build import external_data, walk
from modelet.errors import GraphRefused
from modelet_runtime.tensor import BY_ONNX_TYPE

# Operators that ONNX Runtime itself has; any other domain needs code that a function does not carry.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a model may be.

    Attributes:
        bytes: The ONNX file with its external data. Protobuf and FlatBuffers both end at 2 GiB, and
            the optimised graph is a little larger than the source.
            Source: https://protobuf.dev/programming-guides/proto-limits/
        nodes: Ten times the largest language models; optimising grows faster than the graph.
    """

    bytes: int = 1_900_000_000
    nodes: int = 100_000


LIMITS = Limits()


def load(path: Path, limits: Limits = LIMITS, allow_hard_links: bool = False) -> onnx.ModelProto:
    """Read an ONNX file with its external data, and check it.

    Args:
        path: The ONNX file.
        limits: How large it may be.
        allow_hard_links: For external data in installed packages.

    Raises:
        GraphRefused: It may not or cannot be served; the text says why.
    """
    _check_size(path.name, path.stat().st_size, limits)
    data = path.read_bytes()
    model = parse(data, path.name)
    beside = external_data.files(model, path.parent, allow_hard_links)
    _check_size(path.name, len(data) + sum(file.stat().st_size for file in beside), limits)
    external_data.inline(model, path.parent)
    check(model, path.name, limits)
    return model


def parse(data: bytes, name: str) -> onnx.ModelProto:
    """Parse the bytes of an ONNX file; nothing outside of them is read.

    Raises:
        GraphRefused: They are no ONNX model.
    """
    if data.startswith(b"version https://git-lfs"):
        raise GraphRefused(f"{name} is a Git LFS pointer", "fetch the file with `git lfs pull`")
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise GraphRefused(f"{name} is not an ONNX model: {error}", "export it again") from error
    if not model.ir_version or not model.opset_import or not model.HasField("graph"):
        raise GraphRefused(f"{name} is not an ONNX model: it has no graph", "export it again")
    return model


def check(model: onnx.ModelProto, name: str, limits: Limits = LIMITS) -> None:
    """Refuse a model that a function may not or cannot serve.

    Args:
        model: With its weights.
        name: What stands before the text of errors.
        limits: How large it may be.

    Raises:
        GraphRefused: It is too large, uses an unknown operator domain, or has an input or output that
            is no tensor of a known datatype and rank.
    """
    count = sum(1 for _ in walk.nodes(model))
    if count > limits.nodes:
        raise GraphRefused(f"{name} has {count} nodes, more than the limit of {limits.nodes}")
    _check_domains(model, name)
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    _check_values("input", inputs, name)
    _check_values("output", model.graph.output, name)
    for value in inputs:
        if not value.type.tensor_type.HasField("shape"):
            raise GraphRefused(
                f"{name}: input '{value.name}' has no shape", "export it with a shape, variable axes named"
            )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise GraphRefused(f"{name} is not a valid graph: {_first_line(error)}", "export it again") from error


def _check_size(name: str, size: int, limits: Limits) -> None:
    if size > limits.bytes:
        raise GraphRefused(
            f"{name} has {size:,} bytes with its weights, more than the limit of {limits.bytes:,}",
            "store the weights in fewer bits, or split the model",
        )


def _check_domains(model: onnx.ModelProto, name: str) -> None:
    local = {(function.domain, function.name) for function in model.functions}
    for node in walk.nodes(model):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in local:
            raise GraphRefused(
                f"{name}: node '{node.name}' uses operator {node.domain}.{node.op_type},"
                " which ONNX Runtime does not have",
                "export with standard operators; known domains are ai.onnx, ai.onnx.ml and com.microsoft",
            )


def _check_values(kind: str, values: Sequence[onnx.ValueInfoProto], name: str) -> None:
    if kind == "output" and not values:
        raise GraphRefused(f"{name} has no output")
    for value in values:
        what = value.type.WhichOneof("value")
        if what != "tensor_type":
            form = (what or "nothing").removesuffix("_type").replace("_", " ")
            raise GraphRefused(
                f"{name}: {kind} '{value.name}' is no tensor but of type {form}",
                "export with tensors only (scikit-learn: without ZipMap)",
            )
        if value.type.tensor_type.elem_type not in BY_ONNX_TYPE:
            datatype = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type)
            raise GraphRefused(
                f"{name}: {kind} '{value.name}' has datatype {datatype}, which the protocol does not have",
                "add a Cast to a standard datatype",
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
