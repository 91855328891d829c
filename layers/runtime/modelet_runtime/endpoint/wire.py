"""Tensors as Triton takes them: a JSON header and the bytes of each tensor, in one body.

A row of Triton's has at least one axis, so a column with one number per row travels as `[rows, 1]` and
comes back as `[rows]`.

Source: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
"""

from collections.abc import Mapping, Sequence
from json import JSONDecoder
from typing import Any

from modelet_runtime.endpoint.faults import EndpointUnavailable
from modelet_runtime.errors import ClientError
from modelet_runtime.manifest import Signature, TensorSpec
from modelet_runtime.protocols import json_codec
from modelet_runtime.protocols.media_type import MediaType
from modelet_runtime.protocols.open_inference_binary import BinaryReader, Chunk, write_tensor
from modelet_runtime.tensor import DATATYPES, Tensor

# SageMaker passes on no header but the media type, so the length of the JSON part is a parameter of it.
MEDIA_TYPE = "application/vnd.sagemaker-triton.binary+json"
LENGTH = "json-header-size"


class Wire:
    """Writes requests and reads answers for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._outputs = {spec.name: spec for spec in signature.outputs}
        self._has_batch_axis = signature.has_batch_axis

    def request(self, inputs: Sequence[Tensor], output_names: Sequence[str] | None) -> tuple[bytes, str]:
        """The body of a request and its media type.

        Args:
            inputs: One tensor per input of the graph.
            output_names: The outputs to compute; all by default.
        """
        described: list[dict[str, Any]] = []
        chunks: list[Chunk] = []
        for tensor in inputs:
            pieces = write_tensor(tensor)
            described.append(
                {
                    "name": tensor.name,
                    "datatype": tensor.datatype.name,
                    "shape": self._sent(tensor.shape),
                    "parameters": {"binary_data_size": sum(map(len, pieces))},
                }
            )
            chunks += pieces
        wanted = [
            {"name": name, "parameters": {"binary_data": True}} for name in output_names or self._outputs
        ]
        header = json_codec.dumps({"inputs": described, "outputs": wanted})
        return b"".join([header, *chunks]), f"{MEDIA_TYPE};{LENGTH}={len(header)}"

    def answer(self, body: bytes, media_type: str, output_names: Sequence[str] | None) -> list[Tensor]:
        """The outputs in the order asked for.

        Raises:
            EndpointUnavailable: (503) This is no answer to the question.
        """
        try:
            tensors = _read(body, media_type)
            return [self._received(tensors[name], name) for name in output_names or self._outputs]
        except (ClientError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise EndpointUnavailable("the endpoint gave an answer that is none") from error

    def _sent(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape, 1) if self._has_batch_axis and len(shape) == 1 else shape

    def _received(self, tensor: Tensor, name: str) -> Tensor:
        spec = self._outputs[name]
        shape = tensor.shape
        if len(spec.shape) == 1 and self._has_batch_axis and shape[1:] == (1,):
            shape = shape[:1]
        if tensor.datatype.name != spec.datatype or not _fits(spec, shape):
            raise ValueError(f"{tensor.datatype.name} {list(tensor.shape)} for output '{name}'")
        return Tensor(name, tensor.datatype, shape, tensor.data)


def _read(body: bytes, media_type: str) -> Mapping[str, Tensor]:
    """Every tensor of an answer, by name; those without binary data are JSON."""
    media = MediaType.parse(media_type)
    length = int(media.parameters.get(LENGTH) or _header_length(body))
    view = memoryview(body)
    reader = BinaryReader(view[length:])
    tensors = {}
    for item in json_codec.read_object(view[:length])["outputs"]:
        name, datatype, shape = item["name"], DATATYPES[item["datatype"]], tuple(item["shape"])
        size = item.get("parameters", {}).get("binary_data_size")
        if size is None:
            values, _ = json_codec.flatten(name, item["data"])
            tensors[name] = json_codec.pack(name, datatype, shape, values)
        else:
            tensors[name] = reader.read(name, datatype, shape, size)
    reader.finish()
    return tensors


def _header_length(body: bytes) -> int:
    """Where the JSON part of an answer ends whose media type does not say so, as that of a stored one may."""
    # Latin-1 has one character for each byte, so positions in the text are positions in the body.
    return JSONDecoder().raw_decode(body.decode("latin-1"))[1]


def _fits(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    return len(shape) == len(spec.shape) and all(
        wanted in (-1, actual) for wanted, actual in zip(spec.shape, shape, strict=True)
    )
