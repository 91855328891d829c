"""The Open Inference Protocol, version 2: requests to tensors, tensors to responses.

Source: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelet_runtime.errors import InvalidRequest, UnsupportedExtension
from modelet_runtime.manifest import Manifest, Signature
from modelet_runtime.protocols import json_codec
from modelet_runtime.protocols.open_inference_binary import BinaryReader, Chunk, read_raw, write_tensor
from modelet_runtime.protocols.open_inference_classification import classify
from modelet_runtime.protocols.open_inference_fields import (
    read_count,
    read_flag,
    read_objects,
    read_parameters,
    read_shape,
    read_text,
)
from modelet_runtime.tensor import DATATYPES, Tensor

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """One output of the answer: its name, its form, and the top classes to give instead, or 0."""

    name: str
    binary: bool
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A parsed inference request.

    Attributes:
        inputs: The tensors, in the order they came; not yet compared with the signature.
        outputs: What to answer, in order.
        id: The caller's own name for the request, to be echoed.
        timeout_s: How long the caller wants to wait, if it said so.
    """

    inputs: list[Tensor]
    outputs: list[WantedOutput]
    id: str | None = None
    timeout_s: float | None = None


def parse(body: bytes | memoryview, header_length: int | None, signature: Signature) -> InferRequest:
    """Parse the body of an inference request.

    Args:
        body: The whole body, uncompressed.
        header_length: Bytes of its JSON part; None when all of it is JSON, 0 when it is one raw tensor.
        signature: The model's, which says what all outputs are.

    Raises:
        ClientError: (400) The body is not a request; the text names the field.
        UnsupportedExtension: (501) It asks for sequences or shared memory.
    """
    if header_length is None:
        return parse_document(json_codec.read_object(body), None, signature)
    view = memoryview(body)
    if header_length == 0:
        outputs = [WantedOutput(spec.name, binary=True) for spec in signature.outputs]
        return InferRequest([read_raw(signature, view)], outputs)
    if header_length > len(view):
        raise InvalidRequest("the JSON part", f"at most the body's {len(view)} bytes", str(header_length))
    reader = BinaryReader(view[header_length:])
    return parse_document(json_codec.read_object(view[:header_length]), reader, signature)


def parse_document(
    document: dict[str, Any], reader: BinaryReader | None, signature: Signature
) -> InferRequest:
    """Parse a request whose JSON part is parsed already; `reader` has the bytes after it."""
    parameters = read_parameters(document, "request")
    if any(name.startswith("sequence_") for name in parameters):
        raise UnsupportedExtension("sequences are not supported: each request to a function stands alone")
    inputs = [_read_input(item, reader) for item in read_objects(document, "inputs")]
    if reader is not None:
        reader.finish()
    binary = read_flag(parameters, "binary_data_output", default=False)
    wanted = read_objects(document, "outputs") if document.get("outputs") else []
    outputs = [_read_output(item, binary) for item in wanted]
    if len({output.name for output in outputs}) < len(outputs):
        raise InvalidRequest("outputs", "each output once", "a name twice")
    return InferRequest(
        inputs,
        outputs or [WantedOutput(spec.name, binary) for spec in signature.outputs],
        read_text(document, "id", "request") if document.get("id") is not None else None,
        read_count(parameters, "timeout") / _MICROSECONDS or None,
    )


def render(
    manifest: Manifest, request: InferRequest, tensors: Sequence[Tensor], served_by: str | None = None
) -> tuple[bytes, int | None]:
    """Render the response.

    Args:
        manifest: The model's manifest: its name, version and labels.
        request: What was asked.
        tensors: One per output of the request, in its order.
        served_by: Who ran the graph, where it was not whom the model is meant for.

    Returns:
        The body, and the length of its JSON part when binary tensors follow it.

    Raises:
        InvalidRequest: (400) An output was asked for in a form it does not have.
    """
    outputs: list[dict[str, Any]] = []
    chunks: list[Chunk] = []
    non_finite = 0
    for wanted, output in zip(request.outputs, tensors, strict=True):
        tensor = classify(output, wanted.classes, manifest.labels) if wanted.classes else output
        rendered: dict[str, Any] = {
            "name": tensor.name,
            "shape": tensor.shape,
            "datatype": tensor.datatype.name,
        }
        if wanted.binary:
            pieces = write_tensor(tensor)
            rendered["parameters"] = {"binary_data_size": sum(map(len, pieces))}
            chunks += pieces
        else:
            rendered["data"], count = json_codec.unpack(tensor)
            non_finite += count
        outputs.append(rendered)
    document: dict[str, Any] = {"model_name": manifest.name, "model_version": str(manifest.version)}
    if request.id is not None:
        document["id"] = request.id
    parameters = {"non_finite": non_finite or None, "served_by": served_by}
    if said := {name: value for name, value in parameters.items() if value is not None}:
        document["parameters"] = said
    document["outputs"] = outputs
    header = json_codec.dumps(document)
    if any(wanted.binary for wanted in request.outputs):
        return b"".join([header, *chunks]), len(header)
    return header, None


def _read_input(item: dict[str, Any], reader: BinaryReader | None) -> Tensor:
    name = read_text(item, "name", "input")
    datatype = DATATYPES.get(read_text(item, "datatype", f"input '{name}'"))
    if datatype is None:
        raise InvalidRequest(f"input '{name}': datatype", f"one of {', '.join(DATATYPES)}", item["datatype"])
    shape = read_shape(item, name)
    parameters = read_parameters(item, f"input '{name}'")
    _refuse_shared_memory(parameters)
    size = parameters.get("binary_data_size")
    if size is None:
        if "data" not in item:
            raise InvalidRequest(f"input '{name}'", "data, or binary_data_size", "neither")
        values, _ = json_codec.flatten(name, item["data"])
        return json_codec.pack(name, datatype, shape, values)
    if "data" in item:
        raise InvalidRequest(f"input '{name}'", "data or binary_data_size", "both")
    if reader is None:
        raise InvalidRequest(
            f"input '{name}': binary_data_size", "the header Inference-Header-Content-Length with it", "none"
        )
    return reader.read(name, datatype, shape, size)


def _read_output(item: dict[str, Any], binary_by_default: bool) -> WantedOutput:
    name = read_text(item, "name", "output")
    parameters = read_parameters(item, f"output '{name}'")
    _refuse_shared_memory(parameters)
    binary = read_flag(parameters, "binary_data", default=binary_by_default)
    return WantedOutput(name, binary, read_count(parameters, "classification"))


def _refuse_shared_memory(parameters: dict[str, Any]) -> None:
    if "shared_memory_region" in parameters:
        raise UnsupportedExtension("shared memory is not supported: a function shares none with its callers")
