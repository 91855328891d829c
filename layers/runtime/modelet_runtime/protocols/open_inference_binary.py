"""The Open Inference Protocol's binary tensor data: slices in, one join out.

Source: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol/binary-tensor-data-extension
"""

from math import prod

from modelet_runtime.errors import InvalidRequest, LengthMismatch
from modelet_runtime.manifest import Signature
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

# A BYTES element is its length, unsigned and little-endian, and then its bytes.
_LENGTH_BYTES = 4

Chunk = bytes | memoryview


class BinaryReader:
    """Hands out the tensors that follow the JSON part, in order and without a copy."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._offset = 0

    def read(self, name: str, datatype: Datatype, shape: tuple[int, ...], size: object) -> Tensor:
        """View the next `size` bytes as a tensor.

        Raises:
            InvalidRequest: (400) `size` is no length, or more than is left.
            LengthMismatch: (400) The bytes are more or fewer than the shape says.
        """
        left = len(self._data) - self._offset
        if type(size) is not int or not 0 <= size <= left:
            field = f"input '{name}': binary_data_size"
            raise InvalidRequest(field, f"at most the {left} bytes left", str(size))
        view = self._data[self._offset : self._offset + size]
        self._offset += size
        return read_tensor(name, datatype, shape, view)

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            InvalidRequest: (400) There are bytes that belong to no input.
        """
        left = len(self._data) - self._offset
        if left:
            raise InvalidRequest("body", "the bytes of the binary inputs and no more", f"{left} more")


def read_tensor(name: str, datatype: Datatype, shape: tuple[int, ...], view: memoryview) -> Tensor:
    """View bytes in the protocol's binary form as a tensor."""
    if datatype.name == "BYTES":
        return Tensor(name, datatype, shape, _read_elements(name, view))
    if datatype.name == "BOOL" and view.tobytes().strip(b"\x00\x01"):
        raise InvalidRequest(f"input '{name}'", "bytes 0 and 1 for BOOL", "another byte")
    return Tensor(name, datatype, shape, view)


def read_raw(signature: Signature, body: memoryview) -> Tensor:
    """View a whole body as the model's only input; its size gives the variable axis.

    A BYTES input takes the body as its one element, as Triton does, without a length before it.

    Raises:
        InvalidRequest: (400) The model has several inputs, or an input whose shape cannot be told.
    """
    if len(signature.inputs) != 1:
        raise InvalidRequest("body", "a JSON part, as the model has several inputs", "raw bytes")
    spec = signature.inputs[0]
    datatype = DATATYPES[spec.datatype]
    fixed = prod(size for size in spec.shape if size != -1)
    if spec.shape.count(-1) > 1 or (datatype.name == "BYTES" and fixed != 1):
        raise InvalidRequest(f"input '{spec.name}'", "a JSON part, as its shape cannot be told", "raw bytes")
    if datatype.name == "BYTES":
        return Tensor(spec.name, datatype, tuple(abs(size) for size in spec.shape), (bytes(body),))
    row_bytes = max(fixed * datatype.size, 1)
    if len(body) % row_bytes:
        raise LengthMismatch(spec.name, f"a multiple of {row_bytes} bytes", f"{len(body)} bytes")
    shape = tuple(len(body) // row_bytes if size == -1 else size for size in spec.shape)
    return read_tensor(spec.name, datatype, shape, body)


def write_tensor(tensor: Tensor) -> list[Chunk]:
    """The protocol's binary form of a tensor, as pieces to be joined."""
    if isinstance(tensor.data, memoryview):
        return [tensor.data]
    chunks: list[Chunk] = []
    for element in tensor.data:
        chunks += (len(element).to_bytes(_LENGTH_BYTES, "little"), element)
    return chunks


def _read_elements(name: str, view: memoryview) -> tuple[bytes, ...]:
    elements = []
    offset = 0
    while offset < len(view):
        start = offset + _LENGTH_BYTES
        offset = start + int.from_bytes(view[offset:start], "little")
        if start > len(view) or offset > len(view):
            raise InvalidRequest(f"input '{name}'", "each element's length and bytes", "data that ends early")
        elements.append(bytes(view[start:offset]))
    return tuple(elements)
