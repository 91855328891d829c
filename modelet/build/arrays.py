"""Tensors of the runtime to numpy arrays and back; strings are arrays of Python's `str`."""

import ml_dtypes
import numpy as np
import numpy.typing as npt

from modelet_runtime.tensor import DATATYPES, Datatype, Tensor

Array = npt.NDArray[np.generic] | npt.NDArray[np.object_]

_DTYPES: dict[str, np.dtype[np.generic]] = {
    name: np.dtype(ml_dtypes.bfloat16 if name == "BF16" else datatype.format).newbyteorder("<")
    for name, datatype in DATATYPES.items()
    if datatype.size
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def dtype_of(datatype: Datatype) -> "np.dtype[np.generic] | np.dtype[np.object_]":
    """The array type of a datatype; `object` for strings."""
    return _DTYPES[datatype.name] if datatype.size else np.dtype(object)


def datatype_of(array: Array) -> Datatype:
    """The datatype of an array.

    Raises:
        ValueError: There is no such datatype, as for complex numbers and dates.
    """
    if array.dtype.kind in "OUS":
        return DATATYPES["BYTES"]
    name = _NAMES.get(array.dtype.newbyteorder("<"))
    if name is None:
        raise ValueError(f"arrays of {array.dtype} have no datatype")
    return DATATYPES[name]


def to_array(tensor: Tensor) -> Array:
    """View a tensor as an array; strings are decoded as UTF-8."""
    if isinstance(tensor.data, tuple):
        texts = np.empty(len(tensor.data), dtype=object)
        texts[:] = [element.decode() for element in tensor.data]
        return texts.reshape(tensor.shape)
    return np.frombuffer(tensor.data, dtype=dtype_of(tensor.datatype)).reshape(tensor.shape)


def to_tensor(name: str, array: Array) -> Tensor:
    """Copy an array into a tensor of its own datatype.

    Raises:
        ValueError: An array of this type has no datatype, or an element of strings is none.
    """
    datatype = datatype_of(array)
    if datatype.size:
        contiguous = np.ascontiguousarray(array, dtype=dtype_of(datatype))
        return Tensor(name, datatype, array.shape, memoryview(contiguous.tobytes()))
    elements = array.reshape(-1).tolist()
    if not all(isinstance(element, str | bytes) for element in elements):
        raise ValueError(f"'{name}' holds objects that are no strings")
    return Tensor.from_values(name, datatype, array.shape, elements)
