"""Tensors to OrtValues."""

from ctypes import c_char_p, c_void_p, memmove

from modelet_runtime.ort.engine import Engine
from modelet_runtime.ort.memory import (
    SUFFICIENT_ALIGNMENT,
    OwnedValue,
    address_of,
    aligned,
    borrow,
    pack_shape,
)
from modelet_runtime.tensor import Tensor


def to_value(engine: Engine, tensor: Tensor) -> tuple[OwnedValue, memoryview | None]:
    """Make an OrtValue of a tensor; numbers stay where they are if they are aligned.

    Returns:
        The OrtValue, and the memory it borrows, which has to outlive it.

    Raises:
        OrtFailure: ONNX Runtime has no such tensor.
        ShapeMismatch: (400) Nor could it have one of this shape.
    """
    if isinstance(tensor.data, tuple):
        return _strings(engine, tensor), None
    data, size = tensor.data, len(tensor.data)
    address = address_of(data)
    if not address or address % SUFFICIENT_ALIGNMENT:
        address, copy = aligned(size)
        copy[:] = data
        data = copy
    return borrow(engine, tensor.name, tensor.datatype, tensor.shape, address, size), data


def _strings(engine: Engine, tensor: Tensor) -> OwnedValue:
    api, elements, count = engine.api, tensor.elements, tensor.element_count
    shape = pack_shape(tensor.name, tensor.shape)
    value = OwnedValue(
        engine,
        api.get(
            c_void_p,
            "CreateTensorAsOrtValue",
            engine.allocator,
            shape,
            len(tensor.shape),
            tensor.datatype.onnx_type,
        ),
    )
    # The quick way ends an element at its first zero byte.
    if any(b"\0" in element for element in elements):
        for index, element in enumerate(elements):
            size = len(element)
            buffer = api.get(c_void_p, "GetResizedStringTensorElementBuffer", value.address, index, size)
            memmove(buffer, element, size)
    elif count:
        api.check(api.FillStringTensor(value.address, (c_char_p * count)(*elements), count))
    return value
