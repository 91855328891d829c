"""Rows to a batch and back; a batch's rows are views, never copies."""

from collections.abc import Mapping, Sequence
from math import prod

from modelet_runtime.errors import InferenceFailed
from modelet_runtime.steps.base import Padding
from modelet_runtime.tensor import Tensor

Row = Mapping[str, Tensor]


def stack(rows: Sequence[Row], padding: Mapping[str, Padding] | None = None) -> list[Tensor]:
    """Stack rows of equal names, datatypes and shapes along a new first axis.

    Args:
        rows: A tensor per input each.
        padding: Inputs whose first axes may differ: shorter ones are padded to the longest.
    """
    known = padding or {}
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return [
        _stack(_padded(tensors, known[name]) if name in known else tensors)
        for name, tensors in columns.items()
    ]


def split(outputs: Sequence[Tensor], rows: int) -> list[dict[str, Tensor]]:
    """Take the first axis of the outputs apart.

    Raises:
        InferenceFailed: (500) The graph did not give one element of that axis per row.
    """
    columns = [_split(tensor, rows) for tensor in outputs]
    return [{tensor.name: tensor for tensor in row} for row in zip(*columns, strict=True)]


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    shape = (len(tensors), *first.shape)
    if len(tensors) == 1:
        return Tensor(first.name, first.datatype, shape, first.data)
    if isinstance(first.data, tuple):
        elements = tuple(element for tensor in tensors for element in tensor.elements)
        return Tensor(first.name, first.datatype, shape, elements)
    joined = b"".join([tensor.buffer for tensor in tensors])
    return Tensor(first.name, first.datatype, shape, memoryview(joined))


def _padded(tensors: Sequence[Tensor], padding: Padding) -> list[Tensor]:
    longest = max(tensor.shape[0] for tensor in tensors)
    return [_grown(tensor, longest, padding) if tensor.shape[0] < longest else tensor for tensor in tensors]


def _grown(tensor: Tensor, length: int, padding: Padding) -> Tensor:
    shape = (length, *tensor.shape[1:])
    missing = prod(shape) - tensor.element_count
    fill = bytes(Tensor.from_values(tensor.name, tensor.datatype, (1,), [padding.value]).buffer) * missing
    return Tensor(tensor.name, tensor.datatype, shape, memoryview(tensor.buffer.tobytes() + fill))


def _split(tensor: Tensor, rows: int) -> list[Tensor]:
    if tensor.shape[:1] != (rows,):
        actual = list(tensor.shape)
        raise InferenceFailed(f"output '{tensor.name}': expected {rows} rows on the first axis, got {actual}")
    shape, width = tensor.shape[1:], len(tensor.data) // rows
    return [
        Tensor(tensor.name, tensor.datatype, shape, tensor.data[row * width : (row + 1) * width])
        for row in range(rows)
    ]
