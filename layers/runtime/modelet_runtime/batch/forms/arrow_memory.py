"""Columns to tensors without a copy, and back: Arrow's C data interface, read with ctypes.

Source: https://arrow.apache.org/docs/format/CDataInterface.html
"""

import ctypes
import re
from array import array
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from modelet_runtime.tensor import DATATYPES, Datatype, Tensor


class _ArrowArray(ctypes.Structure):
    pass


class _ArrowSchema(ctypes.Structure):
    pass


_ArrowArray._fields_ = [
    *((name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.POINTER(_ArrowArray)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_ArrowSchema._fields_ = [
    *((name, ctypes.c_char_p) for name in ("format", "name", "metadata")),
    *((name, ctypes.c_int64) for name in ("flags", "n_children")),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowSchema))),
    ("dictionary", ctypes.POINTER(_ArrowSchema)),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


class _ArrowStream(ctypes.Structure):
    """A stream of record batches; its functions are the library's own."""


_get_schema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_ArrowStream), ctypes.POINTER(_ArrowSchema))
# Called as any function of ctypes: without Python's lock, so decoding runs beside everything else.
_get_next = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_ArrowStream), ctypes.POINTER(_ArrowArray))
_get_last_error = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_ArrowStream))
_ArrowStream._fields_ = [
    ("get_schema", _get_schema),
    ("get_next", _get_next),
    ("get_last_error", _get_last_error),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]

# Formats of the interface that are a tensor's elements as they lie in memory.
_NUMBERS = {
    **{"C": "UINT8", "S": "UINT16", "I": "UINT32", "L": "UINT64"},
    **{"c": "INT8", "s": "INT16", "i": "INT32", "l": "INT64"},
    **{"e": "FP16", "f": "FP32", "g": "FP64"},
}  # fmt: skip
# Lists that could differ in length: the type of their offsets.
_LISTS = {"+l": "i", "+L": "q"}
_FIXED_LIST = re.compile(r"\+w:(\d+)")


def batches(reader: Any) -> Iterator[Any]:
    """The record batches of a reader, decoded without Python's lock.

    Args:
        reader: Anything with Arrow's stream interface, such as arro3's `RecordBatchReader`.

    Raises:
        OSError: The library could not decode the next one.
    """
    from arro3.core import RecordBatch  # noqa: PLC0415  the batch layer's, batch only

    capsule = reader.__arrow_c_stream__()
    stream = _struct(capsule, b"arrow_array_stream", _ArrowStream)
    while True:
        content = _ArrowArray()
        failed = stream.get_next(stream, content)
        if failed:
            raise OSError(failed, (stream.get_last_error(stream) or b"").decode(errors="replace"))
        if not content.release:  # the end
            return
        schema = _ArrowSchema()
        stream.get_schema(stream, schema)
        # The batch takes both over: it clears `release`, and these two structs may go.
        yield RecordBatch.from_arrow_pycapsule(
            _new_capsule(ctypes.addressof(schema), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(content), b"arrow_array", None),
        )


def to_tensor(name: str, column: Any) -> Tensor | None:
    """A column of numbers, or of fixed-size lists of them, as a tensor over its memory.

    Returns:
        `[rows, ...]`; None where the column has missing values or elements of other kinds: those go
        row by row.
    """
    schema_capsule, array_capsule = column.__arrow_c_array__()
    schema = _struct(schema_capsule, b"arrow_schema", _ArrowSchema)
    content = _struct(array_capsule, b"arrow_array", _ArrowArray)
    rows, shape = content.length, [content.length]
    start, count = content.offset, content.length
    while (width := _width(schema.format.decode(), content, start, count)) is not None:
        if width < 0 or _null_count(content):
            return None
        shape.append(width)
        first = _first(schema.format.decode(), content, start, width)
        schema, content = schema.children[0].contents, content.children[0].contents
        start, count = first + content.offset, count * width
    datatype = DATATYPES.get(_NUMBERS.get(schema.format.decode(), ""))
    if datatype is None or schema.dictionary or _null_count(content):
        return None
    if not rows or not prod(shape):
        return Tensor(name, datatype, tuple(shape), memoryview(b""))
    address = content.buffers[1] + start * datatype.size
    memory = _memory((column, array_capsule), address, count * datatype.size)
    return Tensor(name, datatype, tuple(shape), memory)


