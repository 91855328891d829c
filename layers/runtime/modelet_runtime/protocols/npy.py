"""NumPy's `.npy` format without numpy and without pickle.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import re
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from modelet_runtime.errors import InvalidRequest, LengthMismatch
from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

MAGIC = b"\x93NUMPY"
NAME = "array"
# numpy refuses longer headers too, because `literal_eval` on them is slow; and more axes.
_MAX_HEADER_BYTES = 10_000
_MAX_AXES = 64

_DATATYPES = {
    "b1": "BOOL",
    "u1": "UINT8",
    "u2": "UINT16",
    "u4": "UINT32",
    "u8": "UINT64",
    "i1": "INT8",
    "i2": "INT16",
    "i4": "INT32",
    "i8": "INT64",
    "f2": "FP16",
    "f4": "FP32",
    "f8": "FP64",
}
_KINDS = {"BOOL": "|b1", "INT64": "<i8", "UINT64": "<u8", "FP64": "<f8"}
_DESCRIPTION = re.compile(r"([<>|=])(?:([biuf][1248])|([SU])([1-9]\d{0,8}))")
# Swapping bytes takes an integer of the same size, whatever the elements are.
_WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before an array's data.

    Attributes:
        description: The dtype as it is spelled.
        groups: Its byte order; the kind and size of a number, or the kind and width of a string.
        is_fortran: Whether it is column-major.
        shape: Its dimensions.
        payload: Where the data begins.
    """

    description: str
    groups: tuple[str | None, ...]
    is_fortran: bool
    shape: tuple[int, ...]
    payload: int

    @property
    def item_bytes(self) -> int:
        """Size of one element."""
        _, number, kind, width = self.groups
        return int(number[1]) if number else int(width or 0) * (4 if kind == "U" else 1)

    @property
    def row_bytes(self) -> int:
        """Size of what the first axis counts; an array without axes is one row."""
        return prod(self.shape[1:]) * self.item_bytes


def datatype_of(description: str) -> Datatype | None:
    """The datatype whose elements lie in an array of this dtype as they are; None where they do not."""
    match = _DESCRIPTION.fullmatch(description)
    if match is None or match[1] == ">" or not match[2] or match[2] == "b1":
        return None
    return DATATYPES[_DATATYPES[match[2]]]


def read(data: bytes | memoryview) -> Tensor:
    """Read an array; C and Fortran order, either byte order, versions 1 to 3.

    Raises:
        InvalidRequest: (400) It is no such file, or holds objects, structures, dates or complex numbers.
        LengthMismatch: (400) It holds more or fewer bytes than its header says.
    """
    found = header(data)
    shape, is_fortran, size = found.shape, found.is_fortran, found.item_bytes
    order, number, kind, _ = found.groups
    payload = memoryview(data)[found.payload :]
    if prod(shape) * size != len(payload):
        raise LengthMismatch("npy", f"{prod(shape) * size} bytes for {list(shape)}", f"{len(payload)} bytes")
    if not number:
        elements: Sequence[bytes] = _strings(payload, kind or "", size, prod(shape), is_big=order == ">")
        return Tensor(NAME, DATATYPES["BYTES"], shape, tuple(_c_order(elements, shape, is_fortran)))
    datatype = DATATYPES[_DATATYPES[number]]
    if datatype.name == "BOOL" and bytes(payload).translate(None, b"\0\1"):
        raise InvalidRequest("npy", "booleans of 0 or 1", "another byte")
    if order != ">" and not is_fortran:
        return Tensor.from_buffer(NAME, datatype, shape, payload)
    words = array(_WORDS[size], bytes(payload))
    if order == ">":
        words.byteswap()
    return Tensor.from_buffer(NAME, datatype, shape, _c_order(words, shape, is_fortran))


def rows(tensor: Tensor) -> list[Tensor]:
    """Take the first axis apart; an array without axes is one row.

    Raises:
        InvalidRequest: (400) There are more rows than elements could be: rows of nothing.
    """
    if not tensor.shape:
        return [tensor]
    count, shape = tensor.shape[0], tensor.shape[1:]
    if count > max(len(tensor.data), _MAX_AXES):
        raise InvalidRequest("npy", "rows that hold something", f"{count} empty rows")
    width = len(tensor.data) // count if count else 0
    return [
        Tensor(NAME, tensor.datatype, shape, tensor.data[row * width : (row + 1) * width])
        for row in range(count)
    ]


