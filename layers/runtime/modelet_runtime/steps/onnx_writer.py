"""As much of ONNX's file format as a graph made at run time needs, without the `onnx` package.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto and
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from modelet_runtime.tensor import Datatype, Tensor

_IR_VERSION, _OPSET = 10, 20
_INT, _INTS = 2, 7  # AttributeProto.AttributeType

Shape = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: what it reads, what it writes, and its attributes."""

    operator: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, int | Sequence[int]] = field(default_factory=dict)


def model(
    nodes: Sequence[Node],
    inputs: Mapping[str, tuple[Datatype, Shape]],
    outputs: Mapping[str, tuple[Datatype, Shape]],
    constants: Sequence[Tensor],
) -> bytes:
    """The bytes of a `.onnx` file.

    Args:
        nodes: In an order in which they can run.
        inputs: Datatype and shape by name; a string in a shape names a variable axis.
        outputs: The same of what the graph answers.
        constants: Tensors that nodes read by name.
    """
    graph = b"".join(
        [
            *(_part(1, _node(node)) for node in nodes),
            _text(2, "graph"),
            *(_part(5, _constant(tensor)) for tensor in constants),
            *(_part(11, _value(name, *kind)) for name, kind in inputs.items()),
            *(_part(12, _value(name, *kind)) for name, kind in outputs.items()),
        ]
    )
    return _number(1, _IR_VERSION) + _part(7, graph) + _part(8, _text(1, "") + _number(2, _OPSET))


def _node(node: Node) -> bytes:
    names = b"".join([*(_text(1, name) for name in node.inputs), *(_text(2, name) for name in node.outputs)])
    attributes = (_part(5, _attribute(name, value)) for name, value in node.attributes.items())
    return names + _text(4, node.operator) + b"".join(attributes)


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, _INT)
    return _text(1, name) + b"".join(_number(8, item) for item in value) + _number(20, _INTS)


def _constant(tensor: Tensor) -> bytes:
    dimensions = b"".join(_number(1, size) for size in tensor.shape)
    data = _part(9, bytes(tensor.buffer))
    return dimensions + _number(2, tensor.datatype.onnx_type) + _text(8, tensor.name) + data


def _value(name: str, datatype: Datatype, shape: Shape) -> bytes:
    axes = (_number(1, size) if isinstance(size, int) else _text(2, size) for size in shape)
    dimensions = b"".join(_part(1, axis) for axis in axes)
    return _text(1, name) + _part(2, _part(1, _number(1, datatype.onnx_type) + _part(2, dimensions)))


def _part(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _text(number: int, content: str) -> bytes:
    return _part(number, content.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
