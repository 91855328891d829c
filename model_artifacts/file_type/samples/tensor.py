"""Tensors as they travel between protocols and sessions: a header and a buffer, never copied."""

import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from modelet_runtime.errors import DatatypeMismatch, LengthMismatch


@dataclass(frozen=True, slots=True)
class Datatype:
    """One element type of the Open Inference Protocol.

    Attributes:
        name: The protocol's name, such as `FP32`.
        size: Bytes per element; 0 for `BYTES`, whose elements vary.
        format: The `struct` and `memoryview` format character; `H` stands for the raw bits of `BF16`.
        onnx_type: The number of ONNX's `TensorProto.DataType`, which ONNX Runtime shares.
        has_json: Whether the protocol defines a JSON form of the values.

    Source: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
    """

    name: str
    size: int
    format: str
    onnx_type: int
    has_json: bool = True

    @property
    def is_float(self) -> bool:
        """Whether the values are floating point, and so may be NaN or infinite."""
        return self.name in _FLOATS


_FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})

DATATYPES: dict[str, Datatype] = {
    datatype.name: datatype
    for datatype in (
        Datatype("BOOL", 1, "?", 9),
        Datatype("UINT8", 1, "B", 2),
        Datatype("UINT16", 2, "H", 4),
        Datatype("UINT32", 4, "I", 12),
        Datatype("UINT64", 8, "Q", 13),
        Datatype("INT8", 1, "b", 3),
        Datatype("INT16", 2, "h", 5),
        Datatype("INT32", 4, "i", 6),
        Datatype("INT64", 8, "q", 7),
        Datatype("FP16", 2, "e", 10, has_json=False),
        Datatype("FP32", 4, "f", 1),
        Datatype("FP64", 8, "d", 11),
        Datatype("BF16", 2, "H", 16, has_json=False),
        Datatype("BYTES", 0, "", 8),
    )
}
BY_ONNX_TYPE: dict[int, Datatype] = {datatype.onnx_type: datatype for datatype in DATATYPES.values()}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor: row-major, little-endian, unpadded.

    Attributes:
        name: The model's name for it.
        datatype: Its element type.
        shape: Its dimensions, all known; `()` is a scalar, a 0 makes it empty.
        data: For `BYTES` the elements as a tuple; for every other datatype a contiguous
            memoryview of bytes (format `B`, one dimension), which keeps its owner alive.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
