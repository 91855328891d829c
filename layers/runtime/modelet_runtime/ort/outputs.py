"""OrtValues to tensors."""

from ctypes import byref, c_int, c_int64, c_size_t, c_ubyte, c_void_p, create_string_buffer
from itertools import pairwise
from math import prod

from modelet_runtime.ort.engine import Engine
from modelet_runtime.ort.memory import OwnedValue
from modelet_runtime.tensor import Datatype, Tensor

_EMPTY = memoryview(b"")


def from_value(engine: Engine, name: str, datatype: Datatype, value: OwnedValue) -> Tensor:
    """Make a tensor of an OrtValue; numbers stay where they are, and keep the OrtValue.

    Raises:
        OrtFailure: ONNX Runtime does not hand the contents out.
    """
    shape = _shape(engine, value)
    count = prod(shape)
    if not datatype.size:
        return Tensor(name, datatype, shape, _strings(engine, value, count) if count else ())
    if not count:
        return Tensor(name, datatype, shape, _EMPTY)
    address = engine.api.get(c_void_p, "GetTensorMutableData", value.address)
    memory = (c_ubyte * (count * datatype.size)).from_address(address)
    memory.owner = value  # type: ignore[attr-defined]
    return Tensor(name, datatype, shape, memoryview(memory).cast("B").toreadonly())


def _shape(engine: Engine, value: OwnedValue) -> tuple[int, ...]:
    element_type, dimensions, rank = c_int(), c_void_p(), c_size_t()
    describe = engine.api.GetTensorElementTypeAndShapeDataReference
    engine.api.check(describe(value.address, byref(element_type), byref(dimensions), byref(rank)))
    if not dimensions.value:
        return ()
    return tuple((c_int64 * rank.value).from_address(dimensions.value))


def _strings(engine: Engine, value: OwnedValue, count: int) -> tuple[bytes, ...]:
    api = engine.api
    size = api.get(c_size_t, "GetStringTensorDataLength", value.address)
    content, offsets = create_string_buffer(size), (c_size_t * count)()
    api.check(api.GetStringTensorContent(value.address, content, size, offsets, count))
    text = content.raw
    return tuple(text[start:end] for start, end in pairwise([*offsets, size]))