def _width(form: str, content: Any, start: int, count: int) -> int | None:
    """How many elements each list has: None where there are no lists, -1 where they differ."""
    if match := _FIXED_LIST.fullmatch(form):
        return int(match[1])
    if form not in _LISTS:
        return None
    if not count:
        return 0
    code = _LISTS[form]
    size_bytes = array(code).itemsize
    address = content.buffers[1] + start * size_bytes
    given = (
        memoryview((ctypes.c_char * ((count + 1) * size_bytes)).from_address(address)).cast("B").cast(code)  # type: ignore[call-overload]
    )
    width = given[1] - given[0]
    even = width and bytes(array(code, range(given[0], given[0] + (count + 1) * width, width))) == bytes(
        given
    )
    return width if even else -1


def _first(form: str, content: Any, start: int, width: int) -> int:
    """Where the elements of the list at `start` begin."""
    if form not in _LISTS:
        return start * width
    offset = ctypes.c_int32 if form == "+l" else ctypes.c_int64
    return int(offset.from_address(content.buffers[1] + start * ctypes.sizeof(offset)).value)


def _struct(capsule: object, name: bytes, kind: Any) -> Any:
    return ctypes.cast(_capsule_pointer(capsule, name), ctypes.POINTER(kind)).contents


def _null_count(content: Any) -> int:
    """Missing values; -1 stands for "not counted", which only a validity bitmap makes possible."""
    return int(content.null_count) if content.null_count >= 0 else int(bool(content.buffers[0]))


def _memory(owner: object, address: int, size_bytes: int) -> memoryview:
    """Bytes that belong to an Arrow array, which lives as long as a view of them does."""
    held = (ctypes.c_char * size_bytes).from_address(address)
    held.owner = owner  # type: ignore[attr-defined]
    return memoryview(held).cast("B")


def from_tensor(tensor: Tensor, failed: Sequence[int] = ()) -> Any:
    """A tensor as a column: numbers as they are, further axes as nested fixed-size lists.

    Args:
        tensor: `[rows, ...]`. 16-bit floats become 32-bit ones, `BYTES` text or binary.
        failed: Rows that have no value.
    """
    from arro3.core import Array, DataType, fixed_size_list_array  # noqa: PLC0415  the batch layer's, batch only

    if isinstance(tensor.data, tuple):
        return _of_bytes(tensor, frozenset(failed))
    if tensor.datatype.name == "BOOL":
        column = Array([bool(byte) for byte in tensor.data], DataType.bool())
    elif tensor.datatype.name in ("FP16", "BF16"):
        column = Array.from_buffer(memoryview(array("f", tensor.values())))
    else:
        column = Array.from_buffer(_typed(tensor.data, tensor.datatype))
    for size in reversed(tensor.shape[1:]):
        column = fixed_size_list_array(column, size)
    return _without(column, tensor.shape[0], failed)


def _typed(data: memoryview, datatype: Datatype) -> memoryview:
    # `l` and `L` of memoryview are 64 bits wide where `q` and `Q` are not known to Arrow.
    return data.cast(datatype.format)  # type: ignore[call-overload,no-any-return]


def _of_bytes(tensor: Tensor, failed: frozenset[int]) -> Any:
    from arro3.core import Array, DataType  # noqa: PLC0415

    elements = [None if row in failed else element for row, element in enumerate(tensor.elements)]
    try:
        return Array([None if e is None else e.decode() for e in elements], DataType.string())
    except UnicodeDecodeError:
        return Array(elements, DataType.binary())


def _without(column: Any, rows: int, failed: Sequence[int]) -> Any:
    if not failed:
        return column
    from arro3.core import Array, DataType  # noqa: PLC0415

    missing = frozenset(failed)
    return column.take(Array([None if row in missing else row for row in range(rows)], DataType.uint64()))