def write(datatype: Datatype, shape: Sequence[int], values: Sequence[Any]) -> bytes:
    """Write flat, row-major values of `BOOL`, `INT64`, `UINT64` or `FP64` as version 1.0."""
    axes = "".join(f"{size}, " for size in shape) if len(shape) < 2 else ", ".join(map(str, shape))
    head = pack_header(_KINDS[datatype.name], f"({axes.rstrip()})")
    return head + bytes(Tensor.from_values(NAME, datatype, shape, values).buffer)


def header(data: bytes | memoryview) -> Header:
    """Read what comes before an array's data.

    Args:
        data: The file, or as much of its beginning as holds the header.

    Raises:
        InvalidRequest: (400) It is no such file, or holds objects, structures, dates or complex numbers.
    """
    view = memoryview(data)
    version = bytes(view[6:8])
    if bytes(view[:6]) != MAGIC or version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise InvalidRequest("npy", "the .npy format, version 1 to 3", f"{bytes(view[:8])!r}")
    form = "<H" if version == b"\x01\x00" else "<I"
    start = 8 + struct.calcsize(form)
    length = int.from_bytes(view[8:start], "little")
    text = bytes(view[start : start + length])
    if length > _MAX_HEADER_BYTES or len(view) < start or len(text) != length:
        raise InvalidRequest("npy", f"a header of at most {_MAX_HEADER_BYTES} bytes", f"{length} announced")
    try:
        content = ast.literal_eval(text.decode("utf-8" if version == b"\x03\x00" else "latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InvalidRequest("npy header", "a dictionary", f"{type(error).__name__}: {error}") from error
    description, is_fortran, shape = _fields(content)
    match = _DESCRIPTION.fullmatch(description)
    if match is None or (match[2] and match[2] not in _DATATYPES):
        raise InvalidRequest("npy", "numbers, booleans or strings", f"dtype {description!r}")
    return Header(description, match.groups(), is_fortran, shape, start + length)


def pack_header(description: str, shape: str) -> bytes:
    """What version 1.0 writes before an array's data; both arguments as Python spells them."""
    text = f"{{'descr': '{description}', 'fortran_order': False, 'shape': {shape}, }}"
    # The data begins at a multiple of 64 bytes, after a line end.
    length = -(-(len(MAGIC) + 4 + len(text) + 1) // 64) * 64 - len(MAGIC) - 4
    return MAGIC + b"\x01\x00" + struct.pack("<H", length) + text.ljust(length - 1).encode() + b"\n"


def _fields(header: object) -> tuple[str, bool, tuple[int, ...]]:
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise InvalidRequest("npy header", "descr, fortran_order and shape", f"{header!r:.80}")
    description, is_fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if not isinstance(description, str):
        raise InvalidRequest("npy", "numbers, booleans or strings", "a structured dtype")
    if not isinstance(is_fortran, bool):
        raise InvalidRequest("npy header", "fortran_order of True or False", f"{is_fortran!r:.80}")
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MAX_AXES
        or not all(type(size) is int and 0 <= size < sys.maxsize for size in shape)
    ):
        raise InvalidRequest("npy header", "a shape", f"{shape!r:.80}")
    return description, is_fortran, shape


def _strings(payload: memoryview, kind: str, size: int, count: int, is_big: bool) -> list[bytes]:
    data = bytes(payload)
    cells = [data[index * size : (index + 1) * size] for index in range(count)]
    if kind == "S":
        return [cell.rstrip(b"\0") for cell in cells]
    encoding = "utf-32-be" if is_big else "utf-32-le"
    try:
        return [cell.decode(encoding).rstrip("\0").encode() for cell in cells]
    except UnicodeDecodeError as error:
        raise InvalidRequest("npy", "strings of Unicode", error.reason) from error


def _c_order(values: Any, shape: tuple[int, ...], is_fortran: bool) -> Any:
    """Row-major values from column-major ones; axes of size 1 do not matter."""
    axes = [size for size in shape if size != 1]
    if not is_fortran or len(axes) < 2 or 0 in axes:
        return values
    ordered = values[:0]
    rows, rest = axes[0], tuple(axes[1:])
    for row in range(rows):
        ordered += _c_order(values[row::rows], rest, is_fortran=True)
    return ordered
