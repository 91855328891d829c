"""What is handed to C: values, names, shapes and the memory they refer to."""

from collections.abc import Callable, Sequence
from ctypes import (
    POINTER,
    PYFUNCTYPE,
    Array,
    Structure,
    addressof,
    byref,
    c_char_p,
    c_int,
    c_ssize_t,
    c_ubyte,
    c_void_p,
    py_object,
    pythonapi,
)
from struct import error as StructError  # noqa: N812
from struct import pack

from modelet_runtime.errors import ShapeMismatch
from modelet_runtime.ort.engine import Engine
from modelet_runtime.tensor import Datatype

# ONNX Runtime aligns its own tensors so.
ALIGNMENT = 64
# What malloc, and with it bytes and numpy, aligns to. Below it answers differ: a sum over one and the same
# row has other last bits 8 and 12 bytes behind a multiple of 16 than 0 and 4 bytes behind it.
SUFFICIENT_ALIGNMENT = 16


class OwnedValue:
    """An OrtValue that is released when nothing refers to this object any more."""

    __slots__ = ("_release", "address")

    def __init__(self, engine: Engine, address: int) -> None:
        self.address = address
        self._release: Callable[[int], object] = engine.api.ReleaseValue

    def __del__(self) -> None:
        self._release(self.address)


class Names:
    """Names as C wants them: an array of pointers to text."""

    def __init__(self, names: Sequence[str]) -> None:
        self._texts: Array[c_char_p] = (c_char_p * len(names))(*(name.encode() for name in names))
        self.address = addressof(self._texts)


class _PyBuffer(Structure):
    """CPython's `Py_buffer`, part of its stable ABI since 3.11."""

    _fields_ = (
        ("buf", c_void_p),
        ("obj", c_void_p),
        ("len", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    )


_get_buffer = PYFUNCTYPE(c_int, py_object, POINTER(_PyBuffer), c_int)(("PyObject_GetBuffer", pythonapi))
_release_buffer = PYFUNCTYPE(None, POINTER(_PyBuffer))(("PyBuffer_Release", pythonapi))


def address_of(view: memoryview) -> int:
    """Where the bytes of a view lie; `ctypes` itself only tells it of writable ones."""
    buffer = _PyBuffer()
    _get_buffer(view, byref(buffer), 0)
    address: int | None = buffer.buf
    _release_buffer(byref(buffer))
    return address or 0


def aligned(size: int) -> tuple[int, memoryview]:
    """The address of fresh, aligned memory, and the view that keeps it."""
    memory = (c_ubyte * (size + ALIGNMENT))()
    offset = -addressof(memory) % ALIGNMENT
    return addressof(memory) + offset, memoryview(memory).cast("B")[offset : offset + size]


def pack_shape(name: str, shape: Sequence[int]) -> bytes:
    """A shape as C wants it: an array of int64.

    Raises:
        ShapeMismatch: (400) A dimension does not fit.
    """
    try:
        return pack(f"={len(shape)}q", *shape)
    except StructError as error:
        raise ShapeMismatch(name, "dimensions of 64 bits", shape) from error


def borrow(
    engine: Engine, name: str, datatype: Datatype, shape: Sequence[int], address: int, size: int
) -> OwnedValue:
    """Make an OrtValue over memory that outlives it.

    Raises:
        OrtFailure: ONNX Runtime has no such tensor.
        ShapeMismatch: (400) Nor could it have one of this shape.
    """
    value = engine.api.get(
        c_void_p,
        "CreateTensorWithDataAsOrtValue",
        engine.cpu_memory,
        address,
        size,
        pack_shape(name, shape),
        len(shape),
        datatype.onnx_type,
    )
    return OwnedValue(engine, value)
