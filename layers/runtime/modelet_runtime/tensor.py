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
    data: memoryview | tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Check that the data is as long as the shape says.

        Raises:
            LengthMismatch: (400) The data holds more or fewer elements or bytes.
        """
        expected = self.element_count * (self.datatype.size or 1)
        if len(self.data) != expected:
            unit = "bytes" if self.datatype.size else "elements"
            raise LengthMismatch(
                self.name, f"{expected} {unit} for shape {list(self.shape)}", f"{len(self.data)} {unit}"
            )

    @classmethod
    def from_buffer(cls, name: str, datatype: Datatype, shape: Sequence[int], buffer: Any) -> "Tensor":
        """View any contiguous buffer of `datatype`'s elements as a tensor, without a copy."""
        view = memoryview(buffer)
        is_flat = view.format == "B" and view.ndim == 1
        return cls(name, datatype, tuple(shape), view if is_flat else view.cast("B"))

    @classmethod
    def from_values(
        cls, name: str, datatype: Datatype, shape: Sequence[int], values: Sequence[Any]
    ) -> "Tensor":
        """Pack flat, row-major Python values.

        Args:
            name: The tensor's name.
            datatype: Any datatype; values of `BYTES` are `bytes` or `str` (encoded as UTF-8).
            shape: The dimensions.
            values: As many values as the shape has elements.

        Raises:
            DatatypeMismatch: (400) A value is not one of `datatype`, or is outside its range.
        """
        if datatype.name == "BYTES":
            return cls(name, datatype, tuple(shape), tuple(_as_bytes(name, value) for value in values))
        if datatype.name == "BOOL":
            return cls(name, datatype, tuple(shape), memoryview(_pack_booleans(name, values)))
        try:
            packed = _pack(datatype, values)
        except (TypeError, OverflowError, struct.error) as error:
            raise DatatypeMismatch(name, datatype.name, str(error)) from error
        return cls.from_buffer(name, datatype, shape, packed)

    @property
    def element_count(self) -> int:
        """The product of the dimensions; 1 for a scalar."""
        return prod(self.shape)

    @property
    def buffer(self) -> memoryview:
        """The bytes of a numeric tensor."""
        assert isinstance(self.data, memoryview)
        return self.data

    @property
    def elements(self) -> tuple[bytes, ...]:
        """The elements of a `BYTES` tensor."""
        assert isinstance(self.data, tuple)
        return self.data

    def values(self) -> Sequence[Any]:
        """The elements in row-major order: `bytes` for `BYTES`, numbers or booleans otherwise.

        A numeric tensor gives a memoryview cast to its format, 16-bit floats a tuple of floats.
        """
        if isinstance(self.data, tuple):
            return self.data
        if self.datatype.name == "FP16":  # memoryview cannot be cast to `e` before Python 3.12
            return struct.unpack(f"<{self.element_count}e", self.data)
        if self.datatype.name == "BF16":
            return _unpack_bf16(self.data)
        return self.data.cast(self.datatype.format)  # type: ignore[call-overload,no-any-return]

    def renamed(self, name: str) -> "Tensor":
        """The same tensor under another name."""
        return Tensor(name, self.datatype, self.shape, self.data)


def nest(values: Sequence[Any], shape: Sequence[int]) -> Any:
    """Nest flat, row-major values as lists of `shape`; a scalar's shape gives the value itself."""
    if not shape:
        return values[0]
    nested: Any = list(values)
    for size in reversed(shape[1:]):
        if size == 0:
            return _nest_empty(shape)
        nested = [nested[start : start + size] for start in range(0, len(nested), size)]
    return nested


def _nest_empty(shape: Sequence[int]) -> Any:
    if shape[0] == 0:
        return []
    return [_nest_empty(shape[1:]) for _ in range(shape[0])]


def _as_bytes(name: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:  # JSON can spell half of a surrogate pair
            raise DatatypeMismatch(name, "BYTES", f"text that is not Unicode: {error.reason}") from error
    raise DatatypeMismatch(name, "BYTES", f"{type(value).__name__} {value!r}")


def _pack(datatype: Datatype, values: Sequence[Any]) -> "array[int] | bytes":
    if datatype.name == "BF16":
        return _pack_bf16(values)
    # Three times as fast as `array`, and refuses what FP32 cannot hold (decision 0020).
    return struct.pack(f"<{len(values)}{datatype.format}", *values)


def _pack_bf16(values: Sequence[Any]) -> "array[int]":
    """Keep the upper half of each FP32, rounded to nearest even; a NaN stays one."""
    words = memoryview(array("f", values)).cast("B").cast("I")
    return array(
        "H",
        [
            0x7FC0 if value != value else (word + 0x7FFF + (word >> 16 & 1)) >> 16  # noqa: PLR0124
            for value, word in zip(values, words, strict=True)
        ],
    )


def _unpack_bf16(data: memoryview) -> Sequence[float]:
    words = array("I", [half << 16 for half in data.cast("H")])
    return memoryview(words).cast("B").cast("f")


def _pack_booleans(name: str, values: Iterable[Any]) -> bytes:
    packed = list(values)
    for value in packed:
        if value is not True and value is not False:
            raise DatatypeMismatch(name, "BOOL", f"{type(value).__name__} {value!r}")
    return bytes(packed)
